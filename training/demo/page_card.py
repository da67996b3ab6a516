"""The page's first part: one household, its offer, and what a purchase changed."""

from features.pages.markup import cell, definitions, escape, figure, section, table
from training.demo.figures import heat_strip
from training.demo.findings import Card, Findings, Rejected, Standing
from training.demo.wording import day, hour_of_week, interval, money, rhythm, time_taken, when, words


def card_section(findings: Findings) -> str:
    card, names = findings.card, findings.product_names
    return section(
        "One household",
        f"<p class='quiet'>{escape(card.chosen_by)} One card proves nothing: figures over all households follow.</p>",
        f"<div class='grid2'>{_standing(card.standing, findings.horizon_days)}{_offer(card)}</div>",
        _hours(card.standing),
        f"<div class='grid2'>{_running_out(card.standing, names)}{_favourites(card.standing, names)}</div>",
        _rejected(card.rejected),
        _purchase(card),
    )


def _standing(standing: Standing, horizon_days: int) -> str:
    chips = f"<span class='chip key'>{escape(words(standing.segment))}</span>"
    chips += f"<span class='chip key'>risk: {escape(standing.risk_band)}</span>"
    chips += "".join(f"<span class='chip'>{escape(f'{k}: {v}')}</span>" for k, v in standing.attributes.items())
    expected = standing.expected_next_purchase_at
    facts = [
        ("Orders", f"{standing.orders}, {money(standing.spend_per_order)} each"),
        ("Rhythm", rhythm(standing)),
        ("Next purchase", f"expected {day(expected)}" if expected else f"none expected in {horizon_days} days"),
        (f"No purchase in {horizon_days} days", f"{standing.churn_probability:.1%} likely"),
        (f"Spend in {horizon_days} days", interval(standing)),
    ]
    return (
        f"<div class='sheet'><h3>Household {escape(standing.customer_id)}</h3><p>{chips}</p>{definitions(facts)}</div>"
    )


def _offer(card: Card) -> str:
    answer = card.first.response
    if not answer["offers"]:
        reason = words(str(answer["no_offer_reason"]))
        return f"<div class='sheet offer'><h3>No offer</h3><p>{escape(reason)}</p></div>"
    offer = answer["offers"][0]
    facts = [
        ("Offer", offer["offer_id"]),
        ("Why", ", ".join(words(reason) for reason in offer["reasons"])),
        ("When", when(answer, card.standing.timezone)),
        ("Valid until", day(offer["valid_until"])),
        ("Worth", f"{money(offer['expected_value'])} expected margin after its cost; a margin of 25 % is assumed"),
        ("Taken up", f"{offer['accept_probability']:.1%} (a prior: nothing has been learned of responses yet)"),
        ("Propensity", f"{offer['propensity']:.3f}"),
    ]
    spoken = "".join(
        f"<p class='said' lang='{language}'>{escape(text)}</p>" for language, text in sorted(offer["words"].items())
    )
    took = f"<p class='quiet'>answered in {card.first.milliseconds:.1f} ms, HTTP included</p>"
    return f"<div class='sheet offer'><h3>Chosen for it</h3>{spoken}{definitions(facts)}{took}</div>"


def _hours(standing: Standing) -> str:
    best = max(range(len(standing.hours)), key=standing.hours.__getitem__)
    caption = (
        f"When this household is likely to shop, by local hour ({standing.timezone}); likeliest {hour_of_week(best)}. "
        "Learned from purchases, because nobody was sent a message here that could have been opened."
    )
    return figure(heat_strip(standing.hours), caption)


def _running_out(standing: Standing, names: dict[str, str]) -> str:
    if not standing.running_out:
        return "<div class='sheet'><h3>Running out</h3><p class='quiet'>nothing bought often enough to tell</p></div>"
    rows = [
        f"<li>{escape(names.get(product, product))}: {escape(day(due))}</li>" for product, due in standing.running_out
    ]
    return f"<div class='sheet'><h3>Running out</h3><ul>{''.join(rows)}</ul></div>"


def _favourites(standing: Standing, names: dict[str, str]) -> str:
    rows = [f"<li>{escape(names.get(product, product))}: {chance:.0%}</li>" for product, chance in standing.favourites]
    return f"<div class='sheet'><h3>Likely in the next basket</h3><ul>{''.join(rows)}</ul></div>"


def _rejected(rejected: list[Rejected]) -> str:
    rows = [cell(one.title) + cell(words(one.word)) + cell(one.why) for one in rejected]
    headings = [("Not offered", ""), ("Reason", ""), ("In full", "")]
    return f"<h3>Three that were not chosen</h3>{table(headings, rows)}"


def _purchase(card: Card) -> str:
    rows = [
        cell(change.what)
        + cell(change.before, "w")
        + cell(change.after, "w good" if change.before != change.after else "w")
        for change in card.changes
    ]
    told = (
        f"Then a purchase was posted to /events ({card.purchased}; {card.purchase.milliseconds:.1f} ms until it was "
        f"durable) and the service was asked again ({card.again.milliseconds:.1f} ms)."
    )
    headings = [("What", ""), ("Before", "w"), ("After", "w")]
    return (
        f"<h3>A purchase, and the answer after it</h3><p>{escape(told)}</p>{table(headings, rows)}"
        f"<p class='note'>{escape(time_taken(card))}</p>"
    )
