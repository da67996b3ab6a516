"""The decision: from one customer, one instant and the live offers to at most a few of them, or none.

Candidates → eligibility (each refusal has a reason) → value → exploration → order. Nothing here reads a clock, a store
or a random number generator: chance is a hash of the decision's id, so the same inputs give the same decision.
"""

from itertools import starmap

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from experiments.exploration import EpsilonGreedy, draw_menu, epsilon_greedy, uniforms
from features.compiled import compiled
from features.entities import Offer
from features.events import NO_OFFER
from features.instant import MICROSECONDS_PER_DAY, Instant
from serving.arbitration import Values, to_minor
from serving.channel import channel_of_offer, send_moment
from serving.customer_facts import is_blocked
from serving.customer_history import CustomerHistory
from serving.decision import (
    Candidate,
    ChosenOffer,
    CustomerState,
    Decision,
    DecisionRequest,
    Floats,
    Predictions,
)
from serving.offer_cost import chosen_value
from serving.offer_evaluation import Case, Evaluated, evaluate
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.reasons import fallback_of, no_offer_reason, reasons_for
from serving.refusal import Codes, Refusal, count_refusals

_NONE = 0
"""The place of ``none`` among the candidates: first, so that an offer must be worth more to be preferred."""


class _Drawn(Struct, frozen=True):
    """``rows`` are the offers of the menu in the table, by rank; none where nothing is offered."""

    rows: tuple[int, ...]
    propensities: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    is_first_explored: bool


def decide(
    request: DecisionRequest,
    customer: CustomerState,
    history: CustomerHistory,
    offers: OfferTable,
    predictions: Predictions,
    policy: Policy,
) -> Decision:
    """Up to ``request.limit`` offers for one customer at ``request.decided_at``, drawn with known probabilities."""
    case = Case(request, customer, history, offers, predictions, policy)
    evaluated = evaluate(case)
    drawn = _draw(case, evaluated, _shortlist(case, evaluated))
    channel, send_at = _channel_and_moment(case, evaluated, drawn.rows)
    starts = request.decided_at if send_at is None else send_at
    return Decision(
        decision_id=request.decision_id,
        decided_at=request.decided_at,
        offers=tuple(_chosen(case, evaluated, drawn, rank, starts) for rank in range(1, len(drawn.rows) + 1)),
        none_probability=drawn.candidates[_NONE].probability,
        no_offer_reason=None if drawn.rows else _no_offer_reason(case, evaluated, drawn),
        channel=channel,
        send_at=send_at,
        expires_at=starts + policy.hold(is_message=send_at is not None),
        excluded=count_refusals(evaluated.codes),
        candidates=drawn.candidates,
        fallback=fallback_of(customer, offers, predictions),
        codes=evaluated.codes.tobytes(),
    )


def _shortlist(case: Case, evaluated: Evaluated) -> list[int]:
    """The most valuable eligible offers, best first; in a menu, of an exclusive group only the best.

    The others of the group are refused before the draw, so that the probabilities of what can be drawn stay exact.
    """
    if case.request.limit > 1 and case.offers.has_groups:
        _keep_best_of_groups(evaluated.codes, evaluated.values.expected_value, case.offers.group)
    most = max(case.policy.shortlist, case.request.limit)
    rows: list[int] = _best(evaluated.codes, evaluated.values.expected_value, most).tolist()
    return rows


def _keep_best_of_groups(codes: Codes, expected_value: Floats, group: NDArray[np.int64]) -> None:
    ranked = _best(codes, expected_value, codes.size)
    groups = group[ranked]
    stays = groups < 0
    stays[np.unique(groups, return_index=True)[1]] = True
    codes[ranked[~stays]] = Refusal.EXCLUSIVE_GROUP


@compiled
def _best(codes: Codes, expected_value: Floats, most: int) -> NDArray[np.int64]:
    """The rows that nothing refuses, by falling value; the first in the table where values are equal."""
    rows = np.empty(min(most, codes.size), dtype=np.int64)
    count = 0
    for row in range(codes.size):
        if codes[row] != 0:
            continue
        value = expected_value[row]
        if count == rows.size:
            if count == 0 or not value > expected_value[rows[count - 1]]:
                continue
            count -= 1
        at = count
        while at > 0 and value > expected_value[rows[at - 1]]:
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = row
        count += 1
    return rows[:count]


def _draw(case: Case, evaluated: Evaluated, shortlist: list[int]) -> _Drawn:
    values = evaluated.values
    worth = [case.policy.least_value, *values.expected_value[shortlist].tolist()]
    chances = epsilon_greedy(worth, case.policy.epsilon)
    limit, exploration = case.request.limit, EpsilonGreedy(case.policy.epsilon)
    numbers = uniforms(case.policy.salt, case.request.decision_id, limit + 2)
    menu = draw_menu(worth, exploration, _NONE, limit, numbers, chances=chances)
    is_none = menu.candidates[0] == _NONE
    return _Drawn(
        rows=() if is_none else tuple([shortlist[candidate - 1] for candidate in menu.candidates]),
        propensities=menu.probabilities,
        candidates=_candidates(case.offers, values, shortlist, worth, chances),
        is_first_explored=menu.candidates[0] != worth.index(max(worth)),
    )


def _candidates(
    offers: OfferTable, values: Values, shortlist: list[int], worth: list[float], chances: list[float]
) -> tuple[Candidate, ...]:
    """``none`` and the offers of the shortlist."""
    accepts, named = values.accept_probability[shortlist].tolist(), offers.offers
    found = zip([named[row].offer_id for row in shortlist], worth[1:], accepts, chances[1:], strict=True)
    return Candidate(NO_OFFER, 0.0, 0.0, chances[_NONE]), *starmap(Candidate, found)


def _channel_and_moment(case: Case, evaluated: Evaluated, rows: tuple[int, ...]) -> tuple[str | None, Instant | None]:
    """The channel, and for a message the moment to send it, where there is something to send."""
    if not rows:
        return evaluated.channel, None
    channel = evaluated.channel
    if channel is None:
        channel = channel_of_offer(case.offers, rows[0], evaluated.allowed, case.customer.profile)
    if channel not in case.policy.message_channels:
        return channel, None
    return channel, send_moment(case.offers.rules, rows, case.slots, case.predictions.hours_of(channel))


def _chosen(case: Case, evaluated: Evaluated, drawn: _Drawn, rank: int, starts: Instant) -> ChosenOffer:
    row = drawn.rows[rank - 1]
    offer = case.offers.offers[row]
    is_explored = rank == 1 and drawn.is_first_explored
    reasons = reasons_for(row, case.offers, case.history, case.predictions, is_explored=is_explored)
    return ChosenOffer(
        offer=offer,
        value=chosen_value(offer),
        rank=rank,
        propensity=drawn.propensities[rank - 1],
        expected_value=float(evaluated.values.expected_value[row]),
        accept_probability=float(evaluated.values.accept_probability[row]),
        valid_until=_valid_until(offer, starts),
        reasons=reasons,
        words=case.offers.phrases[row].told(reasons, is_personal=offer.personalised),
        reserved_cost=to_minor(float(evaluated.values.worst_cost[row])),
    )


def _valid_until(offer: Offer, starts: Instant) -> Instant | None:
    ends = [] if offer.valid_to is None else [offer.valid_to]
    if offer.validity_days is not None:
        ends.append(starts + int(offer.validity_days * MICROSECONDS_PER_DAY))
    return min(ends, default=None)


def _no_offer_reason(case: Case, evaluated: Evaluated, drawn: _Drawn) -> str:
    return no_offer_reason(evaluated.codes, is_blocked=is_blocked(case.customer), is_explored=drawn.is_first_explored)
