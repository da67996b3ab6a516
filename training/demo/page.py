"""The findings as one self-contained page: inline SVG and CSS, nothing loaded from anywhere."""

from features.pages.markup import escape
from features.pages.page import whole_page
from training.demo.findings import Findings
from training.demo.page_card import card_section
from training.demo.page_results import addresses_section, future_section, models_section, money_section
from training.demo.wording import day


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


def _opening(findings: Findings) -> str:
    told = (
        "One year of a grocer's real purchases (The Complete Journey, 84.51°), loaded, learned from "
        "and served. The clock "
        f"stands at {day(findings.clock)}: {findings.coupons} coupons of {findings.campaigns} campaigns are live, and "
        f"what came later was kept from the models. Everything below was computed in {findings.seconds:.0f} seconds on "
        "this machine."
    )
    return f"<h1>The one offer worth making, or none</h1><p>{escape(told)}</p>"
