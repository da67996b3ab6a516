"""The chance that a customer buys nothing within the horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.errors import NotEnoughData
from training.evaluation import Evaluation
from training.metrics import (
    area_under_curve,
    average_precision,
    expected_calibration_error,
    log_loss,
    paired_bootstrap,
)
from training.models.calibration import Blend, Platt, fit_blend
from training.models.gradient_boosting import (
    Rows,
    boost,
    boost_rounds,
    shares_by_name,
    stack,
    teaching_and_newest,
    with_blanked,
)
from training.models.manifest import read_manifest, write_manifest
from training.models.recency_frequency import RecencyFrequency
from training.models.trees import FlatTrees
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]

TREES = "churn"
HIGH_RISK, MEDIUM_RISK = 0.6, 0.3
FEWEST_OF_EACH = 5
"""Customers who came back, and who did not: of those to learn from, and again of those to calibrate on."""
MOST_LEAVES = 10
"""A leaf holds at least one row in so many: few rows make few and broad leaves."""
BOOTSTRAP_SEED = 0
NEVER_DAYS = 1e6
"""Days since the last purchase of who never bought."""
_RECENCY = FEATURES.index("days_since_last_order")

SEARCH_SPACE = {
    "learning_rate": Range(0.01, 0.2, is_log=True),
    "num_leaves": Range(4, 64, is_log=True),
    "min_data_in_leaf": Range(20, 400, is_log=True),
    "feature_fraction": Range(0.3, 1.0),
    "lambda_l2": Range(0.1, 50.0, is_log=True),
}


def risk_band(probability: float) -> str:
    """``high``, ``medium`` or ``low``."""
    if probability >= HIGH_RISK:
        return "high"
    return "medium" if probability >= MEDIUM_RISK else "low"


@dataclass(frozen=True, slots=True)
class ChurnModel:
    """Gradient-boosted trees on the feature vector, blended with a score of recency and frequency.

    The newest cutoff says how much each deserves: with little history mostly the simple score, with much the trees.
    """

    name: ClassVar[str] = "churn"

    simple: RecencyFrequency
    trees: FlatTrees
    blend: Blend
    horizon_days: int
    importance: dict[str, float]
    """Share of the trees' gain by feature."""

    @classmethod
    def fit(cls, snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> "ChurnModel":
        """
        Raises
        ------
        NotEnoughData
            If fewer than five customers came back, or fewer than five did not, in what teaches or in what calibrates.
        """
        if not snapshots:
            raise NotEnoughData("cutoffs", "none", "at least one with a whole horizon after it")
        teaching, newest = teaching_and_newest(snapshots)
        _check(teaching, "to learn from")
        _check(newest, "to calibrate on")
        earlier, latest = _rows(teaching), _rows(newest)
        purposes = (PURCHASES, BROWSING, MESSAGES)
        taught = with_blanked(earlier, purposes, FEATURES, seed)
        early, rounds = boost("binary", taught, latest, parameters, seed, most_leaves=MOST_LEAVES)
        simple = RecencyFrequency.fit(earlier.features, earlier.target)
        scores = (simple.predict_raw(latest.features), early.predict_raw(latest.features))
        everything = _rows(snapshots)
        trees, gains = boost_rounds(
            "binary",
            with_blanked(everything, purposes, FEATURES, seed),
            parameters,
            rounds,
            seed,
            most_leaves=MOST_LEAVES,
        )
        return cls(
            RecencyFrequency.fit(everything.features, everything.target),
            trees,
            fit_blend(*scores, latest.target),
            newest[-1].horizon_days,
            shares_by_name(gains, FEATURES),
        )

    def predict(self, features: Floats) -> Floats:
        """The chance of no purchase in the horizon, for each row of feature vectors."""
        return self.blend.probability(self.simple.predict_raw(features), self.trees.predict_raw(features))

    def save(self, folder: Path) -> None:
        self.trees.save(folder, TREES)
        words = {
            "horizon_days": self.horizon_days,
            "simple": self.simple.words(),
            "blend": self.blend._asdict(),
            "importance": self.importance,
        }
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "ChurnModel":
        words = read_manifest(folder, cls.name)
        if "calibration" in words:  # a version of before the blend
            simple, blend = RecencyFrequency.silent(), Blend(0.0, *Platt(**words["calibration"]))
        else:
            simple, blend = RecencyFrequency.of(words["simple"]), Blend(**words["blend"])
        return cls(simple, FlatTrees.load(folder, TREES), blend, words["horizon_days"], words["importance"])


def churned(snapshot: "Snapshot") -> Floats:
    """1 where no order followed the cutoff."""
    return np.asarray(snapshot.orders == 0, dtype=np.float64)


def _rows(snapshots: "Sequence[Snapshot]") -> Rows:
    return stack([Rows(snapshot.features, churned(snapshot)) for snapshot in snapshots])


def _check(snapshots: "Sequence[Snapshot]", purpose: str) -> None:
    gone = np.concatenate([churned(snapshot) for snapshot in snapshots])
    for what, count in (("came back", gone.size - gone.sum()), ("did not", gone.sum())):
        if count < FEWEST_OF_EACH:
            raise NotEnoughData(f"customers who {what}, {purpose}", int(count), f"at least {FEWEST_OF_EACH}")


def evaluate(model: ChurnModel, snapshot: "Snapshot") -> Evaluation:
    """On a cutoff that the model was not trained on, beside the days since the last purchase."""
    actual, chance = churned(snapshot), model.predict(snapshot.features)
    recency = np.nan_to_num(snapshot.features[:, _RECENCY], nan=NEVER_DAYS)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    difference = paired_bootstrap(area_under_curve, actual, chance, recency, generator)
    return Evaluation(
        {
            "auc": area_under_curve(actual, chance),
            "average_precision": average_precision(actual, chance),
            "log_loss": log_loss(actual, chance),
            "expected_calibration_error": expected_calibration_error(actual, chance),
            "share_churned": float(actual.mean()),
            "mean_probability": float(chance.mean()),
            "auc_difference": difference.value,
            "auc_difference_low": difference.low,
            "auc_difference_high": difference.high,
        },
        {
            "days_since_last_purchase": {
                "auc": area_under_curve(actual, recency),
                "average_precision": average_precision(actual, recency),
            }
        },
    )
