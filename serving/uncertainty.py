r"""How sure it is what an offer is worth: the standard deviations that Thompson sampling draws by.

A chance of acceptance :math:`p` that rests on :math:`n` outcomes has, as a beta distribution, the standard deviation
:math:`\sqrt{p (1 - p) / (n + 1)}`, and what an offer is worth is proportional to it. The models store no :math:`n`, so
it is the policy's: one number of outcomes for priors, one for what was borrowed from similar offers, one for what was
learned from the offer itself. Of what an acceptance brings nothing is unsure here: the margin is taken as known.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.decision import Predictions
from serving.policy import Policy

Floats = NDArray[np.float64]
_LEAST_CHANCE = 1e-6


def deviations(
    scores: Floats, accept_probability: Floats, rows: Sequence[int], predictions: Predictions, policy: Policy
) -> Floats:
    """Of ``none``, whose worth is known, and of the offers at ``rows``; in the unit of the scores."""
    chance = np.clip(accept_probability[list(rows)], _LEAST_CHANCE, 1.0)
    relative = np.sqrt((1.0 - chance) / (chance * (_outcomes(rows, predictions, policy) + 1.0)))
    return np.concatenate([[0.0], np.abs(scores[list(rows)]) * relative])


def _outcomes(rows: Sequence[int], predictions: Predictions, policy: Policy) -> Floats:
    response = predictions.response
    if response is None:
        return np.full(len(rows), policy.prior_outcomes)
    known = np.array([policy.borrowed_outcomes, policy.learned_outcomes])[response.basis[list(rows)]]
    return np.where(np.isnan(response.accept[list(rows)]), policy.prior_outcomes, known)
