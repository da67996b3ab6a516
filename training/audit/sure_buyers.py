"""What was given to those who would probably have bought anyway."""

from dataclasses import dataclass

import numpy as np

from training.audit.selection import Learned
from training.audit.waves import Floats, Panel
from training.metrics import expected_calibration_error

SURE = 0.8
"""Who buys within the horizon with this chance or more, untreated, counts as a sure buyer."""
BANDS = ((0.0, 0.2), (0.2, 0.5), (0.5, SURE), (SURE, 1.0))


@dataclass(frozen=True, slots=True)
class Band:
    """Treated customers by their chance of buying had they been left alone; ``cost`` in currency units."""

    low: float
    high: float
    treatments: int
    bought: float
    """Share of them who did buy, treated as they were."""
    cost: float


@dataclass(frozen=True, slots=True)
class SureBuyers:
    """``wasted`` is what was given to those who would have bought anyway, expected: each cost times its chance.

    ``calibration_error`` says how far these chances are off where they can be checked, among the untreated.
    """

    bands: tuple[Band, ...]
    cost: float
    cost_of_sure: float
    wasted: float
    treatments_of_sure: int
    treatments: int
    calibration_error: float

    @property
    def knows_costs(self) -> bool:
        return self.cost > 0


def sure_buyers_of(panel: Panel, learned: Learned) -> SureBuyers:
    treated = panel.treated
    chance, cost, bought = learned.if_not[treated], panel.cost[treated], panel.bought[treated]
    bands = tuple(_band(low, high, chance, bought.astype(np.float64), cost) for low, high in BANDS)
    others = ~treated
    return SureBuyers(
        bands=bands,
        cost=float(cost.sum()),
        cost_of_sure=bands[-1].cost,
        wasted=float((cost * chance).sum()),
        treatments_of_sure=bands[-1].treatments,
        treatments=int(treated.sum()),
        calibration_error=expected_calibration_error(panel.bought[others].astype(np.float64), learned.if_not[others]),
    )


def _band(low: float, high: float, chance: Floats, bought: Floats, cost: Floats) -> Band:
    mine = (chance >= low) & ((chance < high) if high < 1 else (chance <= high))
    share = float(bought[mine].mean()) if mine.any() else float("nan")
    return Band(low, high, int(mine.sum()), share, float(cost[mine].sum()))
