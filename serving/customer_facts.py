"""What a profile says of one customer, in the words that decisions ask."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from features.events import EventType
from features.instant import Instant
from features.money import MONEY_SCALE
from features.profile import State
from features.profile_tables import CONTACT_FACETS, without_rows_of
from features.profiles import Profiles
from serving.decision import CustomerState

_DECLINED = CONTACT_FACETS.index(EventType.OFFER_DECLINED)


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


def declines(profile: Profiles | None) -> list[tuple[str, Instant]]:
    """The offers that one customer declined, and when."""
    if profile is None:
        return []
    contacts = profile.contacts
    if _DECLINED not in contacts.facet.tobytes():
        return []
    rows = np.flatnonzero(contacts.facet == _DECLINED)
    return [(contacts.vocabulary[contacts.code[row]], int(contacts.at[row])) for row in rows]


def with_consent(profiles: Profiles) -> Profiles:
    """The profiles without the purchases and hours of those who refused the use of their purchases."""
    refused = [states.get("consent:purchases", (0, ""))[1] == "refused" for states in profiles.states]
    if not any(refused):
        return profiles
    is_left_out = np.array(refused)
    return replace(
        profiles,
        orders=without_rows_of(profiles.orders, is_left_out),
        products=without_rows_of(profiles.products, is_left_out),
        hours=without_rows_of(profiles.hours, is_left_out),
    )


def order_count(profile: Profiles | None) -> int:
    return 0 if profile is None else len(profile.orders.amount)


def mean_order(profile: Profiles | None) -> float | None:
    """Currency units that one customer's orders come to; ``None`` before the first."""
    if profile is None or not profile.orders.amount.size:
        return None
    return int(profile.orders.amount.sum()) / len(profile.orders.amount) / MONEY_SCALE


def moment_of(profile: Profiles, decided_at: Instant) -> Instant:
    """The instant to judge a profile at: not before what it has heard of (a clock may run a little ahead of ours)."""
    return max(decided_at, int(profile.last_event_at.max(initial=decided_at)) + 1)
