"""The only place where a decision is left to chance: probabilities first, then a draw from that very vector.

Values are those of the candidates on the shortlist, ``none`` among them; earlier candidates win ties, so the caller's
order is the tie-break. An exploration policy is a mixture: with probability ε a uniformly random ranking, otherwise one
of M rankings by value (one for ε-greedy, one per posterior draw for Thompson). Softmax is Plackett-Luce.
A menu is read off a ranking from the top and ends before ``none``; ``none`` at the top is no menu at all.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from struct import pack, unpack
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.rank_probabilities import (
    mixture_menu_probability,
    mixture_rank_probabilities,
    plackett_luce_menu_probability,
    plackett_luce_rank_probabilities,
)
from features.errors import FieldError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """The best candidate, but for a total mass ``epsilon`` spread evenly over all of them."""

    epsilon: float

    def __post_init__(self) -> None:
        _require_part("epsilon", self.epsilon)


@dataclass(frozen=True, slots=True)
class Softmax:
    """Probabilities proportional to exp(value / temperature)."""

    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise FieldError("temperature", self.temperature, "a number above 0")


@dataclass(frozen=True, slots=True)
class Thompson:
    """How often a candidate is the best among ``draws`` draws from independent normal posteriors, mixed with ε."""

    draws: int = 256
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        _require_part("epsilon", self.epsilon)
        if self.draws < 1:
            raise FieldError("draws", self.draws, "at least 1")


Policy = EpsilonGreedy | Softmax | Thompson


class Choice(NamedTuple):
    candidate: int
    probability: float


class Menu(NamedTuple):
    """Candidates by rank; ``probabilities`` holds, for each, the chance that it stood at its rank."""

    candidates: tuple[int, ...]
    probabilities: tuple[float, ...]


def probabilities(values: Vector, policy: Policy, deviations: Vector | None = None, seed: int = 0) -> Vector:
    """The chance of each candidate to be the one chosen; sums to 1.

    ``deviations`` are the posterior standard deviations, ``seed`` seeds their draws: both for Thompson only.

    Raises
    ------
    ValueError
        If there is no candidate or a value is not finite.
    """
    if isinstance(policy, Softmax):
        return _softmax(values, policy.temperature)
    if isinstance(policy, Thompson):
        return _mixture(_posterior_draws(values, deviations, policy.draws, seed), policy.epsilon)
    return np.array(epsilon_greedy(values.tolist(), policy.epsilon))


def epsilon_greedy(values: Sequence[float], epsilon: float) -> list[float]:
    """:func:`probabilities` under :class:`EpsilonGreedy`, of so few candidates that arrays would only cost time.

    Raises
    ------
    ValueError
        If there is no candidate, a value is not finite, or ``epsilon`` is no part.
    """
    _require_part("epsilon", epsilon)
    _require_finite(values)
    chances = [epsilon / len(values)] * len(values)
    chances[values.index(max(values))] += 1.0 - epsilon
    return chances


def draw(chances: Sequence[float] | Vector, uniform: float) -> Choice:
    """The candidate in whose stretch of the cumulated chances ``uniform`` (in [0, 1)) falls, and its chance."""
    listed = chances.tolist() if isinstance(chances, np.ndarray) else chances
    cumulated = list(accumulate(listed))
    candidate = bisect_right(cumulated, uniform * cumulated[-1])
    if candidate == len(listed):  # the product was rounded up to the whole
        candidate = bisect_left(cumulated, cumulated[-1])
    return Choice(candidate, listed[candidate])


def menu_probabilities(
    values: Vector, policy: Policy, none_index: int, limit: int, deviations: Vector | None = None, seed: int = 0
) -> Vector:
    """Chances [rank, candidate] that a candidate stands at a rank; a row sums to the chance that it is reached."""
    ranks = min(limit, len(values))
    if isinstance(policy, Softmax):
        return plackett_luce_rank_probabilities(_softmax(values, policy.temperature), none_index, ranks)
    rankings = _rankings(values, policy, deviations, seed)
    return mixture_rank_probabilities(rankings, policy.epsilon, none_index, ranks)


def menu_probability(
    values: Vector,
    policy: Policy,
    none_index: int,
    limit: int,
    menu: Sequence[int],
    deviations: Vector | None = None,
    seed: int = 0,
) -> float:
    """The chance that :func:`draw_menu` gives these candidates, none of them ``none``, in this order and no others."""
    limit = min(limit, len(values))
    if isinstance(policy, Softmax):
        return plackett_luce_menu_probability(_softmax(values, policy.temperature), none_index, limit, menu)
    rankings = _rankings(values, policy, deviations, seed)
    return mixture_menu_probability(rankings, policy.epsilon, none_index, limit, menu)


def draw_menu(
    values: Sequence[float] | Vector,
    policy: Policy,
    none_index: int,
    limit: int,
    uniforms: list[float],
    deviations: Vector | None = None,
    seed: int = 0,
    *,
    chances: Sequence[float] | Vector | None = None,
) -> Menu:
    """Up to ``limit`` different candidates by rank; ``none`` alone when that was drawn first.

    ``uniforms`` are at least ``limit + 2`` independent numbers in [0, 1), of which the first decides the first rank
    exactly as :func:`draw` on :func:`probabilities` does; ``chances`` are the latter, where they are known already.
    """
    if chances is None:
        chances = probabilities(np.asarray(values), policy, deviations, seed)
    first = draw(chances, uniforms[0])
    if limit == 1 or first.candidate == none_index or len(values) == 1:
        return Menu((first.candidate,), (first.probability,))
    known = np.asarray(values)
    if isinstance(policy, Softmax):
        ranking = _rest_by_chance(_softmax(known, policy.temperature), first.candidate, none_index, limit, uniforms[1:])
    else:
        rankings = _rankings(known, policy, deviations, seed)
        ranking = _rest_of_mixture(rankings, policy.epsilon, first, none_index, limit, uniforms[1:])
    at_rank = menu_probabilities(known, policy, none_index, limit, deviations, seed)
    return Menu(tuple(ranking), tuple(float(at_rank[rank, candidate]) for rank, candidate in enumerate(ranking)))


def uniforms(salt: str, decision_id: str, count: int = 1) -> list[float]:
    """Numbers in [0, 1) with 53 bits each, the same wherever the same decision is made again."""
    key = f"{len(salt)}:{salt}:{decision_id}".encode()
    numbers: list[float] = []
    while len(numbers) < count:
        words = unpack("<8Q", blake2b(key, salt=pack("<Q", len(numbers))).digest())
        numbers.extend([(word >> 11) * 2.0**-53 for word in words[: count - len(numbers)]])
    return numbers


def _softmax(values: Vector, temperature: float) -> Vector:
    _require_finite(values.tolist())
    weights: Vector = np.exp((values - values.max()) / temperature)
    weights /= weights.sum()
    return weights


def _mixture(draws: Vector, epsilon: float) -> Vector:
    count, candidates = draws.shape
    wins = np.bincount(draws.argmax(axis=1), minlength=candidates)
    chances: Vector = wins * ((1.0 - epsilon) / count) + epsilon / candidates
    return chances


def _posterior_draws(values: Vector, deviations: Vector | None, count: int, seed: int) -> Vector:
    _require_finite(values.tolist())
    if deviations is None:
        raise ValueError("deviations: got None, expected the posterior standard deviations, which Thompson needs")
    normals = np.random.default_rng(seed).standard_normal((count, len(values)))
    normals *= deviations
    normals += values
    return normals


def _rankings(
    values: Vector, policy: EpsilonGreedy | Thompson, deviations: Vector | None, seed: int
) -> NDArray[np.intp]:
    if isinstance(policy, Thompson):
        return np.argsort(-_posterior_draws(values, deviations, policy.draws, seed), axis=1, kind="stable")
    _require_finite(values.tolist())
    return np.argsort(-values, kind="stable")[np.newaxis]


def _rest_of_mixture(
    rankings: NDArray[np.intp], epsilon: float, first: Choice, none_index: int, limit: int, uniforms: list[float]
) -> list[int]:
    """The menu after its first candidate: that candidate came from a random ranking, or from one by value."""
    candidates = rankings.shape[1]
    if uniforms[0] * first.probability < epsilon / candidates:
        return _rest_by_chance(np.full(candidates, 1.0 / candidates), first.candidate, none_index, limit, uniforms[1:])
    agreeing = rankings[rankings[:, 0] == first.candidate]
    ranking: list[int] = agreeing[int(uniforms[1] * len(agreeing))][:limit].tolist()
    return ranking[: ranking.index(none_index)] if none_index in ranking else ranking


def _rest_by_chance(chances: Vector, first: int, none_index: int, limit: int, uniforms: list[float]) -> list[int]:
    """Draws without replacement, each in proportion to the chances of those left, until ``none`` or the limit."""
    left, ranking = chances.copy(), [first]
    for uniform in uniforms[: min(limit, len(chances)) - 1]:
        left[ranking[-1]] = 0.0
        if not left.any():
            break
        candidate = draw(left, uniform).candidate
        if candidate == none_index:
            break
        ranking.append(candidate)
    return ranking


def _require_part(field: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise FieldError(field, value, "a number from 0 to 1")


def _require_finite(values: Sequence[float]) -> None:
    if not values or not math.isfinite(sum(values)):
        raise ValueError(f"values: got {values}, expected at least one number, all of them finite")
