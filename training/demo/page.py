"""The findings as one self-contained page: inline SVG and CSS, nothing loaded from anywhere."""

from pathlib import Path
from string import Template

from training.demo.findings import Findings
from training.demo.markup import escape
from training.demo.page_card import card_section
from training.demo.page_results import addresses_section, future_section, models_section, money_section
from training.demo.wording import day

_TEMPLATE = Path(__file__).with_name("page.html")


def render(findings: Findings) -> str:
    content = [
        _opening(findings),
        card_section(findings),
        future_section(findings),
        money_section(findings.money),
        models_section(findings),
        addresses_section(findings),
    ]
    return whole_page("what the demo found", "".join(content))


def whole_page(title: str, content: str) -> str:
    """``title`` is text, ``content`` HTML."""
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(title=escape(title), content=content)


def _opening(findings: Findings) -> str:
    told = (
        "One year of a grocer's real purchases (The Complete Journey, 84.51°), loaded, learned from "
        "and served. The clock "
        f"stands at {day(findings.clock)}: {findings.coupons} coupons of {findings.campaigns} campaigns are live, and "
        f"what came later was kept from the models. Everything below was computed in {findings.seconds:.0f} seconds on "
        "this machine."
    )
    return f"<h1>The one offer worth making, or none</h1><p>{escape(told)}</p>"
