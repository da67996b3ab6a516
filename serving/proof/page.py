"""A simulation as one self-contained page: the table, regret by day, the experiment, estimates before and after."""

from collections.abc import Sequence

from features.pages.drawing import WIDTH, svg, text
from features.pages.markup import cell, definitions, escape, figure, section, table
from features.pages.page import whole_page
from serving.proof.loop import OURS, Proof
from serving.proof.report import document, of_judgement, of_trial, regret_by_day, share_of_oracle
from serving.proof.schedule import EVALUATED_DAYS

_KINDS = {OURS: "ours", "oracle": "truth"}
_LEFT, _ROW, _HEIGHT = 130, 24, 220
Points = Sequence[tuple[float, float]]


def render(proof: Proof) -> str:
    plan, customers = proof.schedule, len(proof.totals[OURS].margin)
    told = (
        f"{customers:,} simulated customers, {plan.days} days, {proof.events:,} events. Offers by chance until day "
        f"{plan.switch}, ours until day {plan.fork}; then each policy has a future of its own, in which the same "
        f"chance meets the customers. Amounts are true expectations for each customer over the last {EVALUATED_DAYS} "
        "days."
    )
    content = [
        f"<h1>The loop in a world with a known truth</h1><p>{escape(told)}</p>",
        _policies(proof),
        _by_day(proof),
        section("The experiment", f"<p>{escape(of_trial(proof))}.</p>", _experiment(proof)),
        section("Estimated before, and what happened", f"<p>{escape(of_judgement(proof))}.</p>", _judgement(proof)),
        section("Budget", f"<p>{proof.spent:,.2f} of {proof.limit:,.2f} were spent.</p>"),
        *([section("Notes", *(f"<p>{escape(note)}</p>" for note in proof.notes))] if proof.notes else []),
    ]
    return whole_page("the loop in a world with a known truth", "".join(content))


def _policies(proof: Proof) -> str:
    rows = document(proof)["policies"]
    drawn = [(row["policy"], row["incremental_margin_per_customer"], row["low"], row["high"]) for row in rows]
    cells = [
        cell(row["policy"])
        + cell(f"{row['incremental_margin_per_customer']:.4f}", "n")
        + cell(f"{row['low']:.4f} to {row['high']:.4f}", "n")
        + cell(f"{row['cost_per_customer']:.4f}", "n")
        + cell(f"{row['offers_per_customer']:.3f}", "n")
        for row in rows
    ]
    share = share_of_oracle(proof)
    words = "The oracle adds nothing." if share is None else f"Ours adds {share:.0%} of what the oracle does."
    headings = [("policy", ""), ("added margin", "n"), ("95 % interval", "n"), ("cost", "n"), ("offers", "n")]
    return section(
        "What each policy adds",
        figure(_intervals(drawn, "added margin by policy"), words),
        table(headings, cells),
    )


def _experiment(proof: Proof) -> str:
    told = proof.trial.document
    if told["low"] is None:
        return ""
    drawn = [
        ("found", told["difference"], told["low"], told["high"]),
        ("true", told["true_difference"], told["true_difference"], told["true_difference"]),
    ]
    units = ", ".join(f"{name} {count:,}" for name, count in told["units"].items())
    return figure(_intervals(drawn, "difference in revenue"), f"Difference in revenue for each customer; {units}.")


def _judgement(proof: Proof) -> str:
    found = proof.judgement
    pairs = [("decisions judged", f"{found.decisions:,}"), ("the gate", found.verdict.finding)]
    if found.estimate is None or found.low is None or found.high is None or found.truth is None:
        return definitions(pairs)
    drawn = [
        ("estimated", found.estimate, found.low, found.high),
        ("truly, of these", found.truth, found.truth, found.truth),
        ("afterwards", proof.after, proof.after, proof.after),
    ]
    return figure(_intervals(drawn, "margin of a decision"), "Margin of a decision of ours.") + definitions(pairs)


def _by_day(proof: Proof) -> str:
    mine = [(float(one.day), one.value) for one in proof.values if one.decided]
    best = [(float(one.day), one.best) for one in proof.values if one.decided]
    regret = [(float(day), value) for day, value in enumerate(regret_by_day(proof))]
    worth = _lines({"ours": mine, "truth": best}, "true worth of a day's decisions")
    return section(
        "Day by day",
        figure(worth, "True worth of a decision: what was done, and what the oracle would have done that morning."),
        figure(_lines({"ours": regret}, "regret"), "Regret, added up: for each customer, short of the oracle."),
    )


def _intervals(rows: Sequence[tuple[str, float, float, float]], title: str) -> str:
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    scale = (WIDTH - _LEFT - 70) / ((high - low) or 1.0)

    def across(value: float) -> float:
        return _LEFT + (value - low) * scale

    parts = [f'<path class="line grid" d="M{across(0.0):.1f} 0V{len(rows) * _ROW}"/>']
    for place, (name, value, least, most) in enumerate(rows):
        y, kind = place * _ROW + 12, _KINDS.get(name, "baseline")
        parts.append(text(_LEFT - 10, y + 4, name, "end"))
        parts.append(f'<path class="line {kind}" d="M{across(least):.1f} {y}H{across(most):.1f}"/>')
        parts.append(f'<circle class="{kind}" cx="{across(value):.1f}" cy="{y}" r="4"/>')
        parts.append(text(across(most) + 8, y + 4, f"{value:.3g}"))
    return svg(len(rows) * _ROW, title, "".join(parts))


def _lines(series: dict[str, Points], title: str) -> str:
    """One line for each; all begin at the first day."""
    values = [value for points in series.values() for _, value in points] or [0.0]
    low, high = min(0.0, *values), max(0.0, *values)
    last = max((at for points in series.values() for at, _ in points), default=1.0) or 1.0
    left, bottom = 50, _HEIGHT - 20

    def place(point: tuple[float, float]) -> str:
        x = left + point[0] / last * (WIDTH - left - 10)
        y = bottom - (point[1] - low) / ((high - low) or 1.0) * (bottom - 10)
        return f"{x:.1f} {y:.1f}"

    zero = place((0.0, 0.0)).split()[1]
    parts = [f'<path class="line grid" d="M{left} {zero}H{WIDTH - 10}"/>', text(left - 6, 14, f"{high:.3g}", "end")]
    parts.append(text(WIDTH - 10, _HEIGHT - 4, f"day {last:.0f}", "end"))
    for kind, points in series.items():
        if points:
            parts.append(f'<path class="line {kind}" d="M{"L".join(place(point) for point in points)}"/>')
    return svg(_HEIGHT, title, "".join(parts))
