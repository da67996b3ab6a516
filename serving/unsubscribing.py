"""That a customer has lately asked not to be written to."""

from collections.abc import Callable

from features.instant import Instant
from serving.decision import CustomerState, DecisionRequest
from serving.policy import Policy

_MESSAGES = "messages"
Consent = Callable[[str], bool | None]


def unsubscribed_at(customer: CustomerState, policy: Policy) -> Instant | None:
    """When messages, or a channel of messages, were last refused, where that stands."""
    if customer.profile is None:
        return None
    said = customer.profile.states[0]
    words = [said.get(f"consent:{name}") for name in (_MESSAGES, *sorted(policy.message_channels))]
    return max((word[0] for word in words if word is not None and word[1] == "refused"), default=None)


def is_recently_unsubscribed(customer: CustomerState, request: DecisionRequest, policy: Policy) -> bool:
    at = unsubscribed_at(customer, policy)
    return at is not None and at > request.decided_at - policy.unsubscribe_quiet


def without_messages(consent: Consent) -> Consent:
    return lambda purpose: False if purpose == _MESSAGES else consent(purpose)
