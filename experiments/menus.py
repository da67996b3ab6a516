"""Menus: several offers by rank, drawn from known probabilities as a single one is (:mod:`experiments.exploration`).

A menu is read off a ranking from the top and ends before ``none``; ``none`` at the top is no menu at all.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.exploration import Choice, Policy, Softmax, Vector, draw, of_first, rankings, softmax
from experiments.rank_probabilities import (
    mixture_menu_probability,
    mixture_rank_probabilities,
    plackett_luce_menu_probability,
    plackett_luce_rank_probabilities,
)


class Menu(NamedTuple):
    """Candidates by rank; ``probabilities`` holds, for each, the chance that it stood at its rank."""

    candidates: tuple[int, ...]
    probabilities: tuple[float, ...]


class WholeMenu(NamedTuple):
    """A menu with all that is known of the draw."""

    menu: Menu
    chances: Vector
    """Of each candidate to be drawn first."""
    at_rank: Vector
    """Chances [rank, candidate], as of :func:`menu_probabilities`."""
    probability: float
    """That the menu is this very one, as of :func:`menu_probability`."""


def menu_probabilities(
    values: Vector, policy: Policy, none_index: int, limit: int, deviations: Vector | None = None, seed: int = 0
) -> Vector:
    """Chances [rank, candidate] that a candidate stands at a rank; a row sums to the chance that it is reached."""
    ranks = min(limit, len(values))
    if isinstance(policy, Softmax):
        return plackett_luce_rank_probabilities(softmax(values, policy.temperature), none_index, ranks)
    ranked = rankings(values, policy, deviations, seed)
    return mixture_rank_probabilities(ranked, policy.epsilon, none_index, ranks)


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
        return plackett_luce_menu_probability(softmax(values, policy.temperature), none_index, limit, menu)
    ranked = rankings(values, policy, deviations, seed)
    return mixture_menu_probability(ranked, policy.epsilon, none_index, limit, menu)


def draw_menu(
    values: Sequence[float] | Vector,
    policy: Policy,
    none_index: int,
    limit: int,
    uniforms: list[float],
    deviations: Vector | None = None,
    seed: int = 0,
) -> Menu:
    """Up to ``limit`` different candidates by rank; ``none`` alone when that was drawn first.

    ``uniforms`` are at least ``limit + 2`` independent numbers in [0, 1), of which the first decides the first rank
    exactly as :func:`draw` on :func:`probabilities` does.
    """
    return draw_whole_menu(values, policy, none_index, limit, uniforms, deviations, seed).menu


def draw_whole_menu(
    values: Sequence[float] | Vector,
    policy: Policy,
    none_index: int,
    limit: int,
    uniforms: list[float],
    deviations: Vector | None = None,
    seed: int = 0,
) -> WholeMenu:
    """:func:`draw_menu` with how likely everything was."""
    known = np.asarray(values, dtype=np.float64)
    limit = min(limit, len(known))
    if isinstance(policy, Softmax):
        weights = softmax(known, policy.temperature)
        at_rank = plackett_luce_rank_probabilities(weights, none_index, limit)
        menu = _menu(weights, at_rank, none_index, limit, uniforms, lambda first: _rest_by_chance(
            weights, first.candidate, none_index, limit, uniforms[1:]
        ))  # fmt: skip
        ended = plackett_luce_menu_probability(weights, none_index, limit, _without(menu, none_index))
        return WholeMenu(menu, weights, at_rank, ended)
    ranked, epsilon = rankings(known, policy, deviations, seed), policy.epsilon
    chances = of_first(ranked, epsilon, len(known))
    at_rank = mixture_rank_probabilities(ranked, epsilon, none_index, limit)
    menu = _menu(chances, at_rank, none_index, limit, uniforms, lambda first: _rest_of_mixture(
        ranked, epsilon, first, none_index, limit, uniforms[1:]
    ))  # fmt: skip
    ended = mixture_menu_probability(ranked, epsilon, none_index, limit, _without(menu, none_index))
    return WholeMenu(menu, chances, at_rank, ended)


def _menu(
    chances: Vector,
    at_rank: Vector,
    none_index: int,
    limit: int,
    uniforms: list[float],
    rest: Callable[[Choice], list[int]],
) -> Menu:
    first = draw(chances, uniforms[0])
    if limit == 1 or first.candidate == none_index:
        return Menu((first.candidate,), (first.probability,))
    ranking = rest(first)
    return Menu(tuple(ranking), tuple(float(at_rank[rank, candidate]) for rank, candidate in enumerate(ranking)))


def _without(menu: Menu, none_index: int) -> tuple[int, ...]:
    return () if menu.candidates[0] == none_index else menu.candidates


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
