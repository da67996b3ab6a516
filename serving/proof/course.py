"""How one policy fares in the world, day by day."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from experiments.world import NOTHING, Day, Floats, Integers, State, World, live_through, present
from experiments.world_effects import TrueEffects, true_effects
from experiments.world_events import Decisions, Narrator
from serving.proof.ledger import Ledger
from serving.proof.rivals import Morning, cost_of, oracle


@dataclass(frozen=True, slots=True)
class Choice:
    """Of each customer of a morning the offer, and how likely it was; NaN where that was not left to chance."""

    offers: Integers
    propensity: Floats


Decide = Callable[[Morning], Choice]


@dataclass(slots=True)
class Totals:
    """By customer (n): what was to be expected, and how many offers were made."""

    margin: Floats
    revenue: Floats
    cost: Floats
    offers: Floats

    def add(self, lived: Day) -> None:
        self.margin += lived.expected.margin
        self.revenue += lived.expected.revenue
        self.cost += lived.expected.cost


def no_totals(customers: int) -> Totals:
    return Totals(*(np.zeros(customers) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class DayValue:
    """Means over the customers who were decided for: what the choices are truly worth, and the oracle's would be."""

    day: int
    decided: int
    value: float
    best: float


@dataclass(slots=True)
class Course:
    """Of each day what was decided; where there is a narrator also what that was truly worth, the realised margins (n),
    and ``told``, the events that nobody has taken in yet."""

    world: World
    state: State
    ledger: Ledger
    narrator: Narrator | None = None
    decided: list[Decisions] = field(default_factory=list)
    effects: list[TrueEffects] = field(default_factory=list)
    values: list[DayValue] = field(default_factory=list)
    margins: list[Floats] = field(default_factory=list)
    told: list[pa.Table] = field(default_factory=list)
    made: Integers = field(init=False)
    redeemed: Integers = field(init=False)
    """(m): how often each offer was made, and redeemed."""

    def __post_init__(self) -> None:
        self.made, self.redeemed = np.zeros((2, len(self.world.terms.offers)), dtype=np.int64)

    def copy(self, *, is_told: bool = False) -> "Course":
        """Another future from the same morning; nothing of the past is in it."""
        narrator = self.narrator.copy() if is_told and self.narrator is not None else None
        return Course(self.world, self.state.copy(), self.ledger.copy(), narrator)

    def newly_told(self) -> list[pa.Table]:
        """What was told since this was last asked."""
        told, self.told = self.told, []
        return told

    def live(self, day: int, decide: Decide, totals: Totals | None = None) -> None:
        """One day: decide, and let it happen."""
        customers = self.world.decided_on(day)
        effects = true_effects(self.world, self.state, day, customers)
        morning = Morning(self.world, self.state, day, customers, effects, self.ledger.per_day)
        choice = decide(morning)
        made = self.ledger.within(customers, choice.offers)
        if self.narrator is not None:
            self.values.append(_value(morning, made))
        # An offer that the budget had no room for is answered with none, and how likely that was is not known.
        propensity = np.where(made == choice.offers, choice.propensity, np.nan)
        present(self.world, self.state, day, customers, made)
        lived = live_through(self.world, self.state, day)
        self.ledger.settle(self.state, day, lived.cost)
        self.made += _counts(made, len(self.made))
        self.redeemed += _counts(lived.redeemed, len(self.made))
        if totals is not None:
            totals.add(lived)
            totals.offers[customers] += made != NOTHING
        decided = Decisions(customers, made, propensity)
        self.decided.append(decided)
        self.effects.append(effects)
        if self.narrator is not None:
            self.told.append(self.narrator.tell(day, decided, lived))
            self.margins.append(self.world.terms.customers.margin_rate * lived.amount - lived.cost)


def _counts(offers: Integers, count: int) -> Integers:
    return np.bincount(offers[offers != NOTHING], minlength=count).astype(np.int64)


def _value(morning: Morning, made: Integers) -> DayValue:
    count = len(made)
    if not count:
        return DayValue(morning.day, 0, 0.0, 0.0)
    worth = morning.effects.value
    best = oracle(morning)
    return DayValue(morning.day, count, float(cost_of(worth, made).mean()), float(cost_of(worth, best).mean()))
