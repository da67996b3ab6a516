"""How much of what two sides say of an offer's effect is true; see ``offer_response_added`` for the sides."""

from dataclasses import dataclass, replace

import numpy as np

from training.models.offer_response_acceptance import Acceptance
from training.models.offer_response_added import AddedResponse
from training.models.offer_response_effect import Contrasts, effect_levels
from training.models.offer_response_forest import OfferForest
from training.models.offer_response_levels import Floats

BELIEF, DOUBT = 0.3, 0.3
"""Of what each side says of persons not met so much is true, give or take."""
MOST_TRUE = 1.0


@dataclass(frozen=True, slots=True)
class Sides:
    """Of each pair what was said by models that had not met the person, and by the R-learner's start."""

    by_chances: Floats
    by_terms: Floats
    by_name: Floats
    level: Floats


def put_together(
    forest: OfferForest,
    without: Acceptance,
    sides: Sides,
    difference: Floats,
    pairs: Contrasts,
    terms: Floats,
    amount: float,
) -> AddedResponse:
    """``difference`` (n) is what each pair shows of the effect, ``terms`` (m, t) of the offers."""
    centre = effect_levels(sides.by_chances, pairs, terms)
    said = sides.by_chances - centre.of(pairs.code, terms[pairs.code])
    columns = np.column_stack([said, sides.by_terms, sides.by_name])
    chance, by_terms, by_name = _true_shares(columns, difference - sides.level, pairs).tolist()
    weighted = replace(forest, tree_weight=by_terms, own_weight=by_name)
    return AddedResponse(weighted, without.model, centre, chance, amount)


def _true_shares(columns: Floats, rest: Floats, pairs: Contrasts) -> Floats:
    """The coefficients (k) of ``columns`` (n, k), before the data normal around the belief; none is negative.

    Presentations of nothing stand beside many offers: they count as often as there are presentations.
    """
    weight = pairs.weight / np.mean(pairs.weight) * len(np.unique(pairs.row)) / len(pairs.row)
    noise = float(np.average(rest**2, weights=pairs.weight))
    chosen = np.ptp(columns, axis=0) > 0
    found = np.zeros(columns.shape[1])
    while chosen.any():
        used = columns[:, chosen]
        curvature = (used * weight[:, None]).T @ used / noise + np.eye(used.shape[1]) / DOUBT**2
        shares = np.linalg.solve(curvature, used.T @ (weight * rest) / noise + BELIEF / DOUBT**2)
        if (shares >= 0).all():
            found[chosen] = np.minimum(shares, MOST_TRUE)
            break
        chosen[np.flatnonzero(chosen)[shares < 0]] = False
    return found
