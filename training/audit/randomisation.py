"""The cheapest experiment that would tell: how many customers to leave alone by chance, for how long, at what price.

What has to be seen is the effect at which a treatment pays for itself; a smaller one is not worth its cost, and a
larger one is seen sooner.
"""

from dataclasses import dataclass

import numpy as np

from experiments.power import units_needed
from training.audit.selection import Effect, Learned
from training.audit.waves import WAVE_DAYS, Panel

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
MOST_WEEKS = 26
LEAST_EFFECT = 0.002
"""Where nothing is known of costs, or they are next to nothing: two more buyers in a thousand."""


@dataclass(frozen=True, slots=True)
class Design:
    """``share`` of those to be treated are left alone.

    ``price`` is what that may cost in all: the margin of the largest effect that the log allows, less what is not given
    away. Below 0 it saves money even then.
    """

    share: float
    weeks: float
    customers: int
    left_alone: int
    price: float


@dataclass(frozen=True, slots=True)
class Randomisation:
    """``effect`` is the one to be seen, in the share of customers who buy; ``best`` is ``None`` where none would do."""

    effect: float
    is_break_even: bool
    margin_per_buyer: float
    cost_each: float
    treated_a_week: float
    variance_explained: float
    designs: tuple[Design, ...]
    best: Design | None


def randomisation_of(panel: Panel, learned: Learned, adjusted: Effect, margin_rate: float) -> Randomisation:
    """``margin_rate`` is the share of spend that is margin."""
    treated = panel.treated
    buyers = panel.bought
    spend = float(panel.spend[buyers].mean()) if buyers.any() else 0.0
    margin = margin_rate * spend
    cost_each = float(panel.cost[treated].mean())
    break_even = cost_each / margin if margin > 0 else 0.0
    effect = max(break_even, LEAST_EFFECT)
    chance = float(np.clip(learned.if_not[treated].mean(), 0.001, 0.999))
    explained = _explained(panel, learned)
    a_week = float(np.bincount(panel.wave[treated]).mean()) * 7 / WAVE_DAYS / panel.drawn
    deviation = float(np.sqrt(chance * (1 - chance)))
    most_lost = max(adjusted.high, 0.0) * margin - cost_each
    designs = []
    for share in SHARES:
        units = units_needed(deviation, effect, variant_share=1 - share, variance_reduction=explained)
        left_alone = round(units * share)
        designs.append(Design(share, units / a_week, units, left_alone, left_alone * most_lost))
    possible = [one for one in designs if one.weeks <= MOST_WEEKS]
    best = min(possible, key=lambda one: (one.price, one.weeks), default=None)
    return Randomisation(
        effect=effect,
        is_break_even=break_even >= LEAST_EFFECT,
        margin_per_buyer=margin,
        cost_each=cost_each,
        treated_a_week=a_week,
        variance_explained=explained,
        designs=tuple(designs),
        best=best,
    )


def _explained(panel: Panel, learned: Learned) -> float:
    """Of the variance of buying, what was known before explains: what CUPED with such a prediction takes away."""
    others = ~panel.treated
    bought, chance = panel.bought[others].astype(np.float64), learned.if_not[others]
    if bought.size < 2 or bought.std() == 0 or chance.std() == 0:
        return 0.0
    return float(np.clip(np.corrcoef(bought, chance)[0, 1], 0.0, 1.0) ** 2)
