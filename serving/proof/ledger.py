"""One policy's budget: never passed, and spent at an even pace."""

from dataclasses import dataclass, field

import numpy as np

from experiments.world import NOTHING, Floats, Integers, State, World, largest_cost

RESERVE = 4
"""Times the days of validity: for so long more the limit has to last than the simulation, so that the offers that are
open on its last days are covered too."""


@dataclass(slots=True)
class Ledger:
    """``held`` (n) is the most that the offer which each customer holds may cost; currency units."""

    world: World
    limit: float
    per_day: float
    """What may be expected to be spent in a day."""
    charged: float = 0.0
    held: Floats = field(init=False)
    _largest: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.held = np.zeros(len(self.world))
        self._largest = largest_cost(self.world)

    def copy(self) -> "Ledger":
        found = Ledger(self.world, self.limit, self.per_day, self.charged)
        found.held = self.held.copy()
        return found

    def within(self, customers: Integers, offers: Integers) -> Integers:
        """The offers, without those that the budget has no room for: first come, first served."""
        self.held[customers] = 0.0
        worst = np.where(offers == NOTHING, 0.0, self._largest[customers, offers])
        room = self.limit - self.charged - self.held.sum()
        kept = np.where((np.cumsum(worst) <= room) | (worst == 0.0), offers, NOTHING)
        self.held[customers] = np.where(kept == offers, worst, 0.0)
        return kept

    def settle(self, state: State, day: int, cost: Floats) -> None:
        """After a day: what was redeemed is charged, what is not open any more is held no longer."""
        self.charged += float(cost.sum())
        self.held[(state.offer == NOTHING) | (state.last_day <= day)] = 0.0


def open_ledger(world: World, days: int) -> Ledger:
    limit = world.terms.budget * len(world) * days
    return Ledger(world, limit, limit / (days + RESERVE * world.terms.contact.valid_days))


def rationed(offers: Integers, cost: Floats, allotment: float, order: Integers) -> Integers:
    """The offers to those who come first in ``order``, as far as the allotment reaches; to the others nothing.

    ``cost`` (k) is what the offer to each is expected to cost.
    """
    spent = np.cumsum(np.where(offers == NOTHING, 0.0, cost)[order])
    kept = offers.copy()
    kept[order[spent > allotment]] = NOTHING
    return kept
