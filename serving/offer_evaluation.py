"""What each offer is worth to one customer now, and which of them may be made: all that is known before the draw."""

from dataclasses import replace

import numpy as np
from msgspec import Struct

from features.facts import hour_of_week
from serving.arbitration import Values, Worth, priced, values
from serving.channel import settle_channel
from serving.conditions import Facts
from serving.customer_facts import consent, is_blocked
from serving.customer_history import CustomerHistory
from serving.decision import CustomerState, DecisionRequest, Floats, Predictions
from serving.eligibility import (
    Permissions,
    permissions,
    refusals,
    refuse_channel,
    refuse_hour,
    refuse_unsendable,
    unrestricted,
)
from serving.offer_table import OfferTable
from serving.overload import refuse_overload, refuse_similar
from serving.policy import Policy
from serving.refusal import Codes, Refusal
from serving.rule_table import Effect, Holds, Labelled, RuleTable, rule_table
from serving.send_slots import Slots, send_slots
from serving.unsubscribing import is_recently_unsubscribed, without_messages
from serving.value_inputs import basket_amount, facts, value_inputs
from serving.weighing import bent, weighed


class Case(Struct, frozen=True):
    """A question and everything that the answer may depend on."""

    request: DecisionRequest
    customer: CustomerState
    history: CustomerHistory
    offers: OfferTable
    predictions: Predictions
    policy: Policy

    @property
    def timezone(self) -> str:
        own = self.customer.customer.timezone if self.customer.customer is not None else None
        return self.customer.timezone or own or self.offers.terms.timezone

    @property
    def slots(self) -> Slots:
        quiet_hours = self.offers.terms.quiet_hours
        return send_slots(self.request.decided_at, self.timezone, quiet_hours, self.policy.send_within_hours)


class Evaluated(Struct, frozen=True):
    """What is known of every offer before anything is drawn.

    ``scores`` are what offers are ranked by; without rules and weights the expected values themselves. A menu holds
    ``most`` offers, and of those that are labelled alike in one of ``within`` no more than it says.
    """

    codes: Codes
    values: Values
    allowed: Permissions
    channel: str | None
    scores: Floats
    most: int
    table: RuleTable | None = None
    holds: Holds = ()
    within: tuple[Labelled, ...] = ()


def evaluate(case: Case) -> Evaluated:
    request, customer, offers, policy = case.request, case.customer, case.offers, case.policy
    profile, rules, history = customer.profile, offers.rules, case.history
    is_silent = profile is None or not profile.states[0]
    is_quiet = (
        not is_silent and policy.unsubscribe_days > 0 and is_recently_unsubscribed(case.customer, request, policy)
    )
    words = without_messages(consent(customer)) if is_quiet else consent(customer)
    allowed = unrestricted(request) if is_silent else permissions(request, words, rules, policy)
    known = facts(request.decided_at, customer, case.predictions)
    spend = basket_amount(request, offers)
    blocked = is_blocked(customer)
    codes = refusals(request, blocked, spend, customer.uses, history.declines, allowed, rules, known, policy)
    if is_quiet:
        np.putmask(codes, codes == Refusal.NO_CONSENT, Refusal.UNSUBSCRIBED_RECENTLY)
    inputs = value_inputs(request, offers, history, case.predictions, policy)
    worth = values(_worth(case), inputs, policy)
    scores = priced(weighed(worth, policy.weights), worth, offers.shadow_price)
    table = rule_table(policy, offers)
    if table is not None and not blocked:
        return _by_rules(case, table, Evaluated(codes, worth, allowed, None, scores, request.limit), known)
    channel = settle_channel(allowed, rules, codes, scores, profile)
    _refuse_at_time_of_channel(case, codes, channel)
    return Evaluated(codes, worth, allowed, channel, scores, request.limit)


def _by_rules(case: Case, table: RuleTable, plain: Evaluated, known: Facts) -> Evaluated:
    """The same with the policy's rules: those of a channel once it is settled, those that yield at last."""
    request, offers, codes = case.request, case.offers, plain.codes
    is_met = table.asked(known)
    holds = table.holding(request, is_met, None)
    effect = table.effect(holds)
    refuse_similar(codes, table, offers, case.history.declines, request.decided_at, case.policy)
    _exclude(codes, effect)
    scores = bent(plain.scores, effect)
    channel = settle_channel(plain.allowed, offers.rules, codes, scores, case.customer.profile)
    if table.has_channels and channel is not None:
        holds = table.holding(request, is_met, channel, holds)
        effect = table.effect(holds)
        _exclude(codes, effect)
        scores = bent(plain.scores, effect)
    _refuse_at_time_of_channel(case, codes, channel)
    uses, limit = case.customer.uses, request.limit
    most, within = refuse_overload(codes, table, offers, uses, request.decided_at, channel, limit)
    for moment, rows, others in table.yielding:
        if holds[moment] and (codes[others] == 0).any():
            np.putmask(codes, (codes == 0) & rows, Refusal.YIELDS_TO_ANOTHER)
    return Evaluated(codes, plain.values, plain.allowed, channel, scores, most, table, holds, within)


def _exclude(codes: Codes, effect: Effect) -> None:
    if effect.excluded is not None:
        np.putmask(codes, (codes == 0) & effect.excluded, Refusal.EXCLUDED_BY_POLICY)


def _worth(case: Case) -> Worth:
    """Priorities are a lever: they count as far as levers do."""
    lever, worth = case.policy.weights.lever, case.offers.worth
    return worth if lever == 1.0 else replace(worth, priority=worth.priority * lever)


def _refuse_at_time_of_channel(case: Case, codes: Codes, channel: str | None) -> None:
    """What is shown must be in its schedule now; a message, at some hour at which it may be sent."""
    rules = case.offers.rules
    if channel is not None:
        refuse_channel(codes, rules, channel)
    if channel in case.policy.message_channels:
        refuse_unsendable(codes, rules, case.slots)
    elif rules.hours is not None:
        refuse_hour(codes, rules, hour_of_week(case.request.decided_at, case.timezone))
