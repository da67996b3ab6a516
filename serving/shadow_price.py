r"""What a currency unit of a budget is worth elsewhere: the price that spreads it over its time, where it does most.

An offer is ranked by its value less :math:`\lambda c`, with :math:`c` its expected cost and :math:`\lambda` the sum of
the prices of the budgets that it draws on. The price follows dual mirror descent (Balseiro, Lu & Mirrokni 2023, "The
Best of Many Worlds: Dual Mirror Descent for Online Allocation Problems", Operations Research 71, algorithm 1), with the
negative entropy of :math:`\mu = 1 + \lambda` as the mirror map, since a value counts its cost once already::

    mu <- max(1, mu * exp(-step * (target - spent) / target))

``target`` is what is left of the budget over what is left of its time, as of the last step, so that what was spent too
fast or too slowly is made up for.
"""

import math

from msgspec import Struct

from features.instant import Instant
from features.money import Money

STEP = 0.5
"""Times the square root of the share that a step takes of the time since the start, as steps of mirror descent shrink
with the square root of their number; likewise of the time that is left, so that the end finds the budget spent.
"""
LARGEST_STEP = 0.3
LARGEST_EXCESS = 3.0
"""Of spending over the target, as a multiple of the target: a single large acceptance must not close a budget."""


class Pace(Struct, frozen=True):
    """The price of one budget, and what was ``spent`` of it when that was reckoned."""

    price: float
    spent: Money
    at: Instant
    started_at: Instant


def next_pace(pace: Pace, amount: Money, spent: Money, now: Instant, ends_at: Instant) -> Pace:
    """The pace after so much was ``spent`` by ``now``: charged, and expected of what is still held.

    After the end nothing is scarce any more.

    >>> next_pace(Pace(0.0, 0, 0, 0), 1_000, 20, now=10, ends_at=1_000).price > 0  # 20 instead of 10
    True
    """
    if now >= ends_at:
        return Pace(0.0, spent, now, pace.started_at)
    passed = now - pace.at
    share = passed / (ends_at - pace.at)
    target = (amount - pace.spent) * share
    excess = (spent - pace.spent) / target - 1.0 if target > 0 else LARGEST_EXCESS
    step = min(STEP * math.sqrt(max(share, passed / (now - pace.started_at))), LARGEST_STEP)
    cost = (1.0 + pace.price) * math.exp(step * min(max(excess, -1.0), LARGEST_EXCESS))
    return Pace(max(cost - 1.0, 0.0), spent, now, pace.started_at)
