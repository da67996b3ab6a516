"""The columns of ``score``: what the champions and the profile say of each customer as of an instant.

The ``/score`` call and the ``score`` verb both come here. A model that is not there leaves its columns empty and is
named in ``fallbacks``. ``money_at_risk`` is the chance of churn times what the customer would spend within the horizon
at the pace of late: the spend decayed over 90 days, scaled to the horizon.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import log
from typing import Any

import numpy as np

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.replenishment import UNKNOWN, due_products, expected_next_purchase_at
from features.segments import rfm_segments
from features.vector import FEATURES, vector
from serving.channel import strengths
from serving.customer_facts import with_consent
from serving.decision import Floats
from serving.predictions import (
    CHURN,
    FAVOURITE_PRODUCT,
    LIFETIME_VALUE,
    SEND_TIME,
    Models,
    Spend,
    horizon_days,
)
from training.models.churn import risk_band

DEFAULT_HORIZON_DAYS = 90
DEFAULT_FAVOURITES = 10
LIFETIMES_DAYS = (30, 90, 365)
MOST_BUY_NOTHING = 0.5
"""The chance of churn above which the middle of the time to the next purchase lies beyond the horizon."""

OUTPUTS_OF_MODEL: Mapping[str, tuple[str, ...]] = {
    CHURN: ("churn_probability", "churn_risk_band", "money_at_risk"),
    LIFETIME_VALUE: ("lifetime_value", "lifetime_value_median", "lifetime_value_low", "lifetime_value_high"),
    FAVOURITE_PRODUCT: ("favourite_products", "favourite_scores", "favourite_categories"),
    SEND_TIME: ("send_time_scores", "best_send_hour"),
}
_SPEND_DECAYED = FEATURES.index("spend_decayed_90")
_DECAYED_DAYS = 90 / log(2)
"""What comes in at an even pace decays, with a half-life of 90 days, to that many days' worth."""


@dataclass(frozen=True, slots=True)
class Score:
    """One customer's row, in the order of the columns; times are instants, amounts in the brand's currency."""

    customer_id: str
    brand: str
    as_of: Instant
    horizon_days: float
    churn_probability: float | None
    churn_risk_band: str | None
    money_at_risk: float | None
    lifetime_value: float | None
    lifetime_value_median: float | None
    lifetime_value_low: float | None
    lifetime_value_high: float | None
    lifetime_value_30: float | None
    lifetime_value_90: float | None
    lifetime_value_365: float | None
    expected_next_purchase_at: Instant | None
    favourite_products: list[str] | None
    favourite_scores: list[float] | None
    favourite_categories: list[str] | None
    send_time_scores: list[float] | None
    best_send_hour: int | None
    best_channel: str | None
    rfm_segment: str
    replenishment: list[tuple[str, Instant]]
    """(product_id, when it is due), soonest first."""
    model_versions: Mapping[str, str]
    fallbacks: Mapping[str, str]


COLUMNS = tuple(column.name for column in fields(Score))


def score(
    profiles: Profiles,
    brand: str,
    as_of: Instant,
    models: Models,
    categories: Mapping[str, str | None],
    favourites: int = DEFAULT_FAVOURITES,
) -> Iterator[Score]:
    """One row a customer, in the order of the profiles, which must hold nothing at or after ``as_of``.

    ``categories`` is that of each product.
    """
    usable = with_consent(profiles)
    features = vector(profiles, as_of)
    horizon = horizon_days(models) or DEFAULT_HORIZON_DAYS
    churn = _of_churn(models, features, as_of, horizon)
    spend = _of_spend(models, features, as_of)
    ranked = _of_favourites(models, usable, as_of, categories, favourites)
    hours = _of_hours(models, usable, as_of)
    next_purchase = _next_purchase(usable, as_of, churn, horizon)
    segments = rfm_segments(features)
    notes = fallbacks(models, as_of)
    for row, customer_id in enumerate(profiles.customer_ids):
        values: tuple[Any, ...] = (
            *(customer_id, brand, as_of, horizon),
            *churn[row],
            *spend[row],
            next_purchase[row],
            *ranked[row],
            *hours[row],
            *(_best_channel(profiles, row), segments[row], due_products(usable, row, as_of), models.versions, notes),
        )
        yield Score(*values)


def fallbacks(models: Models, as_of: Instant) -> dict[str, str]:
    """By output, why it is empty, or what to beware of."""
    notes = {
        output: f"no {name} model has been trained" for name in models.missing for output in OUTPUTS_OF_MODEL[name]
    }
    for name, until in models.trained_until.items():
        if until > as_of:
            notes |= dict.fromkeys(OUTPUTS_OF_MODEL.get(name, ()), "the champion was trained on what came after as_of")
    horizon = models.horizon_days.get(LIFETIME_VALUE)
    for days in LIFETIMES_DAYS:
        if models.lifetime_value is None or days != horizon:
            notes[f"lifetime_value_{days}"] = f"no model of a horizon of {days} days has been trained"
    if models.lifetime_value is not None and horizon not in (None, horizon_days(models)):
        notes["lifetime_value"] = f"over the {horizon:g} days of its own champion"
    return notes


_Cells = Sequence[tuple[Any, ...]]
"""For each customer the values of neighbouring columns."""


def _of_churn(models: Models, features: Floats, as_of: Instant, horizon: float) -> _Cells:
    if models.churn is None:
        return [(None, None, None)] * len(features)
    probability = models.churn.predict(features, as_of)
    baseline = np.nan_to_num(features[:, _SPEND_DECAYED]) * (horizon / _DECAYED_DAYS)
    return [(p, risk_band(p), p * spend) for p, spend in zip(probability.tolist(), baseline.tolist(), strict=True)]


def _next_purchase(profiles: Profiles, as_of: Instant, churn: _Cells, horizon_days: float) -> list[Instant | None]:
    """When each will buy again; nothing within a horizon in which most such customers buy nothing at all."""
    end = as_of + int(horizon_days * MICROSECONDS_PER_DAY)
    found = expected_next_purchase_at(profiles, as_of).tolist()
    lost = [probability is not None and probability > MOST_BUY_NOTHING for probability, *_ in churn]
    return [None if at == UNKNOWN or (is_lost and at < end) else at for at, is_lost in zip(found, lost, strict=True)]


def _of_spend(models: Models, features: Floats, as_of: Instant) -> _Cells:
    if models.lifetime_value is None:
        return [(None,) * (4 + len(LIFETIMES_DAYS))] * len(features)
    spend: Spend = models.lifetime_value.predict(features, as_of)
    horizon = models.horizon_days.get(LIFETIME_VALUE)
    nothing = [None] * len(features)
    mean = spend.mean.tolist()
    columns = (mean, spend.median.tolist(), spend.low.tolist(), spend.high.tolist())
    return list(zip(*columns, *(mean if days == horizon else nothing for days in LIFETIMES_DAYS), strict=True))


def _of_favourites(
    models: Models, profiles: Profiles, as_of: Instant, categories: Mapping[str, str | None], limit: int
) -> _Cells:
    if models.favourite_product is None:
        return [(None, None, None)] * len(profiles)
    ranked = models.favourite_product.rank(profiles, as_of, limit)
    return [(list(ids), [float(s) for s in scores], _categories_of(ids, categories)) for ids, scores in ranked]


def _categories_of(product_ids: Sequence[str], categories: Mapping[str, str | None]) -> list[str]:
    """The categories of the favourites, each once, that of the best first."""
    named = (categories.get(product_id) for product_id in product_ids)
    return list(dict.fromkeys(category for category in named if category is not None))


def _of_hours(models: Models, profiles: Profiles, as_of: Instant) -> _Cells:
    if models.send_time is None:
        return [(None, None)] * len(profiles)
    scores = models.send_time.predict(profiles, as_of)
    return list(zip(scores.tolist(), scores.argmax(axis=1).tolist(), strict=True))


def _best_channel(profiles: Profiles, row: int) -> str | None:
    start, end = profiles.channels.offsets[row : row + 2]
    if start == end:
        return None
    known = strengths(profiles if len(profiles) == 1 else profiles.take([row]))
    return max(known, key=lambda channel: known[channel])
