"""Whom our policy is compared with; each decides for some customers in a morning, within the same daily allotment."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.world import NOTHING, Floats, Integers, State, World
from experiments.world_effects import TrueEffects, true_effects

_STEPS = 60
_OF_RANDOM = 5
"""A stream of chance."""


@dataclass(frozen=True, slots=True)
class Morning:
    """What is to be decided. ``effects`` are the truth, which only the oracle decides by; the others are told by it
    what their offers will cost, so that each keeps its budget as well as can be."""

    world: World
    state: State
    day: int
    customers: Integers
    effects: TrueEffects
    allotment: float

    def random(self) -> np.random.Generator:
        return np.random.default_rng([self.world.seed, _OF_RANDOM, self.day])


Chooser = Callable[[Morning], Integers]
"""Gives the number of an offer, or ``NOTHING``, for each customer."""


def nothing(morning: Morning) -> Integers:
    return np.full(len(morning.customers), NOTHING, dtype=np.int64)


def at_random(morning: Morning) -> Integers:
    chance = morning.random()
    offers = chance.integers(0, len(morning.world.terms.offers), len(morning.customers))
    return _within(morning, offers, chance.permutation(len(offers)))


def always(offer: int) -> Chooser:
    """The same offer to everybody whom the budget reaches, in a random order."""

    def choose(morning: Morning) -> Integers:
        order = morning.random().permutation(len(morning.customers))
        return _within(morning, np.full(len(morning.customers), offer, dtype=np.int64), order)

    return choose


def greedy(accept: Floats) -> Chooser:
    """To each the offer that they most likely respond to, the likeliest first; ``accept`` is (n, m)."""

    def choose(morning: Morning) -> Integers:
        chances = accept[morning.customers]
        offers = chances.argmax(axis=1).astype(np.int64)
        return _within(morning, offers, np.argsort(-chances.max(axis=1), kind="stable"))

    return choose


def oracle(morning: Morning) -> Integers:
    """To each the offer of the greatest true worth at the price of the budget: that at which, were everybody decided
    for this morning, they would be offered as much as the allotments of a round of days come to."""
    world, round_days = morning.world, morning.world.terms.contact.every_days
    everybody = true_effects(world, morning.state, morning.day, np.arange(len(world)))
    price = clearing_price(everybody.value, everybody.cost, morning.allotment * round_days)
    return best_at(morning.effects.value, morning.effects.cost, price)


def clearing_price(worth: Floats, cost: Floats, allotment: float) -> float:
    """The lowest price of cost at which the best choices of all come to no more than the allotment; by halving."""
    low, high = 0.0, 0.0
    if _asked(worth, cost, 0.0) > allotment:
        with np.errstate(divide="ignore", invalid="ignore"):
            high = float(np.nanmax(np.where(cost > 0.0, worth / cost, 0.0)))
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if _asked(worth, cost, middle) > allotment else (low, middle)
    return high


def best_at(worth: Floats, cost: Floats, price: float) -> Integers:
    """The best choice of each at a price of cost; nothing where none is worth its price."""
    left = worth - price * cost
    best = left.argmax(axis=1)
    return np.where(left[np.arange(len(left)), best] > 0.0, best, NOTHING).astype(np.int64)


def cost_of(cost: Floats, offers: Integers) -> Floats:
    """(k): of the chosen offers, 0 for nothing."""
    chosen: Floats = np.where(offers == NOTHING, 0.0, cost[np.arange(len(offers)), offers])
    return chosen


def _asked(worth: Floats, cost: Floats, price: float) -> float:
    return float(cost_of(cost, best_at(worth, cost, price)).sum())


def _within(morning: Morning, offers: Integers, order: Integers) -> Integers:
    from serving.proof.ledger import rationed

    return rationed(offers, cost_of(morning.effects.cost, offers), morning.allotment, order)
