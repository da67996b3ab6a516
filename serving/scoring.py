"""The rows of ``score``: what the champions and the profile say of each customer as of an instant.

The ``/score`` call comes here; the ``score`` verb writes the same columns without making rows of them. A model that is
not there leaves its columns empty and is named in ``fallbacks``, as is what was told without a customer's purchases.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isnan
from typing import Any

import numpy as np

from features.instant import Instant
from features.product_lists import ProductLists
from features.profiles import Profiles
from features.replenishment import UNKNOWN
from serving.predictions import Models
from serving.score_columns import Column, ScoreColumns, score_columns
from serving.score_notes import by_row

DEFAULT_FAVOURITES = 10


@dataclass(frozen=True, slots=True)
class Score:
    """One customer's row, in the order of the columns; times are instants, amounts in the brand's currency."""

    customer_id: str
    brand: str
    as_of: Instant
    horizon_days: float
    churn_probability: float | None
    churn_probability_low: float | None
    churn_probability_high: float | None
    churn_risk_band: str | None
    money_at_risk: float | None
    churn_probability_own_rhythm: float | None
    own_rhythm_days: float | None
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
    return rows_of(score_columns(profiles, brand, as_of, models, categories, favourites))


def rows_of(found: ScoreColumns) -> Iterator[Score]:
    named = {name: _cells(values, len(found)) for name, values in found.values.items()}
    told = by_row(found.common, found.notes, len(found))
    for row, customer_id in enumerate(found.customer_ids):
        yield Score(
            customer_id=customer_id,
            brand=found.brand,
            as_of=found.as_of,
            horizon_days=found.horizon_days,
            model_versions=found.model_versions,
            fallbacks=told[row],
            **{name: cells[row] for name, cells in named.items()},
        )


def _cells(values: Column, count: int) -> Sequence[Any]:
    """One value a customer, ``None`` where nothing is known."""
    if values is None:
        return [None] * count
    if isinstance(values, ProductLists):
        return values.pairs()
    if not isinstance(values, np.ndarray):
        return values.values()
    if values.ndim > 1:
        return list(values.tolist())
    if values.dtype.kind == "f":
        return [None if isnan(value) else value for value in values.tolist()]
    return [None if value == UNKNOWN else value for value in values.tolist()]
