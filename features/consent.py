"""What is left of customers who refused a purpose: one place for training, measuring, drift, scores and the service."""

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.profile_tables import without_rows_of
from features.profiles import Profiles
from features.vector import BROWSING, MESSAGES, PURCHASES


def refusing(profiles: Profiles, purpose: str) -> NDArray[np.bool_]:
    """Of each customer, whether their latest word on a purpose (or a channel) is a refusal."""
    name = f"consent:{purpose}"
    return np.array([states.get(name, (0, ""))[1] == "refused" for states in profiles.states], dtype=np.bool_)


def refusing_any(profiles: Profiles) -> NDArray[np.bool_]:
    """Of each customer, whether they refuse any purpose that features belong to."""
    return refusing(profiles, PURCHASES) | refusing(profiles, BROWSING) | refusing(profiles, MESSAGES)


def with_consent(profiles: Profiles) -> Profiles:
    """The profiles without the purchases and hours of those who refused the use of their purchases, without the
    messages of those who refused the use of these, and without the hours at which they engaged of those who refused
    either these or browsing. What they refused, and all else, stays."""
    return _without_engagements(_without_messages(_without_purchases(profiles)))


def _without_purchases(profiles: Profiles) -> Profiles:
    refused = refusing(profiles, PURCHASES)
    if not refused.any():
        return profiles
    return replace(
        profiles,
        orders=without_rows_of(profiles.orders, refused),
        products=without_rows_of(profiles.products, refused),
        hours=without_rows_of(profiles.hours, refused),
    )


def _without_messages(profiles: Profiles) -> Profiles:
    refused = refusing(profiles, MESSAGES)
    if not refused.any():
        return profiles
    hours = profiles.hours
    sent = np.where(np.repeat(refused, np.diff(hours.offsets)), 0, hours.sent)
    return replace(
        profiles,
        hours=msgspec.structs.replace(hours, sent=sent),
        messages=without_rows_of(profiles.messages, refused),
    )


def _without_engagements(profiles: Profiles) -> Profiles:
    """Profiles do not tell whether it was by browsing or by an answer to a message."""
    refused = refusing(profiles, BROWSING) | refusing(profiles, MESSAGES)
    if not refused.any():
        return profiles
    hours = profiles.hours
    engaged = np.where(np.repeat(refused, np.diff(hours.offsets)), 0, hours.engaged)
    return replace(profiles, hours=msgspec.structs.replace(hours, engaged=engaged))
