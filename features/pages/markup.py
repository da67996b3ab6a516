"""Small pieces of HTML; whatever text goes in is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["cell", "definitions", "escape", "figure", "section", "table"]


def section(title: str, *content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>"


def figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def cell(content: str, kind: str = "") -> str:
    """A table cell of text; ``kind`` is its class (``n``: a number)."""
    return f'<td class="{kind}">{escape(content)}</td>' if kind else f"<td>{escape(content)}</td>"


def table(headings: Sequence[tuple[str, str]], rows: Iterable[str]) -> str:
    """``headings`` are (text, class); ``rows`` are ready cells, or whole ``<tr>`` where they begin so."""
    head = "".join(f'<th class="{kind}">{escape(text)}</th>' for text, kind in headings)
    body = "".join(row if row.startswith("<tr") else f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    inside = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in pairs)
    return f"<dl>{inside}</dl>"
