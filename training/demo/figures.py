"""The page's figures as inline SVG: no script, no outside file; colours are the page's own variables."""

from collections.abc import Sequence

from features.instant import HOURS_PER_WEEK
from features.pages.drawing import WIDTH, svg, text
from training.demo.findings import Interval, Mailing

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LABEL = 44


def heat_strip(hours: Sequence[float]) -> str:
    """The 168 hours of the week, a row a day; the darkest cell is the likeliest hour."""
    peak = max(hours) or 1.0
    width, height = (WIDTH - _LABEL) / 24, 18
    cells = []
    for hour in range(HOURS_PER_WEEK):
        x, y = _LABEL + (hour % 24) * width, (hour // 24) * height
        tip = f"{DAYS[hour // 24]} {hour % 24}:00, {hours[hour]:.1%}"
        cells.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width - 1.5:.1f}" height="{height - 1.5}" rx="2" class="ours" '
            f'fill-opacity="{0.06 + 0.94 * hours[hour] / peak:.2f}"><title>{tip}</title></rect>'
        )
    days = [text(_LABEL - 8, 13 + row * height, day, "end") for row, day in enumerate(DAYS)]
    ticks = [text(_LABEL + hour * width, 7 * height + 14, f"{hour}:00") for hour in (0, 6, 12, 18)]
    return svg(7 * height + 20, "Likely hours of the week", "".join([*cells, *days, *ticks]))


Box = tuple[float, float, float, float]
"""Left, top, width, height of a drawing's inside."""


def rank_curves(curves: Sequence[tuple[str, Sequence[float], str]], live: int, title: str) -> str:
    """For each list the share of redeemed coupons among its first k, over k; the diagonal is a shuffled list."""
    box = (46.0, 8.0, WIDTH - 62.0, 230.0)
    left, top, width, height = box
    shuffled = ("a shuffled list", [float(rank) for rank in range(1, live + 1)], "grid dashed")
    lines = [_curve(ranks, live, kind, box) for _, ranks, kind in (shuffled, *curves)]
    key = [
        _key(name, kind, left + width - 190, top + height - 14 - 18 * (len(curves) - number))
        for number, (name, _, kind) in enumerate((*curves, shuffled))
    ]
    below = text(left + width / 2, top + height + 36, "first k coupons of the list", "middle")
    return svg(top + height + 42, title, "".join([_axes(live, box), *lines, *key, below]))


def _axes(live: int, box: Box) -> str:
    left, top, width, height = box
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1 - share)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" class="rule"/>')
        parts.append(text(left - 6, y + 4, f"{share:.0%}", "end"))
    ticks = sorted({live // 4, live // 2, 3 * live // 4, live})
    return "".join([*parts, *(text(left + width * k / live, top + height + 18, str(k), "middle") for k in ticks)])


def _curve(ranks: Sequence[float], live: int, kind: str, box: Box) -> str:
    left, top, width, height = box
    shares = [sum(rank <= k for rank in ranks) / max(len(ranks), 1) for k in range(live + 1)]
    points = (f"{left + width * k / live:.1f},{top + height * (1 - share):.1f}" for k, share in enumerate(shares))
    return f'<polyline points="{" ".join(points)}" class="line {kind}"/>'


def _key(name: str, kind: str, x: float, y: float) -> str:
    return f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" class="line {kind}"/>{text(x + 28, y, name)}'


def mailing_gaps(mailings: Sequence[Mailing], title: str) -> str:
    """Of each mailing what the mailed and the others had spent before it went out."""
    largest = max((max(one.spend_of_mailed, one.spend_of_others) for one in mailings), default=1.0)
    left, right, row = 150, 56, 19
    scale = (WIDTH - left - right) / largest
    parts = []
    for number, one in enumerate(mailings):
        y = 12 + number * row
        others, mailed = left + one.spend_of_others * scale, left + one.spend_of_mailed * scale
        parts.append(text(left - 10, y + 4, f"{one.mailed_at[:10]} · {one.mailed:,}", "end"))
        parts.append(f'<line x1="{others:.1f}" x2="{mailed:.1f}" y1="{y}" y2="{y}" class="line grid"/>')
        parts.append(f'<circle cx="{others:.1f}" cy="{y}" r="5" class="baseline"/>')
        parts.append(f'<circle cx="{mailed:.1f}" cy="{y}" r="5" class="ours"/>')
        parts.append(text(max(mailed, others) + 9, y + 4, f"${one.spend_of_mailed:,.0f}"))
    return svg(len(mailings) * row + 6, title, "".join(parts))


def advantage(interval: Interval, scale: float) -> str:
    """A small line with 0 in the middle: the interval of an advantage, ``scale`` reaching the edge."""
    middle, half = 70, 62

    def x(value: float) -> float:
        return middle + half * max(-1.0, min(1.0, value / scale if scale else 0.0))

    return (
        '<svg class="small" viewBox="0 0 140 18" role="img" aria-label="Interval of the advantage">'
        f'<line x1="{middle}" x2="{middle}" y1="1" y2="17" class="axis"/>'
        f'<line x1="{x(interval.low):.1f}" x2="{x(interval.high):.1f}" y1="9" y2="9" class="line ours"/>'
        f'<circle cx="{x(interval.value):.1f}" cy="9" r="4" class="ours"/></svg>'
    )
