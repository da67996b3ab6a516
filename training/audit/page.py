"""The audit as one self-contained page."""

from collections.abc import Iterable

from features.feature_words import feature_words
from features.instant import to_iso
from features.pages.drawing import bars
from features.pages.markup import cell, escape, figure, section, table
from features.pages.page import whole_page
from training.audit.findings import UNLIKE, Findings, verdict
from training.audit.randomisation import Design, Randomisation
from training.audit.selection import Effect
from training.audit.sure_buyers import SURE
from training.audit.waves import WAVE_DAYS

TITLE = "What your campaigns tell, and what they cannot"
_TREATED = {
    "offer_presented": "offers shown",
    "message_sent": "messages sent",
    "offer_accepted": "offers accepted",
}


def render(findings: Findings) -> str:
    content = [
        _opening(findings),
        _summary(findings),
        _selection(findings),
        _sure_buyers(findings),
        _unknown(findings),
        _randomisation(findings),
        _method(findings),
    ]
    return whole_page(TITLE, "".join(content))


def summary(findings: Findings) -> list[str]:
    """The findings in sentences, the most important first."""
    selection, sure, plan = findings.selection, findings.sure_buyers, findings.randomisation
    told = [verdict(selection), _difference(findings)]
    if sure.knows_costs:
        told.append(
            f"Of {_money(sure.cost, findings)} given away, {_money(sure.wasted, findings)} "
            f"({sure.wasted / sure.cost:.0%}) went, in expectation, to purchases that would have been made anyway; "
            f"{_money(sure.cost_of_sure, findings)} to customers who were {SURE:.0%} sure to buy or more."
        )
    else:
        share = sure.treatments_of_sure / sure.treatments
        told.append(
            f"{share:.0%} of the treatments went to customers who were {SURE:.0%} sure or more to buy anyway; what "
            f"they "
            "cost, the log does not say."
        )
    told.append(_advice(plan, findings))
    return told


def _difference(findings: Findings) -> str:
    naive, adjusted = findings.selection.naive, findings.selection.adjusted
    is_sure = adjusted.low > 0 or adjusted.high < 0
    sure = "" if is_sure else ", which may as well be nothing"
    return (
        f"The chosen bought {_points(naive.value)} more often than the others; allowing for what the log shows of who "
        f"was chosen, {_points(adjusted.value)} ({_points(adjusted.low)} to {_points(adjusted.high)}){sure}."
    )


def _advice(plan: Randomisation, findings: Findings) -> str:
    best = plan.best
    if best is None:
        return (
            f"An effect of {_points(plan.effect)} cannot be seen within half a year at {plan.treated_a_week:,.0f} "
            "treatments a week: pool campaigns, or look for a larger effect."
        )
    price = _money(abs(best.price), findings)
    costs = f"costs at most about {price} of margin" if best.price > 0 else f"saves about {price} or more"
    return (
        f"To know, leave {best.share:.0%} of those you would treat alone, by chance, for {_weeks(best)}: that {costs}."
    )


def _opening(findings: Findings) -> str:
    log = findings.log
    first, last = to_iso(log.first_at)[:10], to_iso(log.last_at)[:10]
    told = (
        f"{len(log.times):,} {_TREATED[log.treatment]} to {log.treated_ever:,} customers, {log.accepted:,} accepted, "
        f"among {log.buyers:,} buyers, {first} to {last}. Judged are {len(findings.panel.began)} weeks of campaigns "
        f"with "
        f"{findings.sure_buyers.treatments:,} treatments, by purchases within {findings.panel.horizon_days} days."
    )
    return f"<h1>{escape(TITLE)}</h1><p>{escape(told)}</p>"


def _summary(findings: Findings) -> str:
    points = "".join(f"<li>{escape(sentence)}</li>" for sentence in summary(findings))
    return f'<div class="sheet"><ul>{points}</ul></div>'


def _selection(findings: Findings) -> str:
    selection = findings.selection
    shown = [
        ("Chosen against others", selection.naive, "baseline"),
        ("Allowing for the choice", selection.adjusted, "ours"),
    ]
    rows = [cell(name) + _of_effect(one) for name, one, _ in shown]
    headings = [("share of customers who buy more", ""), ("difference", "n"), ("at least", "n"), ("at most", "n")]
    unlike = [
        cell(feature_words(one.feature)["en"]) + cell(f"{one.treated:.3g}", "n") + cell(f"{one.others:.3g}", "n")
        + cell(f"{one.difference:+.2f}", "n warn" if abs(one.difference) >= UNLIKE else "n")
        for one in selection.balance
    ]  # fmt: skip
    compared = [("habit", ""), ("the chosen", "n"), ("the others", "n"), ("difference, in deviations", "n")]
    drawn = bars(
        [("", [(name, max(one.value, 0.0), kind) for name, one, kind in shown])], "How much more the chosen buy"
    )
    e_value = (
        f"To explain the adjusted difference away, something unseen would have to make both being chosen and buying "
        f"{selection.e_value:.2f} times as likely (E-value)."
    )
    return section(
        "Who was chosen",
        f"<p>{escape(verdict(selection))} {escape(_difference(findings))}</p>",
        figure(drawn, "How many more of a hundred customers bought, where that is more than none"),
        table(headings, rows),
        f'<p class="quiet">{escape(e_value)}</p>',
        table(compared, unlike),
    )


def _of_effect(one: Effect) -> str:
    return "".join(cell(_points(part), "n") for part in (one.value, one.low, one.high))


def _sure_buyers(findings: Findings) -> str:
    sure = findings.sure_buyers
    rows = []
    for band in sure.bands:
        bought = "–" if band.treatments == 0 else f"{band.bought:.0%}"
        parts = [f"{band.treatments:,}", bought]
        if sure.knows_costs:
            parts += [_money(band.cost, findings), f"{band.cost / sure.cost:.0%}"]
        rows.append(cell(f"{band.low:.0%} to {band.high:.0%}") + "".join(cell(part, "n") for part in parts))
    headings = [("chance to buy, left alone", ""), ("treatments", "n"), ("bought", "n")]
    if sure.knows_costs:
        headings += [("given away", "n"), ("of all", "n")]
    share = [band.treatments / max(sure.treatments, 1) for band in sure.bands]
    bands = [(f"{band.low:.0%} to {band.high:.0%}", part, "ours") for band, part in zip(sure.bands, share, strict=True)]
    note = (
        f"The chance is learned from customers who were not treated, and is off by {sure.calibration_error:.1%} on "
        f"average "
        "among them."
    )
    return section(
        "Spent on probable sure buyers",
        figure(bars([("", bands)], "Treatments by the chance to buy anyway"), "Share of treatments by that chance"),
        table(headings, rows),
        f'<p class="quiet">{escape(note)}</p>',
    )


def _unknown(findings: Findings) -> str:
    points = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings.unknown)
    told = f"<ul>{points}</ul>" if points else "<p>Nothing of what is asked here.</p>"
    return section("What cannot be known from this log", f'<div class="warn">{told}</div>')


def _randomisation(findings: Findings) -> str:
    plan = findings.randomisation
    why = (
        f"at which an offer of {_money(plan.cost_each, findings)} pays for itself, with "
        f"{_money(plan.margin_per_buyer, findings)} "
        f"of margin from a buyer (margin rate {findings.margin_rate:.0%})"
        if plan.is_break_even
        else "taken because costs are unknown or next to nothing"
    )
    told = (
        f"To be seen is an effect of {_points(plan.effect)}, {why}; with 80 % power at 5 %, "
        f"{plan.treated_a_week:,.0f} treatments a week, and {plan.variance_explained:.0%} of the variance explained "
        "beforehand (CUPED)."
    )
    rows = [_design(one, plan, findings) for one in plan.designs]
    headings = [
        ("left alone", ""),
        ("weeks", "n"),
        ("customers in all", "n"),
        ("left alone", "n"),
        ("price at most", "n"),
    ]
    return section(
        "The cheapest randomisation that would tell",
        f"<p>{escape(_advice(plan, findings))}</p>",
        f"<p>{escape(told)}</p>",
        table(headings, rows),
        '<p class="quiet">The price is the margin of the largest effect that this log allows on those left alone, less '
        "what is not given to them; a negative price is money saved even then. Log each decision with its probability, "
        "controls as offer_presented with offer_id none, and the next audit can tell what this one cannot.</p>",
    )


def _design(one: Design, plan: Randomisation, findings: Findings) -> str:
    parts = [f"{one.weeks:.1f}", f"{one.customers:,}", f"{one.left_alone:,}", _money(one.price, findings)]
    cells = cell(f"{one.share:.0%}") + "".join(cell(part, "n good" if one == plan.best else "n") for part in parts)
    return f"<tr>{cells}</tr>"


def _method(findings: Findings) -> str:
    weeks = ", ".join(to_iso(start)[:10] for start in findings.panel.began)
    told = (
        f"Waves: weeks of {WAVE_DAYS} days that began {weeks}. Everybody known before a wave counts; treated is who "
        f"was "
        "treated in it. Propensities, and chances to buy with and without treatment, are learned by gradient-boosted "
        "trees from other customers than they are asked for; the adjusted difference is the augmented "
        "inverse-propensity "
        "effect on the treated, its interval is clustered by customer. Nothing of this is an experiment."
    )
    return section("How this was found", f'<p class="quiet">{escape(told)}</p>')


def _points(share: float) -> str:
    return f"{share * 100:+.1f} in 100"


def _weeks(design: Design) -> str:
    weeks = max(round(design.weeks), 1)
    return "a week" if weeks == 1 else f"{weeks} weeks"


def _money(amount: float, findings: Findings) -> str:
    return f"{amount:,.2f} {findings.currency or ''}".strip()


def lines(findings: Findings) -> Iterable[str]:
    """For the terminal."""
    yield from (f"- {sentence}" for sentence in summary(findings))
    yield from (f"? {sentence}" for sentence in findings.unknown)
