"""The mean spend over other horizons than a model's own: a forest, a level and a season each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from training.models.season import Season
from training.models.spend_level import SpendLevel
from training.models.trees import FlatTrees

Floats = NDArray[np.float64]
LIFETIMES_DAYS = (30, 90, 365)
"""Horizons over which the spend is told besides a model's own."""


@dataclass(frozen=True, slots=True)
class OtherHorizon:
    """``scale`` brings the predicted total to the actual one of the cutoff at ``calibrated_at``."""

    days: int
    level: SpendLevel
    trees: FlatTrees
    scale: float
    season: Season
    calibrated_at: Instant

    def mean(self, features: Floats, as_of: Instant) -> Floats:
        """For each row of feature vectors, in currency units."""
        season = self.season.between(as_of, self.calibrated_at)
        logarithm = self.level.logarithm(features) + (self.trees.predict_raw(features) + season)
        return self.scale * np.exp(logarithm)

    def save(self, folder: Path) -> dict[str, Any]:
        """The trees into the folder; the rest is what the manifest says of it."""
        self.trees.save(folder, _part(self.days))
        return {
            "level": self.level.words(),
            "scale": self.scale,
            "season": self.season.words(),
            "calibrated_at": self.calibrated_at,
        }

    @classmethod
    def load(cls, folder: Path, days: int, words: Mapping[str, Any]) -> "OtherHorizon":
        trees = FlatTrees.load(folder, _part(days))
        level, season = SpendLevel.of(words["level"]), Season.of(words["season"])
        return cls(days, level, trees, words["scale"], season, words["calibrated_at"])


def _part(days: int) -> str:
    return f"mean_{days}"


def needed_days(horizon_days: int) -> int:
    """How long a history must be to learn a horizon: once to look, once to be proved, and some time before.

    >>> needed_days(30), needed_days(365)
    (90, 820)
    """
    return 2 * horizon_days + min(horizon_days, 90)
