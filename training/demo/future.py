"""The future revealed: predictions made at the clock beside what then happened, over all households.

Every figure stands beside a baseline that needs no model, on the same households; intervals are paired bootstraps.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instant import HOURS_PER_WEEK
from features.vector import FEATURES
from training.demo.findings import Comparison, FavouriteHits, Interval, RiskBand
from training.metrics import (
    Metric,
    absolute_error,
    area_under_curve,
    normalised_gini,
    paired_bootstrap,
    spearman,
    squared_error,
)
from training.ranking_metrics import hour_log_loss, mean_difference, normalised_discounted_gain, personal_hit, recall

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
LIST_LENGTH = 10
SEED = 20171120
_RECENCY = FEATURES.index("days_since_last_order")
_SPEND = FEATURES.index("spend_decayed_90")
_DECAYED_DAYS = 90 / math.log(2)
"""What comes in at an even pace decays, with a half-life of 90 days, to that many days' worth."""
BANDS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the champions said at the clock of each household of a snapshot, and what needs no model."""

    churn: Floats
    bands: list[str]
    spend: Any
    favourites: list[list[str]]
    hours: Floats


def predict(models: dict[str, Any], snapshot: "Snapshot") -> Predictions:
    from training.models.churn import risk_band

    churn = models["churn"].predict(snapshot.features, snapshot.as_of)
    ranked = models["favourite-product"].rank(snapshot.profiles, snapshot.as_of, LIST_LENGTH)
    return Predictions(
        churn,
        [risk_band(chance) for chance in churn.tolist()],
        models["lifetime-value"].predict(snapshot.features, snapshot.as_of),
        [list(products) for products, _ in ranked],
        models["send-time"].predict(snapshot.profiles, snapshot.as_of),
    )


def compare_models(predicted: Predictions, snapshot: "Snapshot") -> list[Comparison]:
    """Each model's metrics beside its baseline's, better above 0."""
    return [
        *_churn(predicted, snapshot),
        *_spend_value(predicted, snapshot),
        *_favourites(predicted, snapshot),
        *_hours(predicted, snapshot),
    ]


def favourite_hits(predicted: Predictions, snapshot: "Snapshot") -> FavouriteHits:
    """Households that bought anything in the window."""
    from training.models.favourite_product_evaluation import everyones, personal_frequency

    own, popular = personal_frequency(snapshot), everyones(snapshot)
    lists = (predicted.favourites, own, [popular] * len(own))
    shares = [_per_household(personal_hit, ranked, snapshot.next_basket) for ranked in lists]
    buyers = int(np.isfinite(shares[0]).sum())
    return FavouriteHits(buyers, *(float(np.nanmean(share)) for share in shares))


def risk_bands(churn: Floats, bands: Sequence[str], recency: Floats, churned: Floats) -> list[RiskBand]:
    """Predicted and realised churn by band; beside it groups of the same sizes by days since the last purchase."""
    named = np.array(bands)
    order = np.argsort(np.nan_to_num(recency, nan=np.inf), kind="stable")
    found, start = [], 0
    for name in BANDS:
        members = np.flatnonzero(named == name)
        if not members.size:
            continue
        alike = order[start : start + members.size]
        start += members.size
        came_true, by_recency = float(churned[members].mean()), float(churned[alike].mean())
        found.append(RiskBand(name, int(members.size), float(churn[members].mean()), came_true, by_recency))
    return found


def bands_of(predicted: Predictions, snapshot: "Snapshot") -> list[RiskBand]:
    churned = (snapshot.orders == 0).astype(np.float64)
    return risk_bands(predicted.churn, predicted.bands, snapshot.features[:, _RECENCY], churned)


def _churn(predicted: Predictions, snapshot: "Snapshot") -> list[Comparison]:
    churned = (snapshot.orders == 0).astype(np.float64)
    recency = np.nan_to_num(snapshot.features[:, _RECENCY], nan=1e9)
    named = ("churn", "AUC", "days since last purchase")
    return [_compared(named, area_under_curve, churned, predicted.churn, recency)]


def _spend_value(predicted: Predictions, snapshot: "Snapshot") -> list[Comparison]:
    scaled = np.nan_to_num(snapshot.features[:, _SPEND]) * (snapshot.horizon_days / _DECAYED_DAYS)
    baseline, model, spend = "90-day decayed spend, scaled", "lifetime-value", predicted.spend
    return [
        _compared((model, "normalised Gini", baseline), normalised_gini, snapshot.spend, spend.mean, scaled),
        _compared((model, "Spearman", baseline), spearman, snapshot.spend, spend.mean, scaled),
        _compared(
            (model, "root mean squared error of the mean, $", baseline),
            _root_mean_squared_error, snapshot.spend, spend.mean, scaled, lower_is_better=True,
        ),
        _compared(
            (model, "mean absolute error of the median, $", baseline),
            absolute_error, snapshot.spend, spend.median, scaled, lower_is_better=True,
        ),
    ]  # fmt: skip


def _favourites(predicted: Predictions, snapshot: "Snapshot") -> list[Comparison]:
    from training.models.favourite_product_evaluation import personal_frequency

    own = personal_frequency(snapshot)
    metrics = (("recall@10", recall), ("NDCG@10", normalised_discounted_gain))
    return [
        _averaged(
            ("favourite-product", name, "own frequency with recency"),
            _per_household(metric, predicted.favourites, snapshot.next_basket),
            _per_household(metric, own, snapshot.next_basket),
        )
        for name, metric in metrics
    ]


def _hours(predicted: Predictions, snapshot: "Snapshot") -> list[Comparison]:
    offsets, hours = snapshot.purchase_hours
    everyone = np.tile(_hours_of_everyone(snapshot), (len(predicted.hours), 1))
    ours, theirs = (hour_log_loss(chances, offsets, hours) for chances in (predicted.hours, everyone))
    named = ("send-time", "log loss of purchase hours", "everyone's hours")
    return [_averaged(named, ours, theirs, lower_is_better=True)]


def _hours_of_everyone(snapshot: "Snapshot") -> Floats:
    """The share of all orders before the clock in each local hour of the week, one order added to each."""
    counts = np.bincount(snapshot.profiles.orders.hour, minlength=HOURS_PER_WEEK) + 1.0
    shares: Floats = counts / counts.sum()
    return shares


def _compared(
    named: tuple[str, str, str],
    metric: Metric,
    actual: Floats,
    ours: Floats,
    theirs: Floats,
    *,
    lower_is_better: bool = False,
) -> Comparison:
    found = paired_bootstrap(metric, actual, ours, theirs, np.random.default_rng(SEED))
    advantage = _advantage(found.value, found.low, found.high, lower_is_better)
    model, name, baseline = named
    return Comparison(model, name, baseline, metric(actual, ours), metric(actual, theirs), advantage, len(actual))


def _averaged(
    named: tuple[str, str, str], ours: Floats, theirs: Floats, *, lower_is_better: bool = False
) -> Comparison:
    found = mean_difference(ours, theirs, np.random.default_rng(SEED))
    both = np.isfinite(ours) & np.isfinite(theirs)
    advantage = _advantage(found.value, found.low, found.high, lower_is_better)
    model, name, baseline = named
    means = float(ours[both].mean()), float(theirs[both].mean())
    return Comparison(model, name, baseline, *means, advantage, int(both.sum()))


def _advantage(value: float, low: float, high: float, lower_is_better: bool) -> Interval:
    return Interval(-value, -high, -low) if lower_is_better else Interval(value, low, high)


def _per_household(
    metric: Callable[[Sequence[str], Sequence[str], int], float],
    lists: Sequence[Sequence[str]],
    baskets: Sequence[Sequence[str]],
) -> Floats:
    return np.array([metric(ranked, basket, LIST_LENGTH) for ranked, basket in zip(lists, baskets, strict=True)])


def _root_mean_squared_error(actual: Any, predicted: Any) -> float:
    return math.sqrt(squared_error(actual, predicted))
