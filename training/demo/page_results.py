"""The page's other parts: the future over all households, money, the models, where things are."""

from itertools import groupby
from typing import Any

from features.pages.drawing import bars
from features.pages.markup import cell, escape, figure, section, table
from training.demo.coupons import share_within
from training.demo.figures import advantage, mailing_gaps, rank_curves
from training.demo.findings import Comparison, CouponRanks, Findings, Future, Money, Power
from training.demo.wording import day, enough, figure_of, needed

FIRST_COUPONS = (10, 25, 50)


def future_section(findings: Findings) -> str:
    future = findings.future
    told = (
        f"The models saw nothing after {day(findings.clock)}. Here is what the {future.households:,} "
        "households then did "
        f"in the next {future.horizon_days} days, beside the predictions and beside what a shop can do without a model."
    )
    return section(
        "The future revealed",
        f"<p>{escape(told)}</p>",
        _favourites(future),
        _bands(future),
        _coupons(future.coupons),
    )


def _favourites(future: Future) -> str:
    hits = future.favourites
    drawn = bars(
        [
            (
                "",
                [
                    ("our list", hits.ours, "ours"),
                    ("own most frequent", hits.own_frequency, "baseline"),
                    ("most popular of all", hits.popularity, "baseline"),
                ],
            )
        ],
        "Share of next baskets hit",
    )
    caption = (
        f"Share of the {hits.households:,} households that shopped in the window whose next basket "
        "held at least one of "
        "ten listed products. What a household buys most is a strong list already."
    )
    return f"<h3>Favourite products</h3>{figure(drawn, caption)}"


def _bands(future: Future) -> str:
    groups = [
        (
            f"{band.name} risk: {band.households:,} households",
            [
                ("predicted", band.predicted, "ours"),
                ("came true", band.came_true, "truth"),
                ("came true, by recency", band.by_recency, "baseline"),
            ],
        )
        for band in future.bands
    ]
    caption = (
        f"Share of households without any purchase in the {future.horizon_days} days. Predicted and "
        "true should be alike; "
        "the grey bar is a group of the same size filled by days since the last purchase, and the "
        "further the bands lie "
        "apart the better."
    )
    return f"<h3>Who stayed away</h3>{figure(bars(groups, 'Churn predicted and realised'), caption)}"


def _coupons(coupons: CouponRanks) -> str:
    curves = [
        ("by affinity (ours)", coupons.by_affinity, "ours"),
        ("by buyers, 90 days", coupons.by_buyers, "truth"),
        ("by past redemptions", coupons.by_redemptions, "baseline"),
    ]
    drawn = rank_curves(curves, coupons.live, "Where redeemed coupons stood")
    shares = [
        cell(name) + "".join(cell(f"{share_within(ranks, k):.0%}", "n") for k in FIRST_COUPONS)
        for name, ranks, _ in curves
    ]
    headings = [("List", ""), *((f"first {k}", "n") for k in FIRST_COUPONS)]
    caption = (
        f"{len(coupons.by_affinity):,} redemptions after the clock by {coupons.households:,} households, of the "
        f"{coupons.live} coupons live at the clock: how many stood among the first k of the list made "
        "then. Only a few of "
        "the coupons were in each envelope, and nobody logged which, so no list could have been right every time; and "
        "these are households that redeemed something, not all. Redeeming is not the same as being "
        "moved to buy: see below."
    )
    return f"<h3>Coupons</h3>{figure(drawn, caption)}{table(headings, shares)}"


def money_section(money: Money) -> str:
    refused = (
        "<p class='warn'>What these mailings earned cannot be learned from this data. Nobody logged "
        "with what probability "
        "a household was mailed, so those mailed cannot be compared with those who were not.</p>"
    )
    gap = (
        f"Mean spend in the {money.days_before} days before each mailing went out: those mailed "
        "(dark, with the amount) "
        f"and the others. Left, the date and how many were mailed. The mailed had spent {money.mailed_spend_ratio:.1f} "
        "times as much before anything was in their letter box; a comparison afterwards would count that as success."
    )
    before = (
        f"Of {money.redemptions:,} redemptions {money.bought_before_share:.0%} came from households that had bought a "
        f"product of that coupon in the {money.bought_before_days} days before: many of them might "
        "have bought it anyway, "
        "and got the discount as a present."
    )
    drawn = mailing_gaps(money.mailings, "Spend before each mailing")
    key = (
        "<p class='key quiet'><span><i class='dot ours'></i>mailed</span>"
        "<span><i class='dot baseline'></i>not mailed</span></p>"
    )
    return section("Money, honestly", refused, key, figure(drawn, gap), f"<p>{escape(before)}</p>", _power(money.power))


def _power(power: Power) -> str:
    weeks = sorted({trial.weeks for trial in power.trials})
    rows = []
    for share, trials in groupby(power.trials, key=lambda trial: trial.control_share):
        cells = [cell(f"±{trial.detectable:.1%}", "n good" if trial.detectable <= 0.1 else "n") for trial in trials]
        rows.append(cell(f"{share:.0%} unmailed") + "".join(cells))
    headings = [("Left out at random", ""), *((f"{count} weeks", "n") for count in weeks)]
    told = (
        f"What would tell: leave a random share of households unmailed. With these {power.households:,} households, "
        f"spending {power.weekly_spend:.2f} dollars a week each, a trial finds (four times in five, "
        "at 5 % significance) "
        "no smaller change of spend than:"
    )
    note = (
        f"After adjusting for earlier spend, which explains {power.variance_reduction:.0%} of the variance. "
        f"In words: {enough(power.trials, 0.1)}; {enough(power.trials, 0.05)}. {needed(power)}"
    )
    return f"<h3>How to know</h3><p>{escape(told)}</p>{table(headings, rows)}<p class='note'>{escape(note)}</p>"


def models_section(findings: Findings) -> str:
    compared = findings.future.models
    scales: dict[str, float] = {}
    for one in compared:
        reach = max(abs(one.advantage.low), abs(one.advantage.high), 1e-9)
        scales[one.metric] = reach * 1.15
    rows = []
    for _, group in groupby(compared, key=lambda one: one.model):
        for number, one in enumerate(group):
            rows.append(_model_row(one, scales[one.metric], is_first=number == 0))
    headings = [("Model", ""), ("Metric", ""), ("Ours", "n"), ("Baseline", "n"), ("Advantage, 95 % interval", "")]
    told = (
        f"On the same {findings.future.horizon_days} days after the clock. The advantage is how much "
        "better ours is, so "
        "right of the line is better, whichever way the metric runs; a line that crosses it proves nothing."
    )
    return section("The models", f"<p>{escape(told)}</p>", table(headings, rows), _held_out(findings.held_out))


def _model_row(one: Comparison, scale: float, *, is_first: bool) -> str:
    better = "n good" if one.advantage.low > 0 else "n"
    span = f"{one.advantage.value:+.3f} ({one.advantage.low:.3f} to {one.advantage.high:.3f})"
    cells = (
        cell(one.model if is_first else ""),
        cell(f"{one.metric}; baseline: {one.baseline}"),
        cell(figure_of(one, one.ours), better),
        cell(figure_of(one, one.theirs), "n"),
        f"<td>{advantage(one.advantage, scale)}<span class='quiet one'>{escape(span)}</span></td>",
    )
    return f"<tr{' class=first' if is_first else ''}>{''.join(cells)}</tr>"


def _held_out(trained: list[dict[str, Any]]) -> str:
    versions = ", ".join(f"{one['model']} {one['version']} ({one['alias']})" for one in trained)
    told = f"Versions: {versions}. Their runs in MLflow hold the figures of the held-out cutoff."
    return f"<p class='note'>{escape(told)}</p>"


def addresses_section(findings: Findings) -> str:
    rows = [cell(name) + f"<td><code>{escape(text)}</code></td>" for name, text in findings.addresses.items()]
    steps = [
        f"<td><code>{escape(step.command)}</code></td>" + cell(step.result) + cell(f"{step.seconds:.1f} s", "n")
        for step in findings.steps
    ]
    return section(
        "Where things are",
        table([("What", ""), ("Address or command", "")], rows),
        "<h3>What was run</h3>",
        table([("Command", ""), ("Result", ""), ("Time", "n")], steps),
    )
