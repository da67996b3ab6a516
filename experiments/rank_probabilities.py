"""The chance that a candidate stands at a rank of a menu drawn without replacement, and that the menu is this very one.

Both are exact, for each way of drawing.

A menu ends before ``none``: a candidate stands at a rank only if ``none`` was not drawn at an earlier one.
Arrays are [rank, candidate]; the first row is the chance to be drawn first.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_LOG_STEP = 0.25
"""Of the trapezoidal rule over log time; the integrand is analytic there, its error is below 1e-15."""
_LOG_START = -40.0
_LARGEST_EXPONENT = 40.0
_LONGEST_LOG = 700.0
"""Beyond it time is no number any more; what is that unlikely is never drawn."""


def mixture_rank_probabilities(rankings: NDArray[np.intp], epsilon: float, none_index: int, ranks: int) -> Vector:
    """With probability ``epsilon`` a uniformly random ranking, else one of the given ones, each as likely."""
    count, candidates = rankings.shape
    chances = epsilon * _random_rank_probabilities(candidates, none_index, ranks)
    ends = (rankings == none_index).argmax(axis=1)
    for rank in range(ranks):
        reached = rankings[ends >= rank, rank]
        chances[rank] += np.bincount(reached, minlength=candidates) * ((1.0 - epsilon) / count)
    return chances


def mixture_menu_probability(
    rankings: NDArray[np.intp], epsilon: float, none_index: int, limit: int, menu: Sequence[int]
) -> float:
    """That the menu is this one, of up to ``limit``; a shorter one was ended by ``none``."""
    count, candidates = rankings.shape
    ended = [*menu, none_index] if len(menu) < limit else list(menu)
    at_random = 1.0
    for rank in range(len(ended)):
        at_random /= candidates - rank
    agreeing = (rankings[:, : len(ended)] == ended).all(axis=1).sum()
    return float(epsilon * at_random + (1.0 - epsilon) * agreeing / count)


def plackett_luce_menu_probability(weights: Vector, none_index: int, limit: int, menu: Sequence[int]) -> float:
    """The same where each next one is drawn in proportion to the weights of those left."""
    ended = [*menu, none_index] if len(menu) < limit else list(menu)
    left, chance = weights.copy(), 1.0
    for candidate in ended:
        total = float(left.sum())
        if total <= 0.0:  # nothing that could be drawn is left, and there the menu ends
            return chance if candidate == none_index else 0.0
        chance *= float(left[candidate]) / total
        left[candidate] = 0.0
    return chance


@lru_cache(maxsize=256)
def _random_rank_probabilities(candidates: int, none_index: int, ranks: int) -> Vector:
    """A candidate is at a given rank with chance 1/n; ``none`` is then after it with chance (n - rank) / (n - 1)."""
    rank = np.arange(1, ranks + 1)[:, np.newaxis]
    chances: Vector = np.repeat((candidates - rank) / (candidates * max(candidates - 1, 1)), candidates, axis=1)
    chances[:, none_index] = 1.0 / candidates
    return chances


def plackett_luce_rank_probabilities(weights: Vector, none_index: int, ranks: int) -> Vector:
    """Each next one drawn in proportion to the weights (summing to 1) of those left.

    The same ranking arises from independent exponential clocks with rates ``weights`` (Luce 1959; Efraimidis and
    Spirakis 2006), so the chance is an integral over the time t at which the candidate's clock rings: w e^(-w t)
    times the chance that exactly ``rank - 1`` others, and not ``none``, have rung before.
    """
    rates = weights[weights > 0]
    stop = min(math.log(_LARGEST_EXPONENT) - math.log(rates.min()), _LONGEST_LOG)
    time = np.exp(np.arange(_LOG_START, stop + _LOG_STEP, _LOG_STEP))[:, np.newaxis]
    alive = np.exp(-time * weights)
    density = weights * time * alive * _LOG_STEP
    chances: Vector = np.einsum("tc,rtc->rc", density, _counts_before(alive, none_index, ranks))
    chances[0] = weights
    return chances


def _counts_before(alive: Vector, none_index: int, ranks: int) -> Vector:
    """Chances [count, time, candidate] that ``count`` of the other candidates, and not ``none``, have rung.

    Each candidate's others are those before it and those after it, so two running products of (alive + rung · z),
    cut at the power that is needed, give all candidates at once and nothing is divided out again.
    """
    rung = 1.0 - alive
    rung[:, none_index] = 0.0
    before = _running_products(alive, rung, ranks)
    after = _running_products(alive[:, ::-1], rung[:, ::-1], ranks)[:, :, ::-1]
    counts = np.zeros_like(before)
    for power in range(ranks):
        for part in range(power + 1):
            counts[power] += before[part] * after[power - part]
    return counts


def _running_products(alive: Vector, rung: Vector, ranks: int) -> Vector:
    """Coefficients [power, time, candidate] of the product over the candidates before each."""
    products = np.zeros((ranks, *alive.shape))
    products[0, :, 0] = 1.0
    for candidate in range(alive.shape[1] - 1):
        products[:, :, candidate + 1] = products[:, :, candidate] * alive[:, candidate]
        products[1:, :, candidate + 1] += products[:-1, :, candidate] * rung[:, candidate]
    return products
