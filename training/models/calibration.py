"""Probabilities that mean what they say (Platt 1999), shrunk towards leaving the scores as they are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
        return sigmoid(self.slope * score + self.intercept)


def sigmoid(score: Floats) -> Floats:
    """
    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1 / (1 + small), small / (1 + small))


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
