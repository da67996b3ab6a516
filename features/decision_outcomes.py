"""What became of the offers that we decided on: events move the reservations that the decisions made.

A reservation only ever moves forward, reserved → confirmed → released → accepted, so events may come in any order: an
offer that was accepted was accepted, whatever else is told of it later.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select, update

from features.brand import brands_sharing
from features.budget_usage import Spending, budgets_of, move
from features.errors import FieldError
from features.events import Event, EventType
from features.money import Money, from_money, to_money
from features.schema import decisions, offer_usage, offers, reservations

OUTCOMES = ("offer_presented", "offer_accepted", "offer_declined", "offer_expired")
_STATE_AFTER = {
    EventType.OFFER_PRESENTED: "confirmed",
    EventType.OFFER_DECLINED: "released",
    EventType.OFFER_EXPIRED: "released",
    EventType.OFFER_ACCEPTED: "accepted",
}
_ORDER = ("reserved", "confirmed", "released", "accepted")
_TOLERANCE = 1e-9
_CHUNK = 500


class _Propensities(msgspec.Struct):
    """What is read here of the body of a decision."""

    propensities: dict[str, float] = {}


class _Cost(msgspec.Struct):
    """What is read here of the body of an offer."""

    cost_rate: float | None = None
    cost_amount: Money | None = None
    partner_cost_share: float | None = None


class DecisionOutcomes:
    """Reads decisions as they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._propensities: dict[tuple[str, str], dict[str, float]] = {}

    def check(self, event: Event) -> None:
        """Refuse a propensity that contradicts our log.

        Raises
        ------
        FieldError
        """
        if event.propensity is None or event.decision_id is None or event.type not in OUTCOMES:
            return
        logged = self._logged(event.brand, event.decision_id).get(event.offer_id or "")
        if logged is not None and abs(logged - event.propensity) > _TOLERANCE * logged:
            raise FieldError("propensity", event.propensity, f"{logged!r}, as decision {event.decision_id} logged it")

    def known(self, events: Iterable[Event]) -> list[Event]:
        """Those events that speak of decisions of ours."""
        found = list(events)
        wanted = sorted({event.decision_id for event in found if event.decision_id is not None})
        ours: set[str] = set()
        for start in range(0, len(wanted), _CHUNK):
            query = select(decisions.c.decision_id).where(decisions.c.decision_id.in_(wanted[start : start + _CHUNK]))
            ours.update(self._connection.execute(query).scalars())
        return [event for event in found if event.decision_id in ours]

    def take(self, events: Sequence[Event], root: Callable[[str], str]) -> None:
        """Move the reservations that the events speak of; nobody moves those of another customer.

        ``root`` says who a customer is now.
        """
        for event in events:
            if event.decision_id is not None and event.type in _STATE_AFTER:
                self._move(event, root)

    def _logged(self, brand: str, decision_id: str) -> dict[str, float]:
        """By offer; nothing where the brand has no such decision."""
        key = (brand, decision_id)
        if key not in self._propensities:
            query = select(decisions.c.body).where(decisions.c.decision_id == decision_id, decisions.c.brand == brand)
            body = self._connection.execute(query).scalar()
            known = {} if body is None else msgspec.json.decode(body, type=_Propensities).propensities
            self._propensities[key] = known
        return self._propensities[key]

    def _move(self, event: Event, root: Callable[[str], str]) -> None:
        of_offer = and_(reservations.c.decision_id == event.decision_id, reservations.c.offer_id == event.offer_id)
        row = self._connection.execute(
            select(reservations).where(of_offer, reservations.c.brand == event.brand)
        ).first()
        state = _STATE_AFTER[event.type]
        if row is None or _ORDER.index(row.state) >= _ORDER.index(state):
            return
        if root(row.customer_id) != root(event.customer_id):
            return
        charged = self._charge(event, row.cost) if state == "accepted" else 0
        self._connection.execute(update(reservations).where(of_offer).values(state=state, charged=charged))
        self._count(row, state, charged)

    def _charge(self, event: Event, worst_case: Money) -> Money:
        """What the acceptance really cost us: as the event says, else by the offer's terms, else the worst case.

        What a partner bears is not ours; in the worst case it is left out already.
        """
        cost = self._cost(event)
        ours = 1.0 - (cost.partner_cost_share or 0.0)
        if event.discount_amount is not None:
            return round(max(event.discount_amount, 0) * ours)
        if cost.cost_rate is not None and event.amount is not None:
            return to_money(cost.cost_rate * from_money(event.amount) * ours)
        return worst_case if cost.cost_amount is None else round(cost.cost_amount * ours)

    def _cost(self, event: Event) -> _Cost:
        """The terms of the offer in the first of the catalogues that the brand has a share in."""
        for brand in brands_sharing(self._connection, event.brand, "catalogue"):
            mine = and_(offers.c.brand == brand, offers.c.offer_id == event.offer_id)
            body = self._connection.execute(select(offers.c.body).where(mine)).scalar()
            if body is not None:
                return msgspec.json.decode(body, type=_Cost)
        return _Cost()

    def _count(self, row: Any, state: str, charged: Money) -> None:
        """Keep the counters of the offer, and of the budgets that it draws on, in step."""
        was_held = row.state in ("reserved", "confirmed")
        issued = int(state != "released") - int(was_held)
        reserved = int(state == "confirmed") - int(was_held)
        mine = and_(offer_usage.c.brand == row.brand, offer_usage.c.offer_id == row.offer_id)
        self._connection.execute(
            update(offer_usage)
            .where(mine)
            .values(
                issued=offer_usage.c.issued + issued,
                cost_reserved=offer_usage.c.cost_reserved + reserved * row.cost,
                cost_charged=offer_usage.c.cost_charged + charged,
                cost_expected=offer_usage.c.cost_expected + reserved * row.cost_expected,
            )
        )
        moved_by = Spending(reserved * row.cost, charged, reserved * row.cost_expected)
        move(self._connection, dict.fromkeys(budgets_of(row.brand, row.campaign_id, row.decided_at), moved_by))
