"""A simulated policy as one self-contained page, and in a few lines."""

from collections.abc import Iterator

from features.pages.drawing import Bar, bars
from features.pages.markup import cell, escape, figure, section, table
from features.pages.page import whole_page
from serving.policy_simulation import FEWEST_IN_GROUP, UNLIKE, GroupShare, OfferSum, PolicySimulation, PolicySum

MOST_DRAWN = 15
"""Offers in the picture; the table has all."""
_NOTHING = "nothing"


def render(name: str, as_of: str, found: PolicySimulation) -> str:
    told = (
        f"What {name} would do to {found.after.customers:,} customers at {as_of}, beside the policy in force. "
        f"Everything is "
        "expected over what the policies leave to chance; nothing was logged or reserved."
    )
    content = [
        f"<h1>{escape(name)}</h1><p>{escape(told)}</p>",
        _totals(found),
        _distribution(found),
        _left_out(found),
        _groups(found),
    ]
    return whole_page(f"what {name} would do", "".join(content))


def lines(found: PolicySimulation) -> Iterator[str]:
    """For the terminal."""
    for what, before, after in _compared(found):
        yield f"{what}: {after} ({before} now)"
    for name in _by_frequency(found)[:MOST_DRAWN]:
        now, then = found.before.offers.get(name, OfferSum()), found.after.offers.get(name, OfferSum())
        yield f"  {name}: {then.made:,.1f} customers ({now.made:,.1f} now), cost {then.cost:,.2f}"
    for group in found.groups:
        if group.stands_out:
            yield f"! {group.attribute} {group.group}: offered to {group.offered:.0%}, given {group.given:,.4f} each"


def _compared(found: PolicySimulation) -> list[tuple[str, str, str]]:
    def told(total: PolicySum) -> tuple[str, str, str]:
        return f"{total.value:,.2f}", f"{total.cost:,.2f}", f"{total.nothing:,.1f} of {total.customers:,}"

    names = ("expected margin", "expected cost", "customers left with nothing")
    return list(zip(names, told(found.before), told(found.after), strict=True))


def _totals(found: PolicySimulation) -> str:
    rows = [cell(what) + cell(before, "n") + cell(after, "n") for what, before, after in _compared(found)]
    return table([("", ""), ("now", "n"), ("then", "n")], rows)


def _by_frequency(found: PolicySimulation) -> list[str]:
    made = {name: one.made for name, one in found.after.offers.items()}
    for name, one in found.before.offers.items():
        made[name] = max(made.get(name, 0.0), one.made)
    return [name for name in sorted(made, key=lambda name: (-made[name], name)) if made[name] > 0]


def _distribution(found: PolicySimulation) -> str:
    names = _by_frequency(found)
    groups: list[tuple[str, list[Bar]]] = [(_NOTHING, _pair(found.before.nothing, found.after.nothing, found))]
    for name in names[:MOST_DRAWN]:
        before, after = found.before.offers.get(name, OfferSum()), found.after.offers.get(name, OfferSum())
        groups.append((name, _pair(before.made, after.made, found)))
    rows = [cell(name) + _numbers(found.before.offers.get(name), found.after.offers.get(name)) for name in names]
    headings = ("customers now", "then", "accepted", "margin", "cost", "eligible")
    return section(
        "What is offered",
        figure(bars(groups, "Share of customers by offer"), "Share of customers, now (grey) and then"),
        table([("offer", ""), *((heading, "n") for heading in headings)], rows),
    )


def _pair(before: float, after: float, found: PolicySimulation) -> list[Bar]:
    count = max(found.after.customers, 1)
    return [("now", before / count, "baseline"), ("then", after / count, "ours")]


def _numbers(before: OfferSum | None, after: OfferSum | None) -> str:
    then, now = after or OfferSum(), before or OfferSum()
    parts = (
        f"{now.made:,.1f}", f"{then.made:,.1f}", f"{then.accepted:,.2f}", f"{then.value:,.2f}", f"{then.cost:,.2f}",
        f"{then.eligible:,}",
    )  # fmt: skip
    return "".join(cell(part, "n") for part in parts)


def _left_out(found: PolicySimulation) -> str:
    reasons = {**found.before.none_possible, **found.after.none_possible}
    if not reasons:
        return ""
    rows = [
        cell(why.replace("_", " ")) + cell(f"{found.before.none_possible.get(why, 0):,}", "n")
        + cell(f"{found.after.none_possible.get(why, 0):,}", "n")
        for why in sorted(reasons, key=lambda why: -found.after.none_possible.get(why, 0))
    ]  # fmt: skip
    told = "Customers to whom no offer could be made, by the commonest reason that keeps offers from each."
    return section("Left with nothing", f"<p>{told}</p>", table([("reason", ""), ("now", "n"), ("then", "n")], rows))


def _groups(found: PolicySimulation) -> str:
    told = (
        f"A group stands out where it gets less than {UNLIKE:.0%} of what the best treated group of the attribute "
        f"gets, in "
        f"chances of an offer or in value (the four-fifths rule). Groups of fewer than {FEWEST_IN_GROUP} are left out. "
        "No model may use a protected attribute, but what goes with one may still tell."
    )
    headings = [("attribute", ""), ("group", ""), *((name, "n") for name in ("customers", "offered", "given to each"))]
    rows = [_of_group(one) for one in found.groups]
    content = table(headings, rows) if rows else "<p>No attribute of customers is known.</p>"
    return section("Who gets it", f"<p>{escape(told)}</p>", content)


def _of_group(one: GroupShare) -> str:
    kind = "n good" if one.stands_out else "n"
    name = f"{one.attribute} (protected)" if one.is_protected else one.attribute
    group = f"{one.group}, stands out" if one.stands_out else one.group
    parts = (f"{one.customers:,}", f"{one.offered:.1%}", f"{one.given:,.4f}")
    return cell(name) + cell(group) + "".join(cell(part, kind) for part in parts)
