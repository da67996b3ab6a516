"""Our policy in the world: the project's own decisions, with their propensities, priced by the project's own pace."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.world import NOTHING, Floats
from experiments.world_events import customer_ids, instant_of
from features.money import from_money, to_money
from serving.decide import decide
from serving.decision import Decision, DecisionRequest
from serving.offer_evaluation import Case, evaluate
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.proof.course import Choice
from serving.proof.ledger import Ledger
from serving.proof.programme import Known, Programme
from serving.proof.rivals import Morning, clearing_price
from serving.shadow_price import Pace, next_pace

LEARNING = Policy(version="learning", epsilon=0.3, retention_lift=0.0, value_per_priority=0.0)
EARNING = Policy(version="earning", epsilon=0.02, retention_lift=0.0, value_per_priority=0.0)
"""Nothing was learned of coming back and nobody set priorities, so neither counts."""


@dataclass(slots=True)
class Ours:
    """``ends`` is the day until which the budget that is left has to last; ``expected`` (n) what the offer that each
    customer holds is expected to cost."""

    programme: Programme
    known: Known
    policy: Policy
    ledger: Ledger
    starts: int
    ends: int
    price: float = field(init=False)
    """Of a currency unit of the budget."""
    expected: Floats = field(init=False)
    _pace: Pace | None = None
    _number: dict[str, int] = field(init=False)
    _ids: list[str] = field(init=False)
    _charged_before: float = field(init=False)

    def __post_init__(self) -> None:
        self.expected = np.zeros(len(self.programme.world))
        self._number = {one.offer_id: number for number, one in enumerate(self.programme.world.terms.offers)}
        self._ids = customer_ids(self.programme.world)
        self._charged_before = self.ledger.charged
        self.price = self._opening_price()

    def __call__(self, morning: Morning) -> Choice:
        self._take_pace(morning.day)
        offers = np.full(len(morning.customers), NOTHING, dtype=np.int64)
        propensity = np.ones(len(morning.customers))
        self.expected[morning.customers] = 0.0
        for at, decision in enumerate(self.decisions(morning)):
            propensity[at] = decision.none_probability
            for one in decision.offers:
                offers[at], propensity[at] = self._number[one.offer_id], one.propensity
                self.expected[morning.customers[at]] = from_money(one.expected_cost)
        return Choice(offers, propensity)

    def decisions(self, morning: Morning) -> Iterator[Decision]:
        """One for each customer of the morning."""
        price = np.full(len(self.programme.offers.offers), self.price) if self.price > 0.0 else None
        table = replace(self.programme.offers, shadow_price=price)
        for row in morning.customers.tolist():
            case = self._case(row, morning.day, table)
            yield decide(case.request, case.customer, case.history, table, case.predictions, self.policy)

    def _case(self, row: int, day: int, table: OfferTable) -> Case:
        name, known = self._ids[row], self.known
        request = DecisionRequest(name, instant_of(day), f"d{day}-{name}", self.programme.brand, ("app",))
        return Case(request, known.states[row], known.histories[row], table, known.predictions[row], self.policy)

    def _opening_price(self) -> float:
        """At which one round of everybody's best offers, by our own estimates, comes to the budget of its days."""
        world, table = self.programme.world, self.programme.offers
        worth, cost = np.zeros((2, len(world), len(table.offers)))
        for row in range(len(world)):
            found = evaluate(self._case(row, self.starts, table))
            worth[row] = np.where(found.codes == 0, found.scores, 0.0)
            cost[row] = found.values.expected_cost
        return clearing_price(worth, cost, self.ledger.per_day * world.terms.contact.every_days)

    def chances_and_values(self, morning: Morning) -> tuple[Floats, Floats]:
        """(k, m + 1) each, none last: how likely each action was, and the margin that it is expected to add."""
        chances, values = np.zeros((2, len(morning.customers), len(self._number) + 1))
        for at, decision in enumerate(self.decisions(morning)):
            for one in decision.candidates:
                place = self._number.get(one.offer_id, NOTHING)
                chances[at, place], values[at, place] = one.probability, one.expected_value
        return chances, values

    def _take_pace(self, day: int) -> None:
        """The price of the budget for the days until ``ends``, from what was charged and is expected of open offers."""
        amount = self.ledger.per_day * (self.ends - self.starts)
        spent = self.ledger.charged - self._charged_before + float(self.expected[self.ledger.held > 0.0].sum())
        now, end = instant_of(day), instant_of(self.ends)
        if self._pace is None:
            self._pace = Pace(self.price, to_money(spent), now, now)
        else:
            self._pace = next_pace(self._pace, to_money(amount), to_money(spent), now, end)
        self.price = self._pace.price
