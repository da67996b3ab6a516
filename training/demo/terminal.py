"""The findings on the terminal, shorter than on the page."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from training.demo.coupons import share_within
from training.demo.figures import DAYS
from training.demo.findings import Card, Findings, Future, Money, Standing
from training.demo.wording import (
    day,
    enough,
    figure_of,
    interval,
    money,
    needed,
    rhythm,
    time_taken,
    when,
    words,
)

_SHADES = " ░▒▓█"


def show(findings: Findings, console: Console) -> None:
    for part in _parts(findings):
        console.print(part)


def _parts(findings: Findings) -> Iterator[RenderableType]:
    yield Rule(f"One household, {day(findings.clock)}", align="left")
    yield from _card(findings)
    yield Rule("The future revealed, over all households", align="left")
    yield from _future(findings.future)
    yield Rule("Money, honestly", align="left")
    yield from _money(findings.money)
    yield Rule("The models, on what happened after the clock", align="left")
    yield _models(findings)
    yield Rule("Where things are", align="left")
    yield _pairs(findings.addresses.items())


def _card(findings: Findings) -> Iterator[RenderableType]:
    card, names = findings.card, findings.product_names
    known = card.standing
    yield Text(card.chosen_by, style="dim")
    yield _pairs(
        [
            ("household", known.customer_id),
            ("segment", words(known.segment)),
            ("rhythm", f"{known.orders} orders of {money(known.spend_per_order)}, {rhythm(known)}"),
            ("risk", f"{known.risk_band}: {known.churn_probability:.1%} not to buy in {findings.horizon_days} days"),
            ("expected spend", f"{interval(known)} in {findings.horizon_days} days"),
            ("running out", "; ".join(f"{names.get(p, p)} {day(due)}" for p, due in known.running_out) or "unknown"),
        ]
    )
    yield _hours(known)
    yield from _answer(card)
    yield _table(("not chosen", "reason", "in full"), [(one.title, words(one.word), one.why) for one in card.rejected])
    yield Text(
        f"A purchase is posted ({card.purchased}) and the service asked again: "
        f"{card.first.milliseconds:.1f} ms before, {card.purchase.milliseconds:.1f} ms to take the purchase in, "
        f"{card.again.milliseconds:.1f} ms after."
    )
    yield _table(("", "before", "after"), [(one.what, one.before, one.after) for one in card.changes])
    yield Text(time_taken(card), style="dim")


def _answer(card: Card) -> Iterator[RenderableType]:
    answer = card.first.response
    if not answer["offers"]:
        yield Text(f"No offer: {words(str(answer['no_offer_reason']))}", style="bold")
        return
    offer = answer["offers"][0]
    for text in offer["words"].values():
        yield Text(f"  {text}", style="bold green")
    yield _pairs(
        [
            ("why", ", ".join(words(reason) for reason in offer["reasons"])),
            ("when", when(answer, card.standing.timezone)),
            ("worth", f"{money(offer['expected_value'])}, taken up by {offer['accept_probability']:.1%} (a prior)"),
        ]
    )


def _hours(known: Standing) -> Table:
    """A line a day, a character an hour; the darkest is the likeliest."""
    peak = max(known.hours) or 1.0
    grid = Table.grid(padding=(0, 1))
    grid.add_row("", Text("0     6     12    18", style="dim"))
    for number, name in enumerate(DAYS):
        hours = known.hours[number * 24 : (number + 1) * 24]
        shades = "".join(_SHADES[min(int(share / peak * len(_SHADES)), len(_SHADES) - 1)] for share in hours)
        grid.add_row(Text(f"  {name}", style="dim"), shades)
    return grid


def _future(future: Future) -> Iterator[RenderableType]:
    hits, coupons = future.favourites, future.coupons
    yield _table(
        (f"next baskets with one of ten listed ({hits.households:,} households)", "share"),
        [
            ("our list", f"{hits.ours:.1%}"),
            ("own most frequent", f"{hits.own_frequency:.1%}"),
            ("most popular of all", f"{hits.popularity:.1%}"),
        ],
    )
    yield _table(
        (f"no purchase in {future.horizon_days} days", "households", "predicted", "came true", "by recency"),
        [
            (
                band.name,
                f"{band.households:,}",
                *(f"{x:.1%}" for x in (band.predicted, band.came_true, band.by_recency)),
            )
            for band in future.bands
        ],
    )
    lists = (
        ("by affinity (ours)", coupons.by_affinity),
        ("by buyers, 90 days", coupons.by_buyers),
        ("by past redemptions", coupons.by_redemptions),
    )
    counts = f"{len(coupons.by_affinity)} redemptions by {coupons.households} households, {coupons.live} live coupons"
    yield _table(
        (counts, "among first 10", "25", "50"),
        [(name, *(f"{share_within(ranks, k):.0%}" for k in (10, 25, 50))) for name, ranks in lists],
    )


def _money(money: Money) -> Iterator[RenderableType]:
    yield Padding(
        Group(
            "What these mailings earned cannot be learned from this data: nobody logged with what "
            "probability a household "
            "was mailed.",
            f"In the {money.days_before} days before, the mailed had spent "
            f"{money.mailed_spend_ratio:.1f} times as much as "
            f"the others; and {money.bought_before_share:.0%} of {money.redemptions:,} redemptions "
            "came from households "
            f"that had bought a product of the coupon in the {money.bought_before_days} days before.",
            f"To know: {enough(money.power.trials, 0.1)}; {enough(money.power.trials, 0.05)}. {needed(money.power)}",
        ),
        (0, 0, 0, 2),
    )


def _models(findings: Findings) -> Padding:
    rows = [
        (
            one.model,
            one.metric,
            figure_of(one, one.ours),
            figure_of(one, one.theirs),
            f"{one.advantage.value:+.3f} ({one.advantage.low:+.3f} to {one.advantage.high:+.3f})",
        )
        for one in findings.future.models
    ]
    return _table(("model", "metric", "ours", "baseline", "advantage, 95 % interval"), rows)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for name, text in pairs:
        grid.add_row(Text(f"  {name}", style="dim"), text)
    return grid


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Padding:
    table = Table(*headings, box=None, header_style="dim", pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return Padding(table, (0, 0, 1, 2))
