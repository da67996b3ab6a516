"""What a customer will spend in the horizon: its mean, and the distribution around it.

Spending is zero-inflated and heavy-tailed. The mean is a Tweedie regression (Jørgensen 1987) by trees that start from
a log-linear one on decayed sums. The distribution is a hurdle: a chance of any purchase, and given one a
log-normal-like spend with a location and a spread of its own for each customer, whose shape is read off the residuals
of the newest cutoff.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import Instant
from features.vector import FEATURES
from training.errors import NotEnoughData, TrainingError
from training.evaluation import Evaluation
from training.models.calibration import Platt
from training.models.lifetime_horizons import OtherHorizon
from training.models.manifest import read_manifest, write_manifest
from training.models.season import NO_SEASON, Season
from training.models.spend_level import SpendLevel
from training.models.tree_shap import Contributions, contributions
from training.models.trees import FlatTrees
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]

ARRAYS_FILE = "lifetime_value.npz"
FEWEST_SPENDERS = 30
LOW, MEDIAN, HIGH = 0.1, 0.5, 0.9
LEAST_SPEND = 0.01
"""Currency units; what was given away for nothing counts as this in logarithms."""
DECAY_DAYS = 90
DEVIATIONS_OF_95_PERCENT = 1.96
_SPEND = FEATURES.index(f"spend_decayed_{DECAY_DAYS}")

SEARCH_SPACE = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(4, 64, is_log=True),
    "min_data_in_leaf": Range(20, 400, is_log=True),
    "feature_fraction": Range(0.3, 1.0),
    "lambda_l2": Range(0.1, 50.0, is_log=True),
}


class LifetimeValue(NamedTuple):
    """By customer, in currency units over the horizon; ``low`` and ``high`` are the 10 % and 90 % quantiles."""

    mean: Floats
    median: Floats
    low: Floats
    high: Floats
    chance_of_any: Floats


class Parts(NamedTuple):
    """The four forests: the mean, the chance of any purchase, and location and log spread of the log spend."""

    mean: FlatTrees
    any: FlatTrees
    location: FlatTrees
    spread: FlatTrees


class Levels(NamedTuple):
    """Where the trees of the mean, and those of the logarithm of what is spent, start."""

    mean: SpendLevel
    location: SpendLevel


class Seasons(NamedTuple):
    """Curves of the logarithm of the mean, the log odds of any purchase, and the logarithm of what is then spent."""

    mean: Season = NO_SEASON
    any: Season = NO_SEASON
    location: Season = NO_SEASON


class Shape(NamedTuple):
    """Quantiles of the standardised residuals at ``levels``."""

    levels: Floats
    quantiles: Floats


@dataclass(frozen=True, slots=True)
class LifetimeValueModel:
    """``scale`` brings the predicted total to the actual one of the newest cutoff, which was at ``calibrated_at``, and
    on to what is expected to drift in a horizon; ``calibration`` does the former with the chance of any purchase. The
    seasons add by how much the levels asked for differ.
    """

    name: ClassVar[str] = "lifetime-value"

    levels: Levels
    parts: Parts
    calibration: Platt
    shape: Shape
    scale: float
    seasons: Seasons
    calibrated_at: Instant
    horizon_days: int
    importance: dict[str, float]
    others: tuple[OtherHorizon, ...]
    """By growing horizon."""
    total_deviation: float
    """Standard deviation of the logarithm of the actual over the predicted total, a horizon after ``calibrated_at``."""

    @classmethod
    def fit(
        cls, snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int
    ) -> "LifetimeValueModel":
        """
        Raises
        ------
        NotEnoughData
            If fewer than thirty customers spent anything after the cutoffs.
        """
        from training.models.lifetime_value_training import fit

        spenders = sum(int((snapshot.spend > 0).sum()) for snapshot in snapshots)
        if spenders < FEWEST_SPENDERS:
            raise NotEnoughData("customers who spent in a horizon", spenders, f"at least {FEWEST_SPENDERS}")
        return fit(snapshots, parameters, seed)

    def mean(self, features: Floats, as_of: Instant) -> Floats:
        """The mean of :meth:`predict` alone, for who cannot wait for the quantiles."""
        level = self.seasons.mean.between(as_of, self.calibrated_at)
        logarithm = self.levels.mean.logarithm(features) + (self.parts.mean.predict_raw(features) + level)
        return self.scale * np.exp(logarithm)

    def contributions(self, row: Floats, as_of: Instant) -> Contributions:
        """What each feature of one vector adds to the logarithm of :meth:`mean`."""
        level = self.seasons.mean.between(as_of, self.calibrated_at)
        trees = contributions(self.parts.mean.text, row)
        return self.levels.mean.contributions(row).plus(trees).shifted(level + float(np.log(self.scale)))

    def total_interval(self, total: float) -> tuple[float, float]:
        """Where the actual total lies with 95 % confidence, given what :meth:`mean` sums up to over all customers."""
        factor = float(np.exp(DEVIATIONS_OF_95_PERCENT * self.total_deviation))
        return total / factor, total * factor

    @property
    def other_horizons_days(self) -> tuple[int, ...]:
        return tuple(other.days for other in self.others)

    def mean_within(self, features: Floats, as_of: Instant, mean: Floats) -> dict[int, Floats]:
        """The mean over each other horizon that the history could support, by days; ``mean`` is that over its own.

        A longer horizon never holds less than a shorter one.
        """
        found: dict[int, Floats] = {}
        for bound, others in (
            (np.maximum, [other for other in self.others if other.days > self.horizon_days]),
            (np.minimum, [other for other in reversed(self.others) if other.days < self.horizon_days]),
        ):
            beside = mean
            for other in others:
                beside = found[other.days] = bound(other.mean(features, as_of), beside)
        return found

    def predict(self, features: Floats, as_of: Instant) -> LifetimeValue:
        """Over the horizon from ``as_of`` on, for each row of feature vectors of then."""
        any_level = self.seasons.any.between(as_of, self.calibrated_at)
        level = self.seasons.location.at(as_of)
        chance = self.calibration.probability(self.parts.any.predict_raw(features), any_level)
        location = self.levels.location.logarithm(features) + (self.parts.location.predict_raw(features) + level)
        spread = np.exp(self.parts.spread.predict_raw(features))

        def quantile(level: float) -> Floats:
            above = (level - (1 - chance)) / np.maximum(chance, 1e-9)
            residual = np.interp(above, self.shape.levels, self.shape.quantiles)
            return np.where(above <= 0, 0.0, np.exp(location + spread * residual))

        return LifetimeValue(self.mean(features, as_of), quantile(MEDIAN), quantile(LOW), quantile(HIGH), chance)

    def save(self, folder: Path) -> None:
        for part, trees in self.parts._asdict().items():
            trees.save(folder, part)
        np.savez(folder / ARRAYS_FILE, allow_pickle=False, **self.shape._asdict())
        words = {
            "horizon_days": self.horizon_days,
            "levels": {name: level.words() for name, level in self.levels._asdict().items()},
            "scale": self.scale,
            "calibration": self.calibration._asdict(),
            "seasons": {name: season.words() for name, season in self.seasons._asdict().items()},
            "calibrated_at": self.calibrated_at,
            "total_deviation": self.total_deviation,
            "others": {str(other.days): other.save(folder) for other in self.others},
            "importance": self.importance,
        }
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "LifetimeValueModel":
        words = read_manifest(folder, cls.name)
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            shape = Shape(arrays["levels"], arrays["quantiles"])
        parts = Parts(*(FlatTrees.load(folder, part) for part in Parts._fields))
        known = words.get("seasons", {})  # older versions know of none
        if "levels" not in words:
            raise TrainingError(f"{folder}: levels: got none, expected a model trained by this version: train it again")
        return cls(
            Levels(**{name: SpendLevel.of(level) for name, level in words["levels"].items()}),
            parts,
            Platt(**words["calibration"]),
            shape,
            words["scale"],
            Seasons(**{name: Season.of(season) for name, season in known.items()}),
            words.get("calibrated_at", 0),
            words["horizon_days"],
            words["importance"],
            tuple(OtherHorizon.load(folder, int(days), said) for days, said in words["others"].items()),
            words["total_deviation"],
        )


def decayed_spend(features: Floats, horizon_days: float) -> Floats:
    """The steady spend that the decayed one stands for, over the horizon: a half-life H gathers H / ln 2 days of it."""
    return _steady(features, np.log(2) / DECAY_DAYS * horizon_days)


@compiled
def _steady(features: Floats, scale: float) -> Floats:
    spend = np.empty(len(features))
    for row in range(len(features)):
        known = features[row, _SPEND]
        spend[row] = 0.0 if np.isnan(known) else known * scale
    return spend


def evaluate(model: LifetimeValueModel, snapshot: "Snapshot") -> Evaluation:
    """On a cutoff that the model was not trained on, beside the decayed spend scaled to the horizon."""
    from training.models.lifetime_value_evaluation import evaluate_spend

    predicted = model.predict(snapshot.features, snapshot.as_of)
    baseline = decayed_spend(snapshot.features, snapshot.horizon_days)
    return evaluate_spend(predicted, baseline, snapshot.spend, model.total_interval(float(predicted.mean.sum())))
