"""What a history of spending lets expect, log-linear in a few decayed sums: where the trees of lifetime value start.

A quasi-Poisson regression of the mean on logarithms. Its slopes are learned, so that what a very large customer spent
of late is expected to shrink towards the usual as far as it does; trees alone cannot go beyond what they have seen.

Of the mean, the count of orders and the customer's age tell beside the decayed sums, as in buy-till-you-die models
(Fader, Hardie & Lee 2005): by them a cohort fades on, where the sums of late alone would have it stay as it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.vector import FEATURES
from training.errors import TrainingError
from training.models.tree_shap import Contributions

Floats = NDArray[np.float64]

DECAYED = (("spend_decayed_30", 30.0), ("spend_decayed_90", 90.0), ("orders_decayed_90", 90.0))
"""Features and their half-lives in days."""
SHORTEST_TENURE_DAYS = 30.0
AGE_DAYS, SILENCE_DAYS = 30.0, 7.0
"""Added to the tenure, and to it and the days since the last order, before the logarithm."""
RIDGE = 1.0
LARGEST_SHARE = 0.999
"""Of the amounts above zero, what is above this quantile counts as this quantile: few must not tilt all the slopes."""
_COLUMNS = np.array([FEATURES.index(name) for name, _ in DECAYED])
_HALF_LIVES = np.array([days for _, days in DECAYED])
_TENURE, _RECENCY = FEATURES.index("tenure_days"), FEATURES.index("days_since_last_order")
_ORDERS = FEATURES.index("orders")
_OF_INPUTS = np.array([*_COLUMNS, _RECENCY, _TENURE, _ORDERS, _RECENCY])
_OF_LATE = len(DECAYED) + 1
_INPUTS = _OF_LATE + 3
_STEPS = 30
_TOLERANCE = 1e-8
_LARGEST_LOGARITHM = 20.0


@dataclass(frozen=True, slots=True)
class SpendLevel:
    """``means`` and ``weights`` are of the logarithms of the rates of ``DECAYED`` and of the days since the last order,
    then of the tenure and the orders, and of the latter times that of the share of the tenure since the last order; a
    value that is missing says nothing.
    """

    means: Floats
    weights: Floats
    intercept: float

    @classmethod
    def of_mean(cls, features: Floats, amounts: Floats) -> "SpendLevel":
        """Of the logarithm of the mean amount (quasi-Poisson); the amounts must not all be 0."""
        centred, means = _centred(features)
        largest = np.quantile(amounts[amounts > 0], LARGEST_SHARE)
        weights = _fit_log_mean(centred, np.minimum(amounts, largest))
        return cls(means, np.asarray(weights[:-1], np.float64), float(weights[-1]))

    @classmethod
    def of_logarithm(cls, features: Floats, logarithms: Floats) -> "SpendLevel":
        """Of the mean logarithm (least squares), by what was of late alone: age adds nothing to who does spend."""
        centred, means = _centred(features)
        known = np.delete(centred, np.arange(_OF_LATE, _INPUTS), axis=1)
        ridge = np.append(np.full(_OF_LATE, RIDGE), 0.0)
        fitted = np.linalg.solve(known.T @ known + np.diag(ridge), known.T @ logarithms)
        weights = np.append(fitted[:-1], np.zeros(_INPUTS - _OF_LATE))
        return cls(means, weights, float(fitted[-1]))

    def logarithm(self, features: Floats) -> Floats:
        """Of the expected amount, for each row of feature vectors."""
        out = np.empty(len(features))
        _fill(features, _COLUMNS, _HALF_LIVES, self.means, self.weights, self.intercept, out)
        return out

    def contributions(self, row: Floats) -> Contributions:
        """To the logarithm for one feature vector; what two features do together is put to the one named first.

        Those are the decayed sums with the tenure, and the days since the last order with the orders and the tenure.
        """
        logarithms = np.empty(_INPUTS)
        _logarithms(row, _COLUMNS, _HALF_LIVES, logarithms)
        of_features = np.zeros(len(row))
        np.add.at(of_features, _OF_INPUTS, np.nan_to_num(self.weights * (logarithms - self.means)))
        return Contributions(self.intercept, of_features)

    def words(self) -> dict[str, Any]:
        """What a manifest says of it; :meth:`of` reads it back."""
        return {"means": self.means.tolist(), "weights": self.weights.tolist(), "intercept": self.intercept}

    @classmethod
    def of(cls, words: dict[str, Any]) -> "SpendLevel":
        """
        Raises
        ------
        TrainingError
            If an older version wrote it, of other inputs.
        """
        if len(words["weights"]) != _INPUTS:
            raise TrainingError(
                f"levels: got {len(words['weights'])} weights, expected {_INPUTS}: train the model again"
            )
        return cls(np.array(words["means"]), np.array(words["weights"]), words["intercept"])


def _centred(features: Floats) -> tuple[Floats, Floats]:
    """The centred logarithms with a last column of 1, and the means."""
    logarithms = np.empty((len(features), _INPUTS))
    for row in range(len(features)):
        _logarithms(features[row], _COLUMNS, _HALF_LIVES, logarithms[row])
    known = np.isfinite(logarithms)
    means = np.where(known, logarithms, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, logarithms - means, 0.0)
    return np.column_stack([centred, np.ones(len(centred))]), means


@compiled
def _logarithms(features: Floats, columns: NDArray[np.int64], half_lives: Floats, into: Floats) -> None:
    """Of one customer: a decayed sum over the share that it would have gathered of an endless steady history.

    Without that share the sums of young histories would be low, and those of the same customers high later on.
    """
    is_known = not np.isnan(features[_TENURE])
    tenure = max(features[_TENURE], SHORTEST_TENURE_DAYS) if is_known else SHORTEST_TENURE_DAYS
    for position in range(columns.shape[0]):
        gathered = 1.0 - np.exp2(-tenure / half_lives[position])
        into[position] = np.log1p(max(features[columns[position]], 0.0) / gathered)
        if np.isnan(features[columns[position]]):
            into[position] = np.nan
    recency, orders = features[_RECENCY], np.log1p(features[_ORDERS])
    into[_OF_LATE - 1] = np.log1p(recency)
    into[_OF_LATE] = np.log(tenure + AGE_DAYS) if is_known else np.nan
    into[_OF_LATE + 1] = orders
    into[_OF_LATE + 2] = orders * np.log((recency + SILENCE_DAYS) / (tenure + SILENCE_DAYS))


@compiled
def _fill(
    features: Floats,
    columns: NDArray[np.int64],
    half_lives: Floats,
    means: Floats,
    weights: Floats,
    intercept: float,
    out: Floats,
) -> None:
    logarithms = np.empty(_INPUTS)
    for row in range(len(out)):
        _logarithms(features[row], columns, half_lives, logarithms)
        score = intercept
        for position in range(logarithms.shape[0]):
            if not np.isnan(logarithms[position]):
                score += weights[position] * (logarithms[position] - means[position])
        out[row] = score


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
