"""Logistic regression held near a centre: what small data can say, and no more."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 50
_TOLERANCE = 1e-10
_LEAST_CURVATURE = 1e-9


def sigmoid(score: Floats) -> Floats:
    """
    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1 / (1 + small), small / (1 + small))


def fit_logistic(columns: Floats, outcome: Floats, centre: Floats, weight: Floats) -> Floats:
    """The coefficients of ``columns`` (n, k) of greatest posterior probability, by Newton's method with halved steps.

    Before the data each is normal around its ``centre`` with variance 1 / ``weight``; of weight 0, unknown.
    """

    def badness(coefficients: Floats) -> float:
        score = columns @ coefficients
        away = coefficients - centre
        return float((np.logaddexp(0.0, score) - outcome * score).sum() + weight @ away**2 / 2)

    coefficients = centre.astype(np.float64)
    least = badness(coefficients)
    for _ in range(_STEPS):
        chance = sigmoid(columns @ coefficients)
        gradient = columns.T @ (chance - outcome) + weight * (coefficients - centre)
        spread = (chance * (1 - chance))[:, None]
        curvature = (columns * spread).T @ columns + np.diag(weight + _LEAST_CURVATURE)
        step = np.linalg.solve(curvature, gradient)
        while (reached := badness(coefficients - step)) > least and float(np.abs(step).max()) > _TOLERANCE:
            step = step / 2  # a whole step from far away may overshoot, and then never come back
        coefficients, least = coefficients - step, reached
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    return coefficients
