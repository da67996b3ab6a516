"""The decision: from one customer, one instant and the live offers to at most a few of them, or none.

Candidates → eligibility (each refusal has a reason) → value → rules → exploration → order. Nothing here reads a clock,
a store or a random number generator: chance is a hash of the decision's id, so the same inputs give the same decision.
"""

from features.entities import Offer
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import MONEY_SCALE
from serving.arbitration import to_minor
from serving.channel import channel_of_offer, send_moment
from serving.customer_facts import is_blocked
from serving.customer_history import CustomerHistory
from serving.decision import ChosenOffer, CustomerState, Decision, DecisionRequest, Predictions
from serving.drawing import NONE, Drawn, drawn
from serving.offer_cost import chosen_value
from serving.offer_evaluation import Case, Evaluated, evaluate
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.reasons import NO_RULE_MATCHES, fallback_of, no_offer_reason, reasons_for
from serving.refusal import count_refusals
from serving.words import IMITATED, PINNED


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
    found = drawn(case, evaluated)
    channel, send_at = _channel_and_moment(case, evaluated, found.rows)
    starts = request.decided_at if send_at is None else send_at
    return Decision(
        decision_id=request.decision_id,
        decided_at=request.decided_at,
        offers=tuple(_chosen(case, evaluated, found, rank, starts) for rank in range(1, len(found.rows) + 1)),
        none_probability=found.candidates[NONE].probability,
        no_offer_reason=None if found.rows else _no_offer_reason(case, evaluated, found),
        channel=channel,
        send_at=send_at,
        expires_at=starts + policy.hold(is_message=send_at is not None),
        excluded=count_refusals(evaluated.codes),
        candidates=found.candidates,
        fallback=fallback_of(customer, offers, predictions),
        codes=evaluated.codes.tobytes(),
        account=found.account,
    )


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


def _chosen(case: Case, evaluated: Evaluated, found: Drawn, rank: int, starts: Instant) -> ChosenOffer:
    row = found.rows[rank - 1]
    offer = case.offers.offers[row]
    is_explored = rank == 1 and found.is_first_explored
    by_rule = IMITATED if found.is_imitated else PINNED if rank <= found.pinned else None
    reasons = reasons_for(row, case.offers, case.history, case.predictions, is_explored=is_explored, by_rule=by_rule)
    return ChosenOffer(
        offer=offer,
        value=chosen_value(offer),
        rank=rank,
        propensity=found.propensities[rank - 1],
        expected_value=float(evaluated.values.expected_value[row]),
        accept_probability=float(evaluated.values.accept_probability[row]),
        valid_until=_valid_until(offer, starts),
        reasons=reasons,
        words=case.offers.phrases[row].told(reasons, is_personal=offer.personalised),
        reserved_cost=to_minor(float(evaluated.values.worst_cost[row])),
        expected_cost=round(float(evaluated.values.expected_cost[row]) * MONEY_SCALE),
    )


def _valid_until(offer: Offer, starts: Instant) -> Instant | None:
    ends = [] if offer.valid_to is None else [offer.valid_to]
    if offer.validity_days is not None:
        ends.append(starts + int(offer.validity_days * MICROSECONDS_PER_DAY))
    return min(ends, default=None)


def _no_offer_reason(case: Case, evaluated: Evaluated, found: Drawn) -> str:
    if found.is_imitated and not is_blocked(case.customer):
        return NO_RULE_MATCHES
    return no_offer_reason(evaluated.codes, is_blocked=is_blocked(case.customer), is_explored=found.is_first_explored)
