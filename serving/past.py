"""Customers as of an earlier instant, for back-dated questions and replays: folded from the log.

A sum of what happened cannot be asked what it was before its last event.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.store import Store
from serving.decision import CustomerState
from serving.errors import BadRequestError


def is_ahead(profile: Profiles | None, now: Instant) -> bool:
    """Whether it knows more than events that may be a day ahead can tell: the service's clock was put back."""
    return profile is not None and bool(profile.last_event_at[0] > now + MICROSECONDS_PER_DAY)


async def customer_as_of(
    store: Store, brand: str, customer_id: str, customer: CustomerState, as_of: Instant
) -> CustomerState:
    """What was known of the customer before ``as_of``."""
    uses = [use for use in customer.uses if use.decided_at < as_of]
    if customer.profile is None or customer.profile.last_event_at[0] < as_of:
        return replace(customer, uses=uses)
    profiles = await asyncio.to_thread(profiles_as_of, store, brand, [customer_id], as_of)
    return replace(customer, profile=profiles.get(customer_id), uses=uses)


def profiles_as_of(store: Store, brand: str, customer_ids: Sequence[str], as_of: Instant) -> dict[str, Profiles]:
    """The profiles, by id, of those of whom something was known before ``as_of``.

    Raises
    ------
    BadRequestError
        If what reads the history is not installed.
    """
    try:
        from features.history import open_history
    except ImportError as error:
        expected = "a time after the customer's last event, or lagniappe[train] installed to read the history"
        raise BadRequestError(f"as_of: got {as_of}, expected {expected}", field="as_of") from error
    with open_history(store, brand, as_of) as history:
        profiles = history.profiles(as_of, customer_ids=customer_ids)
    return {customer_id: profiles.take([row]) for row, customer_id in enumerate(profiles.customer_ids)}
