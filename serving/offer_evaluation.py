"""What each offer is worth to one customer now, and which of them may be made: all that is known before the draw."""

from msgspec import Struct

from features.facts import hour_of_week
from serving.arbitration import Values, values
from serving.channel import settle_channel
from serving.customer_facts import consent, is_blocked
from serving.customer_history import CustomerHistory
from serving.decision import CustomerState, DecisionRequest, Predictions
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
from serving.policy import Policy
from serving.refusal import Codes
from serving.send_slots import Slots, send_slots
from serving.value_inputs import basket_amount, facts, value_inputs


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
    """What is known of every offer before anything is drawn."""

    codes: Codes
    values: Values
    allowed: Permissions
    channel: str | None


def evaluate(case: Case) -> Evaluated:
    request, customer, offers, policy = case.request, case.customer, case.offers, case.policy
    profile, rules, history = customer.profile, offers.rules, case.history
    is_silent = profile is None or not profile.states[0]
    allowed = unrestricted(request) if is_silent else permissions(request, consent(customer), rules, policy)
    known = facts(request.decided_at, customer, case.predictions)
    spend = basket_amount(request, offers)
    blocked = is_blocked(customer)
    codes = refusals(request, blocked, spend, customer.uses, history.declines, allowed, rules, known, policy)
    inputs = value_inputs(request, offers, history, case.predictions, policy)
    worth = values(offers.worth, inputs, policy)
    channel = settle_channel(allowed, rules, codes, worth.expected_value, profile)
    _refuse_at_time_of_channel(case, codes, channel)
    return Evaluated(codes, worth, allowed, channel)


def _refuse_at_time_of_channel(case: Case, codes: Codes, channel: str | None) -> None:
    """What is shown must be in its schedule now; a message, at some hour at which it may be sent."""
    rules = case.offers.rules
    if channel is not None:
        refuse_channel(codes, rules, channel)
    if channel in case.policy.message_channels:
        refuse_unsendable(codes, rules, case.slots)
    elif rules.hours is not None:
        refuse_hour(codes, rules, hour_of_week(case.request.decided_at, case.timezone))
