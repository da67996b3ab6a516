"""Probabilities that mean what they say (Platt 1999), shrunk towards what is believed of the scores as they come."""

from typing import NamedTuple

import numpy as np

from training.models.logistic import Floats, fit_logistic, sigmoid

PRIOR_WEIGHT = 50.0
"""How many customers' worth of belief there is in the scores as they come."""
BLEND_WEIGHT = 10.0
"""The same where two scores are blended: belief that each deserves half."""
_LEAST_SLOPE = 1e-3


class Platt(NamedTuple):
    """The calibrated log-odds are ``slope`` × score + ``intercept``; the slope is above zero, so ranks stay."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, score: Floats, level: float = 0.0) -> Floats:
        """``level`` is added to the log-odds."""
        return sigmoid(self.slope * score + (self.intercept + level))


class Blend(NamedTuple):
    """The calibrated log-odds are ``simple`` × one score + ``trees`` × the other + ``intercept``.

    Neither weight is below zero.
    """

    simple: float
    trees: float
    intercept: float

    def probability(self, simple: Floats, trees: Floats, level: float = 0.0) -> Floats:
        """``level`` is added to the log-odds."""
        return sigmoid(self.simple * simple + self.trees * trees + (self.intercept + level))


def base_log_odds(outcome: Floats) -> float:
    """Of a yes, half a one kept off never and always; what scores count from that know no base rate."""
    share = (outcome.sum() + 0.5) / (len(outcome) + 1.0)
    return float(np.log(share / (1.0 - share)))


def fit_platt(score: Floats, outcome: Floats, base: float = 0.0) -> Platt:
    """Slope and intercept of greatest posterior probability; ``base`` is the log-odds that the score counts from."""
    columns = np.column_stack([score, np.ones_like(score)])
    slope, intercept = fit_logistic(columns, outcome, np.array([1.0, base]), np.full(2, PRIOR_WEIGHT)).tolist()
    return Platt(max(slope, _LEAST_SLOPE), intercept)


def fit_blend(simple: Floats, trees: Floats, outcome: Floats, base: float = 0.0) -> Blend:
    """The weights of greatest posterior probability; a score that only a negative weight would help gets none.

    ``base`` is the log-odds that the trees count from.
    """
    columns = np.column_stack([simple, trees, np.ones_like(simple)])
    weights = fit_logistic(columns, outcome, np.array([0.5, 0.5, base / 2]), np.full(3, BLEND_WEIGHT))
    if weights[0] < 0 or weights[1] < 0:
        better = int(weights[1] > weights[0])
        slope, intercept = fit_platt(columns[:, better], outcome, base * better)
        weights = np.array([slope * (better == 0), slope * (better == 1), intercept])
    return Blend(*weights.tolist())
