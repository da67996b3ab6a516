r"""What offers are ranked by: their expected margin as a policy weighs its parts, and as its rules bend it.

With :math:`P` the chance of acceptance, :math:`V = E / P` the margin that each acceptance brings (:math:`E` is the
expected incremental margin), :math:`C` and :math:`L` the factors of the contexts and levers that hold, :math:`a` what
they add, and :math:`w` the weights from 0 to 1::

    score = sign(V) * P^wP * |V|^wV * (C^wC * L^wL)^sign(V) + wC * aC + wL * aL

A factor divides a loss: it brings an offer nearer to being made, but only an added amount can bring it there. A part
that is off (0) is the same for all offers; what of a sign is left of the value keeps losses from being preferred.
"""

import numpy as np
from numpy.typing import NDArray

from serving.arbitration import Values
from serving.policy_rules import Weights
from serving.rule_table import Effect

Floats = NDArray[np.float64]
_LEAST_CHANCE = 1e-9


def weighed(values: Values, weights: Weights) -> Floats:
    """The expected values themselves where chance and value count in full."""
    expected = values.expected_value
    if weights.is_plain:
        return expected
    chance = np.maximum(values.accept_probability, _LEAST_CHANCE)
    score: Floats = np.sign(expected) * np.abs(expected) ** weights.value
    score *= chance ** (weights.propensity - weights.value)
    return score


def bent(score: Floats, effect: Effect) -> Floats:
    """The scores as the rules that hold make them."""
    if effect.factor is not None:
        score = np.where(score >= 0.0, score * effect.factor, score / effect.factor)
    if effect.added is not None:
        score = score + effect.added
    return score
