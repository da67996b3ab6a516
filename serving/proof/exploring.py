"""Where a programme begins: offers by chance, with a part for the one that is taken up most so far."""

from dataclasses import dataclass

import numpy as np

from experiments.world import NOTHING
from serving.proof.course import Choice, Course
from serving.proof.rivals import Morning

LEAST_NOTHING = 0.3
"""Nobody learns what offers add without those who get none."""
POPULAR = 0.1
PACE = 1.25
"""In days' allotments: what is learned early is of use for longer."""
_OF_EXPLORING = 6
"""A stream of chance."""


@dataclass(frozen=True, slots=True)
class Exploring:
    """``course`` is what happened so far, which tells the most popular offer."""

    course: Course

    def __call__(self, morning: Morning) -> Choice:
        count = len(morning.world.terms.offers)
        weights = np.full(count, (1.0 - POPULAR) / count)
        weights[most_popular(self.course)] += POPULAR
        cost = float((morning.effects.cost @ weights).sum())
        reached = min(PACE * morning.allotment / cost, 1.0) if cost > 0.0 else 1.0
        chances = np.append(weights * min(reached, 1.0 - LEAST_NOTHING), 0.0)
        chances[NOTHING] = 1.0 - chances.sum()
        uniform = np.random.default_rng([morning.world.seed, _OF_EXPLORING, morning.day]).random(len(morning.customers))
        drawn = np.minimum(np.searchsorted(np.cumsum(chances), uniform, side="right"), count)
        offers = np.where(drawn == count, NOTHING, drawn).astype(np.int64)
        return Choice(offers, chances[offers])


def most_popular(course: Course) -> int:
    """The offer that was redeemed most often for each time that it was made; the first until anything was."""
    return int((course.redeemed / np.maximum(course.made, 1)).argmax())
