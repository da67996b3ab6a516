"""The feature vector: a pure function of profiles and an instant.

Training, batch scoring and the service call :func:`vector`, so that offline and online cannot drift apart. Recency
and decay move with ``as_of`` though no event arrived. A feature of a purpose that the customer opted out of is
missing (NaN), as is one that has nothing to be computed from.
"""

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import DECAYED_COLUMNS, INTEGER_COLUMNS, Profiles
from features.statistics import BEHAVIOURS, HALF_LIVES_DAYS
from features.vector_kernel import (
    ORDER_FEATURES,
    PRODUCT_FEATURES,
    fill_behaviour_features,
    fill_order_features,
    fill_product_features,
)

PURCHASES, BROWSING, MESSAGES = "purchases", "browsing", "messages"
"""The purposes of consent that features belong to."""

_PURPOSE_OF_BEHAVIOUR = {
    "views": BROWSING,
    "cart_adds": BROWSING,
    "messages_sent": MESSAGES,
    "messages_opened": MESSAGES,
    "messages_clicked": MESSAGES,
    "offers_presented": MESSAGES,
    "offers_accepted": MESSAGES,
    "offers_declined": MESSAGES,
    "activities": BROWSING,
}
_BEHAVIOUR_FEATURES = tuple(
    feature
    for name in BEHAVIOURS
    for feature in (name, f"days_since_{name}", *(f"{name}_decayed_{half_life}" for half_life in HALF_LIVES_DAYS))
)
_STATE_FEATURES = ("points_balance", "survey_score")

FEATURES: tuple[str, ...] = (*ORDER_FEATURES, *PRODUCT_FEATURES, *_BEHAVIOUR_FEATURES, *_STATE_FEATURES)
"""The columns of :func:`vector`, in order."""

PURPOSE_OF_FEATURE: dict[str, str] = {
    **dict.fromkeys((*ORDER_FEATURES, *PRODUCT_FEATURES, *_STATE_FEATURES), PURCHASES),
    **{
        feature: purpose
        for name, purpose in _PURPOSE_OF_BEHAVIOUR.items()
        for feature in _BEHAVIOUR_FEATURES
        if feature.removeprefix("days_since_").startswith(name)
    },
}
FINGERPRINT = sha256(",".join(FEATURES).encode()).hexdigest()[:16]
"""Changes with the names or the order of the features; a model refuses to read vectors of another."""

_FIRST_PRODUCT = len(ORDER_FEATURES)
_FIRST_BEHAVIOUR = _FIRST_PRODUCT + len(PRODUCT_FEATURES)
_FIRST_STATE = _FIRST_BEHAVIOUR + len(_BEHAVIOUR_FEATURES)
_COUNTS = np.array([INTEGER_COLUMNS[name] for name in BEHAVIOURS])
_LASTS = np.array([INTEGER_COLUMNS[f"last_{name}_at"] for name in BEHAVIOURS])
_DECAYED = np.array([[DECAYED_COLUMNS[f"{name}_decayed_{h}"] for h in HALF_LIVES_DAYS] for name in BEHAVIOURS])
_HALF_LIVES = np.array(HALF_LIVES_DAYS, dtype=np.float64) * MICROSECONDS_PER_DAY
_SCALARS = np.array(
    [INTEGER_COLUMNS[name] for name in ("first_event_at", "last_event_at", "purchase_amount", "discount_amount",
                                        "refund_amount", "purchase_lines")]
)  # fmt: skip
_SPEND = np.array([DECAYED_COLUMNS[f"purchase_amount_decayed_{h}"] for h in HALF_LIVES_DAYS])
_COLUMNS_OF_PURPOSE = {
    purpose: np.array([i for i, feature in enumerate(FEATURES) if PURPOSE_OF_FEATURE[feature] == purpose])
    for purpose in (PURCHASES, BROWSING, MESSAGES)
}


class FutureProfileError(ValueError):
    """A profile has heard of an event at or after the instant asked for: fold it anew from the log."""


def vector(profiles: Profiles, as_of: Instant) -> NDArray[np.float64]:
    """The features of each customer as of an instant: shape (len(profiles), len(FEATURES)), missing is NaN.

    Money is in currency units, time in days.

    Raises
    ------
    FutureProfileError
        If a profile holds an event at or after ``as_of``; what is in a sum cannot be looked back into.
    """
    if len(profiles) and int(profiles.last_event_at.max()) >= as_of:
        raise FutureProfileError(f"as_of: got {as_of}, expected an instant after the last event of every profile")
    out = np.full((len(profiles), len(FEATURES)), np.nan)
    orders, products = profiles.orders, profiles.products
    fill_order_features(
        out, orders.offsets, orders.first_at, orders.amount, orders.lines, orders.refunded, orders.hour,
        profiles.integers, profiles.decayed, _SCALARS, _SPEND, _HALF_LIVES, as_of,
    )  # fmt: skip
    fill_product_features(out, _FIRST_PRODUCT, products.offsets, products.lines, products.last_at,
                          products.decayed, as_of)  # fmt: skip
    fill_behaviour_features(
        out, _FIRST_BEHAVIOUR, profiles.integers, profiles.decayed, _COUNTS, _LASTS, _DECAYED, _HALF_LIVES,
        INTEGER_COLUMNS["last_event_at"], as_of,
    )  # fmt: skip
    _fill_states(out, profiles)
    return out


def _fill_states(out: NDArray[np.float64], profiles: Profiles) -> None:
    """Registers and opt-outs: most customers have none."""
    for row, states in enumerate(profiles.states):
        if not states:
            continue
        for offset, name in enumerate(_STATE_FEATURES):
            if name in states:
                out[row, _FIRST_STATE + offset] = states[name][1]
        for purpose, columns in _COLUMNS_OF_PURPOSE.items():
            if states.get(f"consent:{purpose}", (0, ""))[1] == "refused":
                out[row, columns] = np.nan
