"""How recently and how often a customer bought, and for how much, as one score: what a history supports that is too
short for trees.

A ridge regression of the log-odds on logarithms. A value that is missing says nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.vector import FEATURES
from training.models.logistic import fit_logistic
from training.models.tree_shap import Contributions

Floats = NDArray[np.float64]

NAMES = ("days_since_last_order", "orders", "orders_decayed_30", "orders_decayed_90", "spend")
RIDGE = 1.0
_SILENCED = 1e9
"""So strong a ridge that a weight is 0."""
_COLUMNS = np.array([FEATURES.index(name) for name in NAMES])


@dataclass(frozen=True, slots=True)
class RecencyFrequency:
    """``means`` and ``weights`` are of the logarithms, in the order of ``NAMES``; older ones have the first four."""

    means: Floats
    weights: Floats
    intercept: float

    @classmethod
    def fit(cls, features: Floats, outcome: Floats) -> "RecencyFrequency":
        """The outcomes must be of both kinds."""
        logarithms = np.log1p(np.maximum(features[:, _COLUMNS], 0.0))
        known = np.isfinite(logarithms)
        count = np.maximum(known.sum(axis=0), 1)
        means = np.where(known, logarithms, 0.0).sum(axis=0) / count
        centred = np.where(known, logarithms - means, 0.0)
        deviations = np.sqrt((centred**2).sum(axis=0) / count)
        scale = np.where(deviations > 0, deviations, 1.0)
        columns = np.column_stack([centred / scale, np.ones(len(centred))])
        start = np.zeros(len(NAMES) + 1)
        start[-1] = np.log(outcome.mean() / (1 - outcome.mean()))
        ridge = np.array([RIDGE] * len(NAMES) + [0.0])
        fitted = fit_logistic(columns, outcome, start, ridge)
        if fitted[0] < 0:  # by chance: beyond what was seen it would call those safe who stayed away for years
            fitted = fit_logistic(columns, outcome, start, np.where(np.arange(len(ridge)) == 0, _SILENCED, ridge))
        return cls(means, fitted[:-1] / scale, float(fitted[-1]))

    @classmethod
    def silent(cls) -> "RecencyFrequency":
        """Even odds for everyone."""
        return cls(np.zeros(len(NAMES)), np.zeros(len(NAMES)), 0.0)

    def predict_raw(self, features: Floats) -> Floats:
        """The log-odds of each row of feature vectors."""
        out = np.empty(len(features))
        _score(features, _COLUMNS[: len(self.weights)], self.means, self.weights, self.intercept, out)
        return out

    def contributions(self, row: Floats) -> Contributions:
        """To the log-odds of one feature vector, over those of somebody of whom nothing is known."""
        columns = _COLUMNS[: len(self.weights)]
        parts = self.weights * (np.log1p(np.maximum(row[columns], 0.0)) - self.means)
        of_features = np.zeros(len(row))
        np.add.at(of_features, columns, np.nan_to_num(parts))
        return Contributions(self.intercept, of_features)

    def words(self) -> dict[str, Any]:
        """What a manifest says of it; :meth:`of` reads it back."""
        return {"means": self.means.tolist(), "weights": self.weights.tolist(), "intercept": self.intercept}

    @classmethod
    def of(cls, words: dict[str, Any]) -> "RecencyFrequency":
        return cls(np.array(words["means"]), np.array(words["weights"]), words["intercept"])


@compiled
def _score(
    features: Floats, columns: NDArray[np.int64], means: Floats, weights: Floats, intercept: float, out: Floats
) -> None:
    for row in range(len(out)):
        score = intercept
        for position in range(len(columns)):
            value = features[row, columns[position]]
            if not np.isnan(value):
                score += weights[position] * (np.log1p(max(value, 0.0)) - means[position])
        out[row] = score
