"""What a decision holds of an offer until it expires: its place under the caps, its stock, its budget.

Every function works in its caller's transaction, and the store lets one writer in at a time: what is counted here is
what is there, so no cap and no budget can be passed by two workers at once.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, and_, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from features.budget_schema import budget_usage
from features.budget_usage import MOVE, NOTHING_SPENT, BudgetKey, Spending, budgets_of, read_spending
from features.entities import CapPerCustomer, Offer
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import Money
from features.schema import offer_usage, reservations
from features.store import Store
from serving.decision import HOLDING, RELEASED, RESERVED
from serving.limits import Limit
from serving.offer_table import OfferUsage
from serving.prepared import Prepared, Row
from serving.refusal import Refusal

OfferKey = tuple[str, str]
"""Brand and offer."""
CustomerKey = tuple[str, str, str]
"""Brand, offer and customer."""
_OF_ITS_CUSTOMER = frozenset({None, Refusal.CAP_PER_CUSTOMER})
"""What nobody else's reservation can change."""


class Reservation(Struct, frozen=True):
    """``cost`` is the most that the offer may cost, ``limits`` those of the budgets that it shares with others."""

    decision_id: str
    offer: Offer
    brand: str
    customer_id: str
    decided_at: Instant
    expires_at: Instant
    cost: Money
    expected_cost: Money = 0
    limits: tuple[Limit, ...] = ()

    @property
    def key(self) -> OfferKey:
        return self.brand, self.offer.offer_id

    @property
    def key_of_customer(self) -> CustomerKey:
        return self.brand, self.offer.offer_id, self.customer_id

    @property
    def budgets(self) -> tuple[BudgetKey, ...]:
        return budgets_of(self.brand, self.offer.campaign_id, self.decided_at)


class _Left(Struct):
    """What is given away of the limited offers, spent of the shared budgets, and held by customers, as it changes."""

    usage: dict[OfferKey, OfferUsage]
    spending: dict[BudgetKey, Spending]
    held: dict[CustomerKey, int]


def reserve(connection: Connection, wanted: Sequence[Reservation], now: Instant) -> list[Refusal | None]:
    """Write what can be had, in order; for each that cannot, why not.

    What has expired gives way, but nothing that is still held at ``now``, though it be decided for a later time.
    """
    refusals = _taken(connection, wanted)
    is_short = not _OF_ITS_CUSTOMER.issuperset(refusals)
    if is_short and release_expired(connection, min(now, wanted[0].decided_at)):
        refusals = _taken(connection, wanted)
    _write(connection, [one for one, refused in zip(wanted, refusals, strict=True) if refused is None])
    return refusals


def read_usage(connection: Connection, keys: Sequence[OfferKey] | None = None) -> dict[OfferKey, OfferUsage]:
    """How much of these offers (default: of all) is given away; an offer never given away may be missing."""
    if keys is not None and not keys:
        return {}
    query = select(offer_usage)
    if keys is not None:
        query = query.where(tuple_(offer_usage.c.brand, offer_usage.c.offer_id).in_(keys))
    return {
        (row.brand, row.offer_id): OfferUsage(row.issued, row.cost_reserved + row.cost_charged)
        for row in connection.execute(query)
    }


def release_expired(connection: Connection, now: Instant) -> int:
    """Give back what was reserved until ``now`` or earlier and never shown; how many reservations that were."""
    expired = and_(reservations.c.state == RESERVED, reservations.c.expires_at <= now)
    of = reservations.c
    columns = (of.brand, of.offer_id, of.campaign_id, of.decided_at, of.cost, of.cost_expected)
    rows = connection.execute(update(reservations).where(expired).values(state=RELEASED).returning(*columns)).all()
    given_back = [
        (
            (row.brand, row.offer_id),
            budgets_of(row.brand, row.campaign_id, row.decided_at),
            -row.cost,
            -row.cost_expected,
        )
        for row in rows
    ]
    _move(connection, given_back, -1)
    return len(rows)


def sweep(store: Store, now: Instant) -> int:
    """``release_expired`` in a transaction of its own, where there is anything to release."""
    expired = select(reservations.c.offer_id).where(reservations.c.state == RESERVED, reservations.c.expires_at <= now)
    with store.reading() as connection:
        if connection.execute(expired.limit(1)).first() is None:
            return 0
    with store.writing() as connection:
        return release_expired(connection, now)


def _usage_of_limited(connection: Connection, wanted: Sequence[Reservation]) -> dict[OfferKey, OfferUsage]:
    limited = sorted({one.key for one in wanted if _is_limited(one.offer)})
    return {key: OfferUsage() for key in limited} | read_usage(connection, limited)


def _left(connection: Connection, wanted: Sequence[Reservation]) -> _Left:
    limits = [key for one in wanted if one.cost for limit in one.limits for key in limit.keys]
    return _Left(
        usage=_usage_of_limited(connection, wanted),
        spending=read_spending(connection, limits) if limits else {},
        held=_held_by_customers(connection, wanted),
    )


def _is_limited(offer: Offer) -> bool:
    return not (offer.cap_total is None and offer.stock is None and offer.budget is None)


def _refusal(one: Reservation, left: _Left) -> Refusal | None:
    if one.cost:
        for limit in one.limits:
            if not limit.has_room_for(one.cost, left.spending):
                return limit.refusal
    return _refusal_of_its_own(one, left.usage[one.key]) if _is_limited(one.offer) else None


def _refusal_of_its_own(one: Reservation, used: OfferUsage) -> Refusal | None:
    offer = one.offer
    if offer.cap_total is not None and used.issued >= offer.cap_total:
        return Refusal.CAP_TOTAL
    if offer.stock is not None and used.issued >= offer.stock:
        return Refusal.STOCK
    if offer.budget is not None and used.committed + one.cost > offer.budget:
        return Refusal.BUDGET
    return None


def _taken(connection: Connection, wanted: Sequence[Reservation]) -> list[Refusal | None]:
    """In order, so that what is given to one is not there for those after."""
    left = _left(connection, wanted)
    return [_take(one, left) for one in wanted]


def _take(one: Reservation, left: _Left) -> Refusal | None:
    """The refusal, or nothing and the counts moved for those that come after."""
    cap = one.offer.cap_per_customer
    if cap is not None and left.held[one.key_of_customer] >= cap.count:
        return Refusal.CAP_PER_CUSTOMER
    refused = _refusal(one, left)
    if refused is None:
        _count(one, left)
    return refused


def _count(one: Reservation, left: _Left) -> None:
    """Also where this one knows of no limit: an offer may have got one since, that others of the same time know of."""
    if one.key in left.usage:
        used = left.usage[one.key]
        left.usage[one.key] = OfferUsage(used.issued + 1, used.committed + one.cost)
    if one.key_of_customer in left.held:
        left.held[one.key_of_customer] += 1
    for key in one.budgets if left.spending else ():
        if key in left.spending:
            left.spending[key] = left.spending[key].plus(Spending(reserved=one.cost))


def _held_by_customers(connection: Connection, wanted: Sequence[Reservation]) -> dict[CustomerKey, int]:
    return {
        one.key_of_customer: _count_held(connection, one, one.offer.cap_per_customer)
        for one in wanted
        if one.offer.cap_per_customer is not None
    }


def _count_held(connection: Connection, one: Reservation, cap: CapPerCustomer) -> int:
    query = select(func.count()).where(
        reservations.c.brand == one.brand,
        reservations.c.customer_id == one.customer_id,
        reservations.c.offer_id == one.offer.offer_id,
        reservations.c.decided_at > one.decided_at - int(cap.days * MICROSECONDS_PER_DAY),
        reservations.c.state.in_(HOLDING),
        or_(reservations.c.state != RESERVED, reservations.c.expires_at > one.decided_at),
    )
    return connection.execute(query).scalar_one()


def _write(connection: Connection, granted: Sequence[Reservation]) -> None:
    if not granted:
        return
    _INSERT.execute(connection, [_row(one) for one in granted])
    _move(connection, [(one.key, one.budgets, one.cost, one.expected_cost) for one in granted], 1)


def _row(one: Reservation) -> Row:
    """In the order of the table's columns."""
    nothing_charged = 0
    return (
        one.decision_id,
        one.offer.offer_id,
        one.brand,
        one.customer_id,
        RESERVED,
        one.decided_at,
        one.expires_at,
        one.cost,
        nothing_charged,
        one.offer.campaign_id,
        one.expected_cost,
    )


_Change = tuple[OfferKey, tuple[BudgetKey, ...], Money, Money]
"""An offer, the budgets that it draws on, and what is moved of its reserved and of its expected cost."""


def _move(connection: Connection, changes: Iterable[_Change], count: int) -> None:
    """Move the counters; each change is of ``count`` more issued."""
    of_offers: dict[OfferKey, tuple[int, Money, Money]] = {}
    of_budgets: dict[BudgetKey, Spending] = {}
    for key, budgets, cost, expected in changes:
        issued, reserved, expecting = of_offers.get(key, (0, 0, 0))
        of_offers[key] = (issued + count, reserved + cost, expecting + expected)
        if cost or expected:
            moved_by = Spending(reserved=cost, expected=expected)
            for budget in budgets:
                of_budgets[budget] = of_budgets.get(budget, NOTHING_SPENT).plus(moved_by)
    nothing_charged = 0
    rows = [(*key, issued, cost, nothing_charged, expected) for key, (issued, cost, expected) in of_offers.items()]
    add_to_usage(connection, rows)
    if of_budgets:
        _ADD_TO_BUDGETS[connection.dialect.name].execute(
            connection, [(*key, *moved_by) for key, moved_by in sorted(of_budgets.items())]
        )


def add_to_usage(connection: Connection, rows: Iterable[Row]) -> None:
    """Move the counters of offers by so much, each row in the order of the table's columns."""
    ordered = sorted(rows)
    if ordered:
        _ADD[connection.dialect.name].execute(connection, ordered)


def _adding(insert_into: Callable[[Table], Any]) -> Prepared:
    """Counters that are moved by so much, from nothing where there are none yet."""
    new = insert_into(offer_usage)
    moved = {name: offer_usage.c[name] + new.excluded[name] for name in ("issued", "cost_reserved", "cost_expected")}
    return Prepared(new.on_conflict_do_update(index_elements=["brand", "offer_id"], set_=moved), offer_usage.c.keys())


_INSERT = Prepared(insert(reservations), reservations.c.keys())
_ADD = {"sqlite": _adding(sqlite.insert), "postgresql": _adding(postgresql.insert)}
_ADD_TO_BUDGETS = {name: Prepared(statement, budget_usage.c.keys()) for name, statement in MOVE.items()}
