"""Churn against a customer's own rhythm: staying away for long by this customer's standard, not by the shop's.

The horizon of each customer is a multiple of the customer's own mean gap between orders (of everyone's, for who has no
gap), within a week and the horizon of the model.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.vector import FEATURES
from training.models.calibration import Platt
from training.models.season import Season
from training.models.trees import FlatTrees

Floats = NDArray[np.float64]

TREES = "own_rhythm"
GAPS = 3.0
"""Away for that many of the customer's own mean gaps is long."""
SHORTEST_DAYS = 7.0
_MEAN_GAP = FEATURES.index("mean_gap_days")


def own_horizon_days(features: Floats, usual_gap_days: float, longest_days: float) -> Floats:
    """What is long for each customer, in days.

    >>> features = np.full((3, len(FEATURES)), np.nan)
    >>> features[:2, _MEAN_GAP] = [10.0, 200.0]
    >>> own_horizon_days(features, usual_gap_days=15.0, longest_days=90.0).tolist()
    [30.0, 90.0, 45.0]
    """
    gap = features[:, _MEAN_GAP]
    return np.clip(GAPS * np.where(np.isnan(gap), usual_gap_days, gap), SHORTEST_DAYS, longest_days)


@dataclass(frozen=True, slots=True)
class OwnRhythm:
    """The chance of no purchase within the customer's own horizon; calibrated on the cutoff at ``calibrated_at``."""

    trees: FlatTrees
    calibration: Platt
    season: Season
    calibrated_at: Instant
    usual_gap_days: float
    longest_days: float

    def predict(self, features: Floats, as_of: Instant) -> tuple[Floats, Floats]:
        """(chance of no purchase, horizon in days) for each row of feature vectors of ``as_of``."""
        level = self.season.between(as_of, self.calibrated_at)
        chance = self.calibration.probability(self.trees.predict_raw(features), level)
        return chance, own_horizon_days(features, self.usual_gap_days, self.longest_days)

    def save(self, folder: Path) -> dict[str, Any]:
        """The trees into the folder; the rest is what the manifest says of it."""
        self.trees.save(folder, TREES)
        return {
            "calibration": self.calibration._asdict(),
            "season": self.season.words(),
            "calibrated_at": self.calibrated_at,
            "usual_gap_days": self.usual_gap_days,
            "longest_days": self.longest_days,
        }

    @classmethod
    def load(cls, folder: Path, words: dict[str, Any]) -> "OwnRhythm":
        return cls(
            FlatTrees.load(folder, TREES),
            Platt(**words["calibration"]),
            Season.of(words["season"]),
            words["calibrated_at"],
            words["usual_gap_days"],
            words["longest_days"],
        )
