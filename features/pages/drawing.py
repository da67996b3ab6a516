"""Drawings as inline SVG: no script, no outside file; colours are the page's own variables.

Text sits in a drawing of at most 520 units, so that it stays readable when the page is as narrow as a telephone.
"""

from collections.abc import Sequence
from html import escape

WIDTH = 520

Bar = tuple[str, float, str]
"""Label, value, class (``ours``, ``baseline``, ``truth``)."""


def bars(groups: Sequence[tuple[str, Sequence[Bar]]], title: str) -> str:
    """Groups of horizontal bars of shares; a group has a heading unless it is empty."""
    longest = max((value for _, group in groups for _, value, _ in group), default=1.0) or 1.0
    label, scale = 190, (WIDTH - 190 - 62) / longest
    parts, y = [], 0.0
    for heading, group in groups:
        if heading:
            y += 20
            parts.append(text(0, y - 4, heading, kind="strong"))
        for name, value, kind in group:
            parts.append(text(label - 8, y + 15, name, "end"))
            parts.append(
                f'<rect x="{label}" y="{y + 3}" width="{max(value * scale, 1):.1f}" height="15" rx="2" class="{kind}"/>'
            )
            parts.append(text(label + value * scale + 6, y + 15, f"{value:.1%}"))
            y += 21
        y += 8
    return svg(y, title, "".join(parts))


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "label") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(content)}</text>'


def svg(height: float, title: str, content: str) -> str:
    """``title`` is what is read aloud in its place."""
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">{content}</svg>'
