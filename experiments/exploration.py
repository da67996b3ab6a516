"""The only place where a decision is left to chance: probabilities first, then a draw from that very vector.

Values are those of the candidates on the shortlist, ``none`` among them; earlier candidates win ties, so the caller's
order is the tie-break. An exploration policy is a mixture: with probability ε a uniformly random ranking, otherwise one
of M rankings by value (one for ε-greedy, one per posterior draw for Thompson). Softmax is Plackett-Luce.
Menus are drawn likewise: :mod:`experiments.menus`.
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


def probabilities(values: Vector, policy: Policy, deviations: Vector | None = None, seed: int = 0) -> Vector:
    """The chance of each candidate to be the one chosen; sums to 1.

    ``deviations`` are the posterior standard deviations, ``seed`` seeds their draws: both for Thompson only.

    Raises
    ------
    ValueError
        If there is no candidate or a value is not finite.
    """
    if isinstance(policy, Softmax):
        return softmax(values, policy.temperature)
    if isinstance(policy, Thompson):
        best = _posterior_draws(values, deviations, policy.draws, seed).argmax(axis=1)
        return of_first(best[:, np.newaxis], policy.epsilon, len(values))
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


def uniforms(salt: str, decision_id: str, count: int = 1) -> list[float]:
    """Numbers in [0, 1) with 53 bits each, the same wherever the same decision is made again."""
    key = f"{len(salt)}:{salt}:{decision_id}".encode()
    numbers: list[float] = []
    while len(numbers) < count:
        words = unpack("<8Q", blake2b(key, salt=pack("<Q", len(numbers))).digest())
        numbers.extend([(word >> 11) * 2.0**-53 for word in words[: count - len(numbers)]])
    return numbers


def softmax(values: Vector, temperature: float) -> Vector:
    """Proportional to exp(value / temperature), summing to 1."""
    _require_finite(values.tolist())
    weights: Vector = np.exp((values - values.max()) / temperature)
    weights /= weights.sum()
    return weights


def of_first(rankings: NDArray[np.intp], epsilon: float, candidates: int) -> Vector:
    """Of each to be drawn first; of the rankings only the first column is looked at."""
    count = len(rankings)
    chances: Vector = np.bincount(rankings[:, 0], minlength=candidates).astype(np.float64)
    chances *= (1.0 - epsilon) / count
    chances += epsilon / candidates
    return chances


def _posterior_draws(values: Vector, deviations: Vector | None, count: int, seed: int) -> Vector:
    _require_finite(values.tolist())
    if deviations is None:
        raise ValueError("deviations: got None, expected the posterior standard deviations, which Thompson needs")
    normals = np.random.default_rng(seed).standard_normal((count, len(values)))
    normals *= deviations
    normals += values
    return normals


def rankings(
    values: Vector, policy: EpsilonGreedy | Thompson, deviations: Vector | None, seed: int
) -> NDArray[np.intp]:
    """[ranking, rank]: candidates by falling value, of each posterior draw, or of the values themselves."""
    if isinstance(policy, Thompson):
        return np.argsort(-_posterior_draws(values, deviations, policy.draws, seed), axis=1, kind="stable")
    _require_finite(values.tolist())
    return np.argsort(-values, kind="stable")[np.newaxis]


def _require_part(field: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise FieldError(field, value, "a number from 0 to 1")


def _require_finite(values: Sequence[float]) -> None:
    if not values or not math.isfinite(sum(values)):
        raise ValueError(f"values: got {values}, expected at least one number, all of them finite")
