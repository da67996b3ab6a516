"""The frame of a page: one file, nothing loaded from anywhere."""

from pathlib import Path
from string import Template

from features.pages.markup import escape

_TEMPLATE = Path(__file__).with_name("page.html")


def whole_page(title: str, content: str) -> str:
    """``title`` is text, ``content`` HTML."""
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(title=escape(title), content=content)
