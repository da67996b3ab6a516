"""The columns of ``score`` for a batch of customers: what the champions and the profiles say as of an instant.

``money_at_risk`` is the chance of churn times what the customer would spend within the horizon at the pace of late: the
spend decayed over 90 days, scaled to the horizon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.consent import with_consent
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.product_lists import ProductLists
from features.profiles import Profiles
from features.replenishment import LIMIT, UNKNOWN, Due, due_of_all, expected_next_purchase_at
from features.segments import SEGMENTS, rfm_segment_codes
from features.vector import vector
from serving.channel import strengths_of_all
from serving.decision import Floats
from serving.predictions import CHURN, LIFETIME_VALUE, Models, Spend, horizon_days
from serving.score_lists import NumberLists, WordLists, Words, categories_of
from serving.score_notes import OUTPUTS_OF_MODEL, WITHIN_DAYS, Note, fallbacks, notes_of, notes_on_empty
from training.models.churn import HIGH_RISK, MEDIUM_RISK, risk_band
from training.models.lifetime_value import decayed_spend

DEFAULT_HORIZON_DAYS = 90
MOST_BUY_NOTHING = 0.5
"""The chance of churn above which the middle of the time to the next purchase lies beyond the horizon."""

RISK_BANDS = tuple(risk_band(chance) for chance in (0.0, MEDIUM_RISK, HIGH_RISK))

Column = NDArray[Any] | Words | WordLists | NumberLists | ProductLists | None
"""One value a customer: numbers (NaN or ``UNKNOWN``: nothing known), rows of numbers, words, lists; or nothing."""


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """``values`` by name of column, one a customer. ``common`` are reasons by output that hold for everybody; ``notes``
    add to them for some."""

    customer_ids: list[str]
    brand: str
    as_of: Instant
    horizon_days: float
    values: Mapping[str, Column]
    model_versions: Mapping[str, str]
    common: Mapping[str, str]
    notes: Sequence[Note]

    def __len__(self) -> int:
        return len(self.customer_ids)


def score_columns(
    profiles: Profiles,
    brand: str,
    as_of: Instant,
    models: Models,
    categories: Mapping[str, str | None],
    favourites: int,
) -> ScoreColumns:
    """Of all customers in the profiles, which must hold nothing at or after ``as_of``.

    ``categories`` is that of each product.
    """
    usable = with_consent(profiles)
    features = vector(profiles, as_of)
    horizon = horizon_days(models) or DEFAULT_HORIZON_DAYS
    churn = _of_churn(models, features, as_of, horizon)
    next_purchase = _next_purchase(usable, as_of, churn["churn_probability"], horizon)
    channels = _best_channels(profiles)
    values: dict[str, Column] = {
        **churn,
        **_of_spend(models, features, as_of),
        "expected_next_purchase_at": next_purchase,
        **_of_favourites(models, usable, as_of, categories, favourites),
        **_of_hours(models, usable, as_of),
        "best_channel": channels,
        "rfm_segment": Words(rfm_segment_codes(features), SEGMENTS),
        "replenishment": _due_lists(models, usable, as_of),
    }
    notes = notes_of(profiles, usable, models, as_of)
    notes += notes_on_empty(usable, next_purchase == UNKNOWN, channels.codes < 0)
    common = fallbacks(models, as_of)
    return ScoreColumns(profiles.customer_ids, brand, as_of, horizon, values, models.versions, common, notes)


def _of_churn(models: Models, features: Floats, as_of: Instant, horizon: float) -> dict[str, Column]:
    if models.churn is None:
        return dict.fromkeys(OUTPUTS_OF_MODEL[CHURN])
    low = high = own = own_days = None
    probability = models.churn.predict(features, as_of)
    if models.churn_interval is not None:
        low, high = models.churn_interval.around(probability)
    if models.churn.own_rhythm is not None:
        own, own_days = models.churn.own_rhythm.predict(features, as_of)
    return {
        "churn_probability": probability,
        "churn_probability_low": low,
        "churn_probability_high": high,
        "churn_risk_band": Words(np.digitize(probability, (MEDIUM_RISK, HIGH_RISK)), RISK_BANDS),
        "money_at_risk": probability * decayed_spend(features, horizon),
        "churn_probability_own_rhythm": own,
        "own_rhythm_days": own_days,
    }


def _next_purchase(profiles: Profiles, as_of: Instant, churn: Column, horizon: float) -> NDArray[np.int64]:
    """When each will buy again; nothing within a horizon in which most such customers buy nothing at all."""
    found = expected_next_purchase_at(profiles, as_of)
    if churn is None:
        return found
    end = as_of + int(horizon * MICROSECONDS_PER_DAY)
    return np.where((np.asarray(churn) > MOST_BUY_NOTHING) & (found < end), UNKNOWN, found)


def _of_spend(models: Models, features: Floats, as_of: Instant) -> dict[str, Column]:
    names = OUTPUTS_OF_MODEL[LIFETIME_VALUE]
    found: dict[str, Column] = dict.fromkeys(names)
    if models.lifetime_value is None:
        return found
    spend: Spend = models.lifetime_value.predict(features, as_of)
    found |= dict(zip(names[:4], (spend.mean, spend.median, spend.low, spend.high), strict=True))
    means = dict(models.lifetime_value.mean_within(features, as_of, spend.mean))
    own_days = models.horizon_days.get(LIFETIME_VALUE)
    if own_days is not None:
        means[int(own_days)] = spend.mean
    return found | {name: means[days] for days, name in WITHIN_DAYS.items() if days in means}


def _of_favourites(
    models: Models, profiles: Profiles, as_of: Instant, categories: Mapping[str, str | None], limit: int
) -> dict[str, Column]:
    if models.favourite_product is None:
        return dict.fromkeys(("favourite_products", "favourite_scores", "favourite_categories"))
    ranked = models.favourite_product.ranked_lists(profiles, as_of, limit)
    return {
        "favourite_products": WordLists(ranked.offsets, ranked.code, ranked.vocabulary),
        "favourite_scores": NumberLists(ranked.offsets, ranked.value),
        "favourite_categories": categories_of(ranked, categories),
    }


def due_of(models: Models, profiles: Profiles, as_of: Instant) -> list[Due]:
    """By what was bought again by whom, where a model has learned it; else by the customer's own interval."""
    return _due_lists(models, profiles, as_of).pairs()


def _due_lists(models: Models, profiles: Profiles, as_of: Instant) -> ProductLists:
    if models.favourite_product is None:
        return due_of_all(profiles, as_of)
    return models.favourite_product.due_lists(profiles, as_of, LIMIT)


def _of_hours(models: Models, profiles: Profiles, as_of: Instant) -> dict[str, Column]:
    if models.send_time is None:
        return {"send_time_scores": None, "best_send_hour": None}
    scores = models.send_time.predict(profiles, as_of)
    return {"send_time_scores": scores, "best_send_hour": scores.argmax(axis=1).astype(np.int64)}


def _best_channels(profiles: Profiles) -> Words:
    """The channel by which each was best reached, the first of those that are alike."""
    channels = profiles.channels
    heard = strengths_of_all(channels)
    customer = np.repeat(np.arange(len(profiles)), np.diff(channels.offsets))
    order = np.lexsort((np.arange(len(heard)), -heard, customer))
    best, first = np.unique(customer[order], return_index=True)
    found = np.full(len(profiles), -1, dtype=np.int64)
    found[best] = channels.code[order][first]
    return Words(found, channels.vocabulary)
