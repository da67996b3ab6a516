"""What a profile says of one customer, in the words that decisions ask."""

from collections.abc import Callable

from features.instant import Instant
from features.profile import State
from features.profiles import Profiles
from serving.decision import CustomerState


def state(customer: CustomerState, name: str) -> State | None:
    """How something stands with the customer, by the latest word on it."""
    if customer.profile is None:
        return None
    word = customer.profile.states[0].get(name)
    return None if word is None else word[1]


def consent(customer: CustomerState) -> Callable[[str], bool | None]:
    """Tells for a purpose or a channel whether it was granted, refused, or (``None``) never asked."""

    def granted(purpose: str) -> bool | None:
        word = state(customer, f"consent:{purpose}")
        return None if word is None else word == "granted"

    return granted


def is_blocked(customer: CustomerState) -> bool:
    return customer.is_blocked or state(customer, "blocked") == "yes"


def moment_of(profile: Profiles, decided_at: Instant) -> Instant:
    """The instant to judge a profile at: not before what it has heard of (a clock may run a little ahead of ours)."""
    return max(decided_at, int(profile.last_event_at.max(initial=decided_at)) + 1)
