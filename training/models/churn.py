"""The chance that a customer buys nothing within the horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.vector import FEATURES
from training.errors import NotEnoughData
from training.evaluation import Evaluation
from training.metrics import (
    area_under_curve,
    average_precision,
    expected_calibration_error,
    log_loss,
    paired_bootstrap,
)
from training.models.calibration import Blend, Platt, base_log_odds, fit_blend
from training.models.gradient_boosting import (
    Rows,
    boost_rounds,
    defaults_of,
    shares_by_name,
    stack,
    teaching_and_newest,
)
from training.models.lifetime_value import decayed_spend
from training.models.manifest import read_manifest, write_manifest
from training.models.own_rhythm import OwnRhythm
from training.models.recency_frequency import RecencyFrequency
from training.models.season import NO_SEASON, Season
from training.models.tree_shap import Contributions, contributions
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
    """Gradient-boosted trees on the feature vector, blended with a score of recency, frequency and spend.

    How much each deserves is what it told at the newest cutoff of customers that it had not met: with little history
    mostly the simple score, with much the trees. As the blend is calibrated on that cutoff, ``season`` adds by how much
    the level at the instant asked for differs.
    """

    name: ClassVar[str] = "churn"

    simple: RecencyFrequency
    trees: FlatTrees
    blend: Blend
    season: Season
    calibrated_at: Instant
    horizon_days: int
    importance: dict[str, float]
    """Share of the trees' gain by feature."""
    own_rhythm: OwnRhythm | None = None
    """Where the history tells enough of it."""

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
        from training.models.churn_training import blanked, judge
        from training.models.own_rhythm_training import fit_own_rhythm
        from training.models.season_training import season_of_odds

        for part, purpose in zip(teaching_and_newest(snapshots), ("to learn from", "to calibrate on"), strict=True):
            _check(part, purpose)
        ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
        season = season_of_odds(ordered, [churned(snapshot) for snapshot in ordered])
        base = base_log_odds(np.concatenate([churned(snapshot) for snapshot in ordered]))
        rows = [_rows(snapshot, season, base) for snapshot in ordered]
        chosen = defaults_of(sum(len(each.target) for each in rows)) | dict(parameters)
        judged = judge(ordered, rows, chosen, seed, MOST_LEAVES)
        everything = stack(rows)
        trees, gains = boost_rounds(
            "binary", blanked(everything, seed), chosen, judged.rounds, seed, most_leaves=MOST_LEAVES
        )
        return cls(
            RecencyFrequency.fit(everything.features, everything.target),
            trees,
            fit_blend(judged.simple, judged.trees, judged.outcome, base),
            season,
            ordered[-1].as_of,
            ordered[-1].horizon_days,
            shares_by_name(gains, FEATURES),
            fit_own_rhythm(snapshots, parameters, seed),
        )

    def predict(self, features: Floats, as_of: Instant) -> Floats:
        """The chance of no purchase in the horizon from ``as_of`` on, for each row of feature vectors of then."""
        level = self.season.between(as_of, self.calibrated_at)
        return self.blend.probability(self.simple.predict_raw(features), self.trees.predict_raw(features), level)

    def contributions(self, row: Floats, as_of: Instant) -> Contributions:
        """What each feature of one vector adds to the log-odds of :meth:`predict`."""
        simple = self.simple.contributions(row).times(self.blend.simple)
        trees = contributions(self.trees.text, row).times(self.blend.trees)
        level = self.season.between(as_of, self.calibrated_at)
        return simple.plus(trees).shifted(self.blend.intercept + level)

    def save(self, folder: Path) -> None:
        self.trees.save(folder, TREES)
        words = {
            "horizon_days": self.horizon_days,
            "simple": self.simple.words(),
            "blend": self.blend._asdict(),
            "season": self.season.words(),
            "calibrated_at": self.calibrated_at,
            "own_rhythm": None if self.own_rhythm is None else self.own_rhythm.save(folder),
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
        season = Season.of(words["season"]) if "season" in words else NO_SEASON  # older versions know of none
        return cls(
            simple,
            FlatTrees.load(folder, TREES),
            blend,
            season,
            words.get("calibrated_at", 0),
            words["horizon_days"],
            words["importance"],
            OwnRhythm.load(folder, words["own_rhythm"]) if words.get("own_rhythm") else None,
        )


def churned(snapshot: "Snapshot") -> Floats:
    """1 where no order followed the cutoff."""
    return np.asarray(snapshot.orders == 0, dtype=np.float64)


def _rows(snapshot: "Snapshot", season: Season, base: float) -> Rows:
    """The trees start from the base rate and the level of their cutoff, and learn what differs between customers."""
    start = np.full(len(snapshot.orders), base + season.at(snapshot.as_of))
    return Rows(snapshot.features, churned(snapshot), start)


def _check(snapshots: "Sequence[Snapshot]", purpose: str) -> None:
    gone = np.concatenate([churned(snapshot) for snapshot in snapshots])
    for what, count in (("came back", gone.size - gone.sum()), ("did not", gone.sum())):
        if count < FEWEST_OF_EACH:
            raise NotEnoughData(f"customers who {what}, {purpose}", int(count), f"at least {FEWEST_OF_EACH}")


def bands_of(actual: Floats, chance: Floats, money: Floats) -> dict[str, float]:
    """Of each risk band its share of customers, the predicted and the realised rate, and the money at risk in it."""
    found = {}
    names = np.array([risk_band(probability) for probability in chance.tolist()])
    for band in ("low", "medium", "high"):
        chosen = names == band
        found[f"{band}_risk_share"] = float(chosen.mean()) if chosen.size else float("nan")
        found[f"{band}_risk_predicted"] = float(chance[chosen].mean()) if chosen.any() else float("nan")
        found[f"{band}_risk_realised"] = float(actual[chosen].mean()) if chosen.any() else float("nan")
        found[f"{band}_risk_money"] = float((chance * money)[chosen].sum())
    return found


def evaluate(model: ChurnModel, snapshot: "Snapshot") -> Evaluation:
    """On a cutoff that the model was not trained on, beside the days since the last purchase."""
    actual, chance = churned(snapshot), model.predict(snapshot.features, snapshot.as_of)
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
            **bands_of(actual, chance, decayed_spend(snapshot.features, snapshot.horizon_days)),
        },
        {
            "days_since_last_purchase": {
                "auc": area_under_curve(actual, recency),
                "average_precision": average_precision(actual, recency),
            }
        },
    )
