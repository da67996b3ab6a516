"""How good predictions are: plain functions of arrays, each with its source where the name does not say it all.

``actual`` and ``predicted`` are of one length throughout; a metric that is not defined on them is NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Metric = Callable[[ArrayLike, ArrayLike], float]
"""``metric(actual, predicted)``."""

SMALLEST_PROBABILITY = 1e-15


def average_ranks(values: ArrayLike) -> Floats:
    """Ranks from 1; equal values share the mean of theirs.

    >>> average_ranks([10.0, 30.0, 10.0]).tolist()
    [1.5, 3.0, 1.5]
    """
    _, group, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]


def area_under_curve(actual: ArrayLike, predicted: ArrayLike) -> float:
    """The chance that a positive is ranked above a negative, ties counting half (area under the ROC curve).

    >>> area_under_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    positive = np.asarray(actual, np.float64) > 0
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(average_ranks(predicted)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Precision averaged over the steps of recall; equal predictions are one step.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    positive = np.asarray(actual, np.float64) > 0
    if not positive.any():
        return float("nan")
    order = np.argsort(-np.asarray(predicted, np.float64), kind="stable")
    ordered = np.asarray(predicted, np.float64)[order]
    last_of_step = np.append(ordered[1:] != ordered[:-1], True)
    hits = np.cumsum(positive[order])[last_of_step]
    taken = np.flatnonzero(last_of_step) + 1
    return float(np.sum(np.diff(hits, prepend=0) * hits / taken) / positive.sum())


def log_loss(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean negative log likelihood of yes-or-no outcomes, in nats; chances are kept off 0 and 1."""
    outcome = np.asarray(actual, np.float64)
    chance = np.clip(np.asarray(predicted, np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(outcome * np.log(chance) + (1 - outcome) * np.log1p(-chance)))


@dataclass(frozen=True, slots=True)
class CalibrationBand:
    """Predictions of neighbouring size: how many, their mean, and the share (or mean) that came true."""

    count: int
    predicted: float
    actual: float


def calibration_bands(actual: ArrayLike, predicted: ArrayLike, bands: int = 10) -> list[CalibrationBand]:
    """Bands of equal numbers of predictions, lowest first."""
    outcome, guess = np.asarray(actual, np.float64), np.asarray(predicted, np.float64)
    parts = np.array_split(np.argsort(guess, kind="stable"), bands)
    return [
        CalibrationBand(len(part), float(guess[part].mean()), float(outcome[part].mean()))
        for part in parts
        if len(part)
    ]


def expected_calibration_error(actual: ArrayLike, predicted: ArrayLike, bands: int = 10) -> float:
    """Mean distance of predicted from actual share over bands of equal numbers (after Naeini et al. 2015)."""
    found = calibration_bands(actual, predicted, bands)
    total = sum(band.count for band in found)
    return sum(band.count * abs(band.predicted - band.actual) for band in found) / total if total else float("nan")


def gini(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Twice the area between the diagonal and the share of ``actual`` held by those ranked highest.

    Equal predictions share their total evenly, so that the order of rows does not matter.
    """
    amount = np.asarray(actual, np.float64)
    total = float(amount.sum())
    if total == 0:
        return float("nan")
    mean_rank = float(amount @ average_ranks(predicted)) / total
    return (2 * mean_rank - len(amount) - 1) / len(amount)


def normalised_gini(actual: ArrayLike, predicted: ArrayLike) -> float:
    """The Gini of the predicted order over that of the true one: 1 is perfect, 0 is random.

    >>> normalised_gini([0.0, 1.0, 5.0], [1.0, 2.0, 3.0])
    1.0
    """
    best = gini(actual, actual)
    return gini(actual, predicted) / best if best else float("nan")


def spearman(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Correlation of average ranks.

    >>> round(spearman([1.0, 2.0, 3.0], [10.0, 30.0, 20.0]), 3)
    0.5
    """
    one, other = average_ranks(actual), average_ranks(predicted)
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else float("nan")


def squared_error(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean squared error."""
    return float(np.mean((np.asarray(actual, np.float64) - np.asarray(predicted, np.float64)) ** 2))


def absolute_error(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(np.asarray(actual, np.float64) - np.asarray(predicted, np.float64))))


def total_ratio(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Predicted total over actual total: 1 is right in sum."""
    total = float(np.sum(np.asarray(actual, np.float64)))
    return float(np.sum(np.asarray(predicted, np.float64))) / total if total else float("nan")


def pinball_loss(actual: ArrayLike, predicted: ArrayLike, level: float) -> float:
    """The loss that the quantile at ``level`` makes smallest (Koenker & Bassett 1978).

    >>> pinball_loss([10.0], [8.0], 0.9), pinball_loss([8.0], [10.0], 0.9)
    (1.8, 0.19999999999999996)
    """
    miss = np.asarray(actual, np.float64) - np.asarray(predicted, np.float64)
    return float(np.mean(np.maximum(level * miss, (level - 1) * miss)))


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of outcomes within [low, high]."""
    outcome = np.asarray(actual, np.float64)
    return float(np.mean((outcome >= np.asarray(low, np.float64)) & (outcome <= np.asarray(high, np.float64))))


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one prediction scores above another on the same rows, with the ends of an interval."""

    value: float
    low: float
    high: float


def paired_bootstrap(
    metric: Metric,
    actual: ArrayLike,
    ours: ArrayLike,
    baseline: ArrayLike,
    generator: np.random.Generator,
    *,
    resamples: int = 500,
    confidence: float = 0.95,
) -> Difference:
    """``metric(actual, ours) - metric(actual, baseline)`` with its percentile interval (Efron & Tibshirani 1993).

    Rows are drawn again together, so what both predictions find hard cancels. Draws in which the metric is not
    defined are left out.
    """
    truth, one, other = (np.asarray(values, np.float64) for values in (actual, ours, baseline))
    differences = np.empty(resamples)
    for draw in range(resamples):
        rows = generator.integers(0, len(truth), len(truth))
        differences[draw] = metric(truth[rows], one[rows]) - metric(truth[rows], other[rows])
    tail = (1 - confidence) / 2
    known = differences[np.isfinite(differences)]
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (np.nan, np.nan)
    return Difference(metric(truth, one) - metric(truth, other), float(low), float(high))
