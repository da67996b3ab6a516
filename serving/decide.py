"""The decision: from one customer, one instant and the live offers to at most a few of them, or none.

Candidates → eligibility (each refusal has a reason) → value → exploration → order. Nothing here reads a clock, a store
or a random number generator: chance is a hash of the decision's id, so the same inputs give the same decision.
"""

from dataclasses import dataclass

import numpy as np

from experiments.exploration import EpsilonGreedy, draw_menu, probabilities, uniforms
from features.entities import Offer
from features.events import NO_OFFER
from features.instant import MICROSECONDS_PER_DAY, Instant
from serving.arbitration import Values, to_minor
from serving.channel import channel_of_offer, send_moment
from serving.decision import (
    BasketLine,
    Candidate,
    ChosenOffer,
    CustomerState,
    Decision,
    DecisionRequest,
    OfferUse,
    Predictions,
)
from serving.eligibility import Refusal, count_refusals
from serving.known import is_blocked
from serving.offer_cost import chosen_value
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.reasons import fallback_of, no_offer_reason, reasons_for
from serving.weighing import Case, Weighed, weigh

__all__ = [
    "BasketLine",
    "Candidate",
    "ChosenOffer",
    "CustomerState",
    "Decision",
    "DecisionRequest",
    "OfferUse",
    "Predictions",
    "decide",
]

_NONE = 0
"""The place of ``none`` among the candidates: first, so that an offer must be worth more to be preferred."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """``rows`` are the offers of the menu in the table, by rank; none where nothing is offered."""

    rows: tuple[int, ...]
    propensities: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    is_first_explored: bool


def decide(
    request: DecisionRequest, customer: CustomerState, offers: OfferTable, predictions: Predictions, policy: Policy
) -> Decision:
    """Up to ``request.limit`` offers for one customer at ``request.decided_at``, drawn with known probabilities."""
    case = Case(request, customer, offers, predictions, policy)
    weighed = weigh(case)
    drawn = _draw(case, weighed, _shortlist(case, weighed))
    channel, send_at = _channel_and_moment(case, weighed, drawn.rows)
    starts = request.decided_at if send_at is None else send_at
    return Decision(
        decision_id=request.decision_id,
        decided_at=request.decided_at,
        offers=tuple(_chosen(case, weighed, drawn, rank, starts) for rank in range(1, len(drawn.rows) + 1)),
        none_probability=drawn.candidates[_NONE].probability,
        no_offer_reason=None if drawn.rows else _no_offer_reason(case, weighed, drawn),
        channel=channel,
        send_at=send_at,
        expires_at=starts + policy.hold(is_message=send_at is not None),
        excluded=count_refusals(weighed.codes),
        candidates=drawn.candidates,
        fallback=fallback_of(customer, offers, predictions),
    )


def _shortlist(case: Case, weighed: Weighed) -> tuple[int, ...]:
    """The most valuable eligible offers, best first; in a menu, of an exclusive group only the best.

    The others of the group are refused before the draw, so that the probabilities of what can be drawn stay exact.
    """
    eligible = np.flatnonzero(weighed.codes == 0)
    ranked = eligible[np.argsort(-weighed.values.expected_value[eligible], kind="stable")]
    if case.request.limit > 1 and case.offers.has_groups:
        groups = case.offers.group[ranked]
        stays = groups < 0
        stays[np.unique(groups, return_index=True)[1]] = True
        weighed.codes[ranked[~stays]] = Refusal.EXCLUSIVE_GROUP
        ranked = ranked[stays]
    return tuple(ranked[: max(case.policy.shortlist, case.request.limit)].tolist())


def _draw(case: Case, weighed: Weighed, shortlist: tuple[int, ...]) -> _Drawn:
    worth = np.concatenate(([case.policy.least_value], weighed.values.expected_value[list(shortlist)]))
    exploration = EpsilonGreedy(case.policy.epsilon)
    chances = probabilities(worth, exploration).tolist()
    numbers = uniforms(case.policy.salt, case.request.decision_id, case.request.limit + 2)
    menu = draw_menu(worth, exploration, _NONE, case.request.limit, numbers)
    is_none = menu.candidates[0] == _NONE
    return _Drawn(
        rows=() if is_none else tuple(shortlist[candidate - 1] for candidate in menu.candidates),
        propensities=menu.probabilities,
        candidates=_candidates(case.offers, weighed.values, shortlist, chances),
        is_first_explored=menu.candidates[0] != int(worth.argmax()),
    )


def _candidates(
    offers: OfferTable, worth: Values, shortlist: tuple[int, ...], chances: list[float]
) -> tuple[Candidate, ...]:
    """``none`` and the offers of the shortlist."""
    rows = list(shortlist)
    named = zip(
        rows, worth.expected_value[rows].tolist(), worth.accept_probability[rows].tolist(), chances[1:], strict=True
    )
    return (
        Candidate(NO_OFFER, 0.0, 0.0, chances[_NONE]),
        *(Candidate(offers.offers[row].offer_id, value, accept, chance) for row, value, accept, chance in named),
    )


def _channel_and_moment(case: Case, weighed: Weighed, rows: tuple[int, ...]) -> tuple[str | None, Instant | None]:
    """The channel, and for a message the moment to send it, where there is something to send."""
    if not rows:
        return weighed.channel, None
    channel = weighed.channel
    if channel is None:
        channel = channel_of_offer(case.offers, rows[0], weighed.allowed, case.customer.profile)
    if channel not in case.policy.message_channels:
        return channel, None
    return channel, send_moment(case.offers.rules, rows, case.slots, case.predictions.send_time)


def _chosen(case: Case, weighed: Weighed, drawn: _Drawn, rank: int, starts: Instant) -> ChosenOffer:
    row = drawn.rows[rank - 1]
    offer = case.offers.offers[row]
    is_explored = rank == 1 and drawn.is_first_explored
    reasons = reasons_for(row, case.offers, weighed.history, case.predictions, is_explored=is_explored)
    return ChosenOffer(
        offer=offer,
        value=chosen_value(offer),
        rank=rank,
        propensity=drawn.propensities[rank - 1],
        expected_value=float(weighed.values.expected_value[row]),
        accept_probability=float(weighed.values.accept_probability[row]),
        valid_until=_valid_until(offer, starts),
        reasons=reasons,
        words=case.offers.phrases[row].told(reasons, is_personal=offer.personalised),
        reserved_cost=to_minor(float(weighed.values.worst_cost[row])),
    )


def _valid_until(offer: Offer, starts: Instant) -> Instant | None:
    ends = [] if offer.valid_to is None else [offer.valid_to]
    if offer.validity_days is not None:
        ends.append(starts + int(offer.validity_days * MICROSECONDS_PER_DAY))
    return min(ends, default=None)


def _no_offer_reason(case: Case, weighed: Weighed, drawn: _Drawn) -> str:
    return no_offer_reason(weighed.codes, is_blocked=is_blocked(case.customer), is_explored=drawn.is_first_explored)
