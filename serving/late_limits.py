"""The gaps and caps once more, in the transaction that keeps decisions: what was decided meanwhile counts too.

Two requests for one customer in the same instant do not see each other when they are decided; here they do.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from features.schema import decisions, reservations
from serving.decision import HOLDING, RESERVED, Decision, OfferUse
from serving.offer_evaluation import Case
from serving.overload import made_between
from serving.refusal import Refusal
from serving.rule_table import OfferLimit, RuleTable, rule_table

_Customer = tuple[str, str]
"""Brand and id."""


def refused_late(connection: Connection, decided: Iterable[tuple[Case, Decision]]) -> dict[str, dict[str, Refusal]]:
    """By decision and offer, why what was decided on cannot be had; earlier ones count for later ones."""
    limited = [(case, decision) for case, decision in decided if case.policy.rules.limits and decision.offers]
    if not limited:
        return {}
    known = _uses(connection, limited)
    refused: dict[str, dict[str, Refusal]] = {}
    for case, decision in limited:
        uses = known.setdefault((case.request.brand, case.request.customer_id), [])
        table = rule_table(case.policy, case.offers)
        lost = {} if table is None else _lost(case, decision, table, uses)
        if lost:
            refused[decision.decision_id] = lost
        uses += [
            OfferUse(one.offer_id, decision.decided_at, RESERVED, decision.expires_at, decision.channel)
            for one in decision.offers
            if one.offer_id not in lost
        ]
    return refused


def _lost(case: Case, decision: Decision, table: RuleTable, uses: Sequence[OfferUse]) -> dict[str, Refusal]:
    held = [use for use in uses if use.is_held_at(decision.decided_at)]
    channel = decision.channel if case.request.channels else None
    lost: dict[str, Refusal] = {}
    taken: list[int] = []
    for one in decision.offers:
        row = case.offers.rules.index[one.offer_id]
        broken = next((limit for limit in table.limits if _is_broken(limit, case, channel, held, row, taken)), None)
        if broken is None:
            taken.append(row)
        else:
            lost[one.offer_id] = Refusal.TOO_SOON if broken.terms.is_gap else Refusal.OFFERED_ENOUGH
    return lost


def _is_broken(
    limit: OfferLimit, case: Case, channel: str | None, held: Sequence[OfferUse], row: int, taken: Sequence[int]
) -> bool:
    """Whether the limit has no room for the offer of this row beside what is held, and taken by the same answer."""
    terms, at = limit.terms, case.request.decided_at
    if not limit.rows[row] or (terms.channels and channel not in terms.channels):
        return False
    made = made_between(limit, case.offers, held, at - limit.window, at + limit.window - 1)
    return made + (0 if terms.is_gap else sum(bool(limit.rows[one]) for one in taken)) >= terms.count


def _uses(connection: Connection, limited: Sequence[tuple[Case, Decision]]) -> dict[_Customer, list[OfferUse]]:
    """What the store holds of the customers as of now."""
    found: dict[_Customer, list[OfferUse]] = {}
    for brand in {case.request.brand for case, _ in limited}:
        ids = {case.request.customer_id for case, _ in limited if case.request.brand == brand}
        of = reservations.c
        query = (
            select(of.customer_id, of.offer_id, of.decided_at, of.state, of.expires_at, decisions.c.channel)
            .select_from(reservations.outerjoin(decisions, decisions.c.decision_id == of.decision_id))
            .where(of.brand == brand, of.customer_id.in_(ids), of.state.in_(HOLDING))
        )
        for customer_id, *use in connection.execute(query):
            found.setdefault((brand, customer_id), []).append(OfferUse(*use))
    return found
