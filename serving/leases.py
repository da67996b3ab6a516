"""Small quotas of scarce limits that a worker holds durably, to spend by itself while the store is away.

What is leased counts as given away for everybody, in the counters that reservations are made by, so no limit can be
passed by leases and reservations together. Every function works in its caller's writing transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, delete, func, select

from features.budget_schema import lease_holders, leases
from features.budget_usage import BRAND, CAMPAIGN, DAY, BudgetKey, Spending, day_of, move, read_spending
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.store import upsert
from serving.limits import Limit
from serving.offer_table import OfferTable, OfferUsage, least_cost
from serving.reservations import add_to_usage, read_usage

UNITS, OFFER_BUDGET = "units", "offer_budget"
"""The scopes of an offer's own limits; those of shared budgets are ``CAMPAIGN`` and ``DAY``."""
TERM_MICROSECONDS = 900 * MICROSECONDS_PER_SECOND
PARTS_OF_A_QUOTA = 100
PARTS_TAKEN = 10
"""All workers together take no more than a tenth of what is left,"""
PARTS_KEPT = 5
"""and give back when what they hold has become more than a fifth."""


class LeaseKey(NamedTuple):
    """``name`` is an offer's, a campaign's, or the number of the day for which a brand's budget is held."""

    brand: str
    scope: str
    name: str


class Scarce(Struct, frozen=True):
    """A limit that there may be leases of: ``left`` is free, ``least`` what a quota must come to to be of use."""

    key: LeaseKey
    left: int
    least: int = 1


def scarce(connection: Connection, table: OfferTable, at: Instant) -> list[Scarce]:
    """All limits of a brand's offers, with what is neither given away nor leased."""
    brand = table.terms.brand
    limited = [one for one in table.offers if {one.cap_total, one.stock, one.budget} != {None}]
    usage = read_usage(connection, [(brand, one.offer_id) for one in limited])
    return [*_of_offers(table, usage), *_of_shared_budgets(connection, table, at)]


def hold(
    connection: Connection, holder: str, limits: Iterable[Scarce], spent: Mapping[LeaseKey, int], now: Instant
) -> dict[LeaseKey, int]:
    """Bring the leases of a worker to what is due of each limit, for another term; what it holds from now on.

    Never less than it has ``spent`` already without the store having been told. Of a limit that is not named any more,
    and so of a day that is over, the rest is given back.
    """
    connection.execute(upsert(connection, lease_holders), {"holder": holder, "expires_at": now + TERM_MICROSECONDS})
    before = held_by(connection, holder)
    total = dict(_totals(connection))
    due = dict.fromkeys(before, 0)
    for one in limits:
        mine = before.get(one.key, 0)
        due[one.key] = quota(one, mine, total.get(one.key, 0) - mine)
    after = {key: max(amount, spent.get(key, 0)) for key, amount in due.items()}
    _set(connection, holder, before, after)
    return {key: amount for key, amount in after.items() if amount}


def quota(limit: Scarce, mine: int, of_others: int) -> int:
    """How much a worker should hold that holds ``mine``: a hundredth of what is left, while little of it is leased.

    >>> quota(Scarce(LeaseKey("b", UNITS, "o"), left=1_000), 0, 0)
    10
    >>> quota(Scarce(LeaseKey("b", UNITS, "o"), left=9), 0, 0)
    0
    """
    left = limit.left + mine + of_others
    wanted = max(limit.least, left // PARTS_OF_A_QUOTA)
    if (of_others + wanted) * PARTS_TAKEN <= left:
        return wanted
    return min(mine, wanted) if (of_others + mine) * PARTS_KEPT <= left else 0


def settle(connection: Connection, holder: str, spent: Mapping[LeaseKey, int]) -> None:
    """Take out of the leases what has been written as reservations, which count it from now on, in this transaction."""
    before = held_by(connection, holder)
    _set(connection, holder, before, {**before, **{key: before[key] - amount for key, amount in spent.items()}})


def give_back(connection: Connection, holder: str) -> None:
    """End the leases of a worker that has stopped, or of which it is certain that it has spent nothing unsettled."""
    before = held_by(connection, holder)
    _set(connection, holder, before, dict.fromkeys(before, 0))
    connection.execute(delete(lease_holders).where(lease_holders.c.holder == holder))


def held_by(connection: Connection, holder: str) -> dict[LeaseKey, int]:
    rows = connection.execute(select(leases).where(leases.c.holder == holder))
    return {LeaseKey(row.brand, row.scope, row.name): row.amount for row in rows}


def expired_holders(connection: Connection, now: Instant) -> Sequence[str]:
    """Who may spend no longer; whether something was spent is for who can read their spool to say."""
    return connection.execute(select(lease_holders.c.holder).where(lease_holders.c.expires_at <= now)).scalars().all()


def _of_offers(table: OfferTable, usage: Mapping[tuple[str, str], OfferUsage]) -> Iterator[Scarce]:
    brand = table.terms.brand
    for row, offer in enumerate(table.offers):
        used = usage.get((brand, offer.offer_id), OfferUsage())
        most = min((limit for limit in (offer.cap_total, offer.stock) if limit is not None), default=None)
        if most is not None:
            yield Scarce(LeaseKey(brand, UNITS, offer.offer_id), most - used.issued)
        if offer.budget is not None:
            left = offer.budget - used.committed
            yield Scarce(LeaseKey(brand, OFFER_BUDGET, offer.offer_id), left, max(least_cost(table.worth, row), 1))


def _of_shared_budgets(connection: Connection, table: OfferTable, at: Instant) -> Iterator[Scarce]:
    brand, found = table.terms.brand, dict[LeaseKey, Sequence[Limit]]()
    campaigns = {offer.campaign_id: offer for offer in table.offers if offer.campaign_id is not None}
    of_brand = table.limits.of_brand(at)
    for name, offer in campaigns.items():
        under = table.limits.of(offer, at)
        if len(under) > len(of_brand):
            found[LeaseKey(brand, CAMPAIGN, name)] = under[:1]
    if of_brand:
        found[LeaseKey(brand, DAY, str(day_of(at)))] = of_brand
    spending = read_spending(connection, [key for limits in found.values() for one in limits for key in one.keys])
    least = max((least_cost(table.worth, row) for row in range(len(table.offers))), default=1)
    for key, limits in found.items():
        left = min(one.amount - sum(spending[counter].committed for counter in one.keys) for one in limits)
        yield Scarce(key, left, max(least, 1))


def _totals(connection: Connection) -> Iterator[tuple[LeaseKey, int]]:
    of = leases.c
    query = select(of.brand, of.scope, of.name, func.sum(of.amount)).group_by(of.brand, of.scope, of.name)
    for brand, scope, name, amount in connection.execute(query):
        yield LeaseKey(brand, scope, name), int(amount)


def _set(connection: Connection, holder: str, before: Mapping[LeaseKey, int], after: Mapping[LeaseKey, int]) -> None:
    """Write what is held from now on, and move the counters by the difference."""
    changed = {key: amount - before.get(key, 0) for key, amount in after.items() if amount != before.get(key, 0)}
    for key in changed:
        if after[key] < 0:
            raise ValueError(f"{key}: {holder} holds {before.get(key, 0)}, of which {-changed[key]} cannot be taken")
        mine = (leases.c.holder == holder) & (leases.c.brand == key.brand) & (leases.c.scope == key.scope)
        connection.execute(delete(leases).where(mine, leases.c.name == key.name))
    rows = [{"holder": holder, **key._asdict(), "amount": after[key]} for key in changed if after[key]]
    if rows:
        connection.execute(upsert(connection, leases), rows)
    _move(connection, changed)


def _move(connection: Connection, changed: Mapping[LeaseKey, int]) -> None:
    of_offers, of_budgets = [], dict[BudgetKey, Spending]()
    for key, by in changed.items():
        if key.scope == UNITS:
            of_offers.append((key.brand, key.name, by, 0, 0, 0))
        elif key.scope == OFFER_BUDGET:
            of_offers.append((key.brand, key.name, 0, by, 0, 0))
        else:
            counters = [BudgetKey(*key)] + [BudgetKey(key.brand, BRAND)] * (key.scope == DAY)
            for counter in counters:
                of_budgets[counter] = of_budgets.get(counter, Spending()).plus(Spending(reserved=by))
    add_to_usage(connection, of_offers)
    move(connection, of_budgets)
