"""What a history of spending lets expect, log-linear in a few decayed sums: where the trees of lifetime value start.

A quasi-Poisson regression of the mean on logarithms. Its slopes are learned, so that what a very large customer spent
of late is expected to shrink towards the usual as far as it does; trees alone cannot go beyond what they have seen.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.vector import FEATURES
from training.models.recency_frequency import log_linear

Floats = NDArray[np.float64]

NAMES = ("spend_decayed_30", "spend_decayed_90", "orders_decayed_90", "days_since_last_order")
RIDGE = 1.0
_COLUMNS = np.array([FEATURES.index(name) for name in NAMES])
_STEPS = 30
_TOLERANCE = 1e-8
_LARGEST_LOGARITHM = 20.0


@dataclass(frozen=True, slots=True)
class SpendLevel:
    """``means`` and ``weights`` are of the logarithms, in the order of ``NAMES``; a value that is missing says
    nothing.
    """

    means: Floats
    weights: Floats
    intercept: float

    @classmethod
    def of_mean(cls, features: Floats, amounts: Floats) -> "SpendLevel":
        """Of the logarithm of the mean amount (quasi-Poisson); the amounts must not all be 0."""
        centred, means = _centred(features)
        weights = _fit_log_mean(centred, amounts)
        return cls(means, np.asarray(weights[:-1], np.float64), float(weights[-1]))

    @classmethod
    def of_logarithm(cls, features: Floats, logarithms: Floats) -> "SpendLevel":
        """Of the mean logarithm (least squares)."""
        centred, means = _centred(features)
        ridge = np.append(np.full(len(means), RIDGE), 0.0)
        weights = np.linalg.solve(centred.T @ centred + np.diag(ridge), centred.T @ logarithms)
        return cls(means, np.asarray(weights[:-1], np.float64), float(weights[-1]))

    def logarithm(self, features: Floats) -> Floats:
        """Of the expected amount, for each row of feature vectors."""
        out = np.empty(len(features))
        log_linear(features, _COLUMNS, self.means, self.weights, self.intercept, out)
        return out

    def words(self) -> dict[str, Any]:
        """What a manifest says of it; :meth:`of` reads it back."""
        return {"means": self.means.tolist(), "weights": self.weights.tolist(), "intercept": self.intercept}

    @classmethod
    def of(cls, words: dict[str, Any]) -> "SpendLevel":
        return cls(np.array(words["means"]), np.array(words["weights"]), words["intercept"])


def _centred(features: Floats) -> tuple[Floats, Floats]:
    """The centred logarithms with a last column of 1, and the means."""
    logarithms = np.log1p(np.maximum(features[:, _COLUMNS], 0.0))
    known = np.isfinite(logarithms)
    means = np.where(known, logarithms, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, logarithms - means, 0.0)
    return np.column_stack([centred, np.ones(len(centred))]), means


def _fit_log_mean(columns: Floats, amounts: Floats) -> Floats:
    """By Newton's method with halved steps; the weight of the last column, which is 1, is free."""
    scaled = amounts / amounts.mean()
    ridge = np.append(np.full(columns.shape[1] - 1, RIDGE), 0.0)

    def score(weights: Floats) -> Floats:
        return np.clip(columns @ weights, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)

    def badness(weights: Floats) -> float:
        return float((np.exp(score(weights)) - scaled * score(weights)).sum() + ridge @ weights**2 / 2)

    weights: Floats = np.zeros(columns.shape[1])
    least = badness(weights)
    for _ in range(_STEPS):
        mean = np.exp(score(weights))
        gradient = columns.T @ (mean - scaled) + ridge * weights
        step = np.linalg.solve((columns * mean[:, None]).T @ columns + np.diag(ridge + 1e-9), gradient)
        while (reached := badness(weights - step)) > least and float(np.abs(step).max()) > _TOLERANCE:
            step = step / 2
        weights, least = weights - step, reached
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    weights[-1] += np.log(amounts.mean())
    return weights
