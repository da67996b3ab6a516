"""Probabilities that mean what they say (Platt 1999), shrunk towards leaving the scores as they are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

Floats = NDArray[np.float64]

PRIOR_WEIGHT = 50.0
"""How many customers' worth of belief there is in the scores as they come."""
_STEPS = 50
_TOLERANCE = 1e-10


class Platt(NamedTuple):
    """The calibrated log-odds are ``slope`` × score + ``intercept``; the slope is above zero, so ranks stay."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, score: Floats) -> Floats:
        return _probability(score, self.slope, self.intercept)


def sigmoid(score: Floats) -> Floats:
    """Of each in one dimension.

    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    return _probability(score, 1.0, 0.0)


@compiled
def _probability(score: Floats, slope: float, intercept: float) -> Floats:
    chance = np.empty(score.size)
    for i in range(score.size):
        odds = slope * score[i] + intercept
        small = np.exp(-abs(odds))
        chance[i] = (1.0 if odds >= 0.0 else small) / (1.0 + small)
    return chance


def fit_platt(score: Floats, outcome: Floats) -> Platt:
    """Slope and intercept of greatest posterior probability, by Newton's method."""
    slope, intercept = 1.0, 0.0
    for _ in range(_STEPS):
        chance = sigmoid(slope * score + intercept)
        error, spread = chance - outcome, chance * (1 - chance)
        gradient = np.array([error @ score + PRIOR_WEIGHT * (slope - 1), error.sum() + PRIOR_WEIGHT * intercept])
        cross = float(spread @ score)
        hessian = np.array([[spread @ score**2 + PRIOR_WEIGHT, cross], [cross, spread.sum() + PRIOR_WEIGHT]])
        step = np.linalg.solve(hessian, gradient)
        slope, intercept = slope - float(step[0]), intercept - float(step[1])
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return Platt(max(slope, 1e-3), intercept)
