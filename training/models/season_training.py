"""The season curve, learned from how far a simple model that knows no calendar strayed at each past cutoff.

These strayings are a short series. It is explained by a Gaussian process (Rasmussen & Williams 2006, 4.2.3 and 5.4): a
part that comes back every year and a part that is remembered for some months, each as large as the series supports.
Where no year of history exists, the yearly part has nothing to say and the level falls back to the mean.
"""

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from features.instant import MICROSECONDS_PER_DAY, Instant
from training.models.logistic import sigmoid
from training.models.recency_frequency import RecencyFrequency
from training.models.season import NO_SEASON, YEAR_DAYS, Floats, Season
from training.models.spend_level import SpendLevel

if TYPE_CHECKING:
    from features.history import Snapshot

AHEAD_DAYS = 730
"""The table ends so long after the newest cutoff; then its last year is repeated."""
SIZES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Standard deviations of the level that are considered, in logarithms or log odds."""
YEARLY_SHARES = (0.0, 0.5, 0.8, 0.95)
"""Of the variance, how much comes back every year."""
SMOOTHNESS = 0.6
"""Of the yearly part: cutoffs six weeks apart correlate 0.5, a quarter apart 0.06."""
MEMORIES_DAYS = (45.0, 150.0)
LEAST_NOISE = 0.02
"""Standard deviation of a cutoff's level besides what its number of customers explains."""
LEAST_SPEND = 0.01
"""Currency units."""
_LEVEL_STEPS = 30


def season_of_odds(snapshots: "Sequence[Snapshot]", outcomes: Sequence[Floats]) -> Season:
    """Of the log odds of a yes-or-no outcome, one array of 0 and 1 a snapshot."""
    everything = np.concatenate(outcomes)
    if not 0 < everything.mean() < 1:
        return NO_SEASON
    simple = RecencyFrequency.fit(np.concatenate([snapshot.features for snapshot in snapshots]), everything)
    scores = [simple.predict_raw(snapshot.features) for snapshot in snapshots]
    strayed = [_shift(score, float(outcome.mean())) for score, outcome in zip(scores, outcomes, strict=True)]
    noise = [_noise_of_shift(score + shift) for score, shift in zip(scores, strayed, strict=True)]
    return learn_season([snapshot.as_of for snapshot in snapshots], np.array(strayed), np.array(noise))


def _shift(score: Floats, share: float) -> float:
    """What must be added to the log odds for their mean chance to be the share that came true."""
    wanted = min(max(share, 0.5 / score.size), 1 - 0.5 / score.size)
    low, high = -20.0, 20.0
    for _ in range(_LEVEL_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(score + middle).mean() < wanted else (low, middle)
    return (low + high) / 2


def _noise_of_shift(score: Floats) -> float:
    chance = sigmoid(score)
    return float(1 / np.sqrt(np.maximum((chance * (1 - chance)).sum(), 0.25)))


def season_of_amounts(snapshots: "Sequence[Snapshot]", amounts: Sequence[Floats], level: SpendLevel) -> Season:
    """Of the logarithm of amounts that are not negative, one array a snapshot, around what the level lets expect."""
    return learn_season([snapshot.as_of for snapshot in snapshots], *strayed_totals(snapshots, amounts, level))


def strayed_totals(
    snapshots: "Sequence[Snapshot]", amounts: Sequence[Floats], level: SpendLevel
) -> tuple[Floats, Floats]:
    """Of each snapshot the logarithm of the actual total over what the level lets expect, and its standard error."""
    strayed, noise = [], []
    for snapshot, amount in zip(snapshots, amounts, strict=True):
        mean = np.exp(level.logarithm(snapshot.features))
        total = max(float(amount.sum()), LEAST_SPEND)
        strayed.append(np.log(total / mean.sum()))
        noise.append(np.sqrt(((amount - mean * total / mean.sum()) ** 2).sum()) / total)
    return np.array(strayed), np.array(noise)


def season_of_logarithms(snapshots: "Sequence[Snapshot]", amounts: Sequence[Floats], level: SpendLevel) -> Season:
    """Of the mean logarithm of the amounts above zero, one array a snapshot, around what the level lets expect."""
    spent = [amount > 0 for amount in amounts]
    over = [
        np.log(np.maximum(amount[chosen], LEAST_SPEND)) - level.logarithm(snapshot.features[chosen])
        for snapshot, amount, chosen in zip(snapshots, amounts, spent, strict=True)
    ]
    known = [k for k, each in enumerate(over) if len(each) > 1]
    everyone = np.concatenate(over).mean() if known else 0.0
    strayed = np.array([over[k].mean() - everyone for k in known])
    noise = np.array([max(float(over[k].std()), LEAST_NOISE) / len(over[k]) ** 0.5 for k in known])
    return learn_season([snapshots[k].as_of for k in known], strayed, noise)


def learn_season(cutoffs: Sequence[Instant], strayed: Floats, noise: Floats) -> Season:
    """The curve behind ``strayed``, what each cutoff was off by, known to within ``noise`` (standard deviations)."""
    if len(cutoffs) < 2:
        return NO_SEASON
    first = int(min(cutoffs) // MICROSECONDS_PER_DAY)
    last = int(max(cutoffs) // MICROSECONDS_PER_DAY)
    curve, _ = curve_at(np.arange(first, last + AHEAD_DAYS + 1, dtype=np.float64), cutoffs, strayed, noise)
    return Season(first, np.round(curve, 6).astype(np.float64))  # short in the manifest, and the same when read back


def curve_at(asked_days: Floats, cutoffs: Sequence[Instant], strayed: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """The posterior mean of the curve at days since 1970, and its standard deviation."""
    days = np.array(cutoffs, dtype=np.float64) / MICROSECONDS_PER_DAY
    variance = noise**2 + LEAST_NOISE**2
    means, variances, evidence = [], [], []
    for size, share, memory in product(SIZES, YEARLY_SHARES, MEMORIES_DAYS):
        between = _covariance(days[:, None] - days, size, share, memory)
        factor = np.linalg.cholesky(between + np.diag(variance))
        weights = np.linalg.solve(factor.T, np.linalg.solve(factor, strayed))
        evidence.append(-0.5 * strayed @ weights - np.log(np.diag(factor)).sum())
        across = _covariance(asked_days[:, None] - days, size, share, memory)
        means.append(across @ weights)
        variances.append(size**2 - (np.linalg.solve(factor, across.T) ** 2).sum(axis=0))
    belief = np.exp(np.array(evidence) - max(evidence))
    belief /= belief.sum()
    mean = belief @ np.array(means)
    around = belief @ (np.array(variances) + (np.array(means) - mean) ** 2)
    return mean, np.sqrt(np.maximum(around, 0.0))


def _covariance(apart_days: Floats, size: float, yearly: float, memory_days: float) -> Floats:
    season = np.exp(-2.0 * (np.sin(np.pi * apart_days / YEAR_DAYS) / SMOOTHNESS) ** 2)
    recent = np.exp(-np.abs(apart_days) / memory_days)
    covariance: Floats = size**2 * (yearly * season + (1.0 - yearly) * recent)
    return covariance
