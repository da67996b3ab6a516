"""What an offer adds to the response: an R-learner (Nie and Wager 2021) in the population that weights make balanced.

Each presentation of an offer is set beside those of nothing. Weighted by 1 / propensity, and evenly in sum, an offer
and nothing are as good as drawn by a coin, z = ±1/2, so that (response - expected) / z, where what is expected of the
coin is m(x) = (chance with the offer + chance without) / 2, has the effect as its mean, whatever m is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.models.offer_response_boosting import BothBoosted, Lessons, boost_both
from training.models.offer_response_forest import OfferForest
from training.models.offer_response_levels import Floats, Integers, OfferLevels, fit_levels

MOST_COPIES = 300_000
"""Rows of nothing, each beside one offer; of more a random part."""
LARGEST_WEIGHT = 30.0
"""Times the median: no presentation says more."""
LEAST_ROUNDS = 15
"""Where differences are nearly all noise, no number of rounds is seen to be best; how much to believe is said after."""
DEFAULTS: dict[str, float | int] = {
    "learning_rate": 0.1,
    "num_leaves": 8,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
}


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Presentations of an offer (n), and presentations of nothing each beside an offer."""

    row: Integers
    """Which presentation."""
    code: Integers
    is_shown: Integers
    """1 of the offer, 0 of nothing."""
    weight: Floats
    """Of each offer those shown and those of nothing weigh as much as its presentations number."""


def contrasts(
    offer: Integers, propensity: Floats, presented_at: Integers, offers: int, generator: np.random.Generator
) -> Contrasts:
    """Of the presentations (n; offer -1 is nothing) that could have gone otherwise.

    Those of nothing stand beside an offer only while it was being presented.
    """
    chance = np.flatnonzero((propensity > 0) & (propensity < 1))
    nothing, shown = chance[offer[chance] < 0], chance[offer[chance] >= 0]
    weight = (
        np.minimum(1.0 / propensity, LARGEST_WEIGHT * np.median(1.0 / propensity[chance]))
        if chance.size
        else propensity
    )
    parts = []
    kept = min(MOST_COPIES / max(len(nothing) * offers, 1), 1.0)
    for code in range(offers):
        own = shown[offer[shown] == code]
        if own.size == 0:
            continue
        when = presented_at[nothing]
        beside = nothing[(when >= presented_at[own].min()) & (when <= presented_at[own].max())]
        beside = beside[generator.random(len(beside)) < kept]
        if beside.size:
            parts.append(_contrast(own, beside, code, weight))
    if not parts:
        empty = np.zeros(0, np.int64)
        return Contrasts(empty, empty, empty, np.zeros(0))
    return Contrasts(*(np.concatenate([getattr(part, name) for part in parts]) for name in Contrasts.__slots__))


def _contrast(own: Integers, beside: Integers, code: int, weight: Floats) -> Contrasts:
    balanced = [weight[rows] / weight[rows].sum() * len(own) for rows in (own, beside)]
    row = np.concatenate([own, beside])
    is_shown = np.concatenate([np.ones(len(own), np.int64), np.zeros(len(beside), np.int64)])
    return Contrasts(row, np.full(len(row), code, np.int64), is_shown, np.concatenate(balanced))


def boost_effect(
    customers: Floats,
    difference: Floats,
    pairs: Contrasts,
    fold: Integers,
    terms: Floats,
    parameters: Mapping[str, float | int],
    seed: int,
) -> tuple[OfferForest, Lessons, BothBoosted]:
    """``difference`` (n): (response - expected) / z of each pair; ``fold`` (n) of its person; ``terms`` (m, t)."""
    levels = effect_levels(difference, pairs, terms)
    of_pair = terms[pairs.code]
    start = levels.of(pairs.code, of_pair)
    lessons = Lessons(customers[pairs.row], pairs.code, of_pair, difference, start, pairs.weight, fold)
    boosted = boost_both("regression", lessons, DEFAULTS | dict(parameters), seed, LEAST_ROUNDS)
    return OfferForest(levels, boosted.by_terms.trees, own_trees=boosted.by_name.trees), lessons, boosted


def effect_levels(difference: Floats, pairs: Contrasts, terms: Floats) -> OfferLevels:
    """Of each offer the mean effect."""
    offers = len(terms)
    total = np.bincount(pairs.code, weights=pairs.weight, minlength=offers)
    mean = np.bincount(pairs.code, weights=pairs.weight * difference, minlength=offers) / np.maximum(total, 1e-12)
    squares = (pairs.weight * (difference - mean[pairs.code])) ** 2
    variance = np.bincount(pairs.code, weights=squares, minlength=offers) / np.maximum(total, 1e-12) ** 2
    rows = np.bincount(pairs.code, minlength=offers)
    return fit_levels(mean, np.where(rows > 1, np.maximum(variance, 1e-9), np.inf), terms)
