"""Deciding for everyone: a plan's decisions, logged and reserved like any other, in batches of one transaction each.

What is decided is durable batch by batch, so a plan that was interrupted goes on where it stopped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select

from features.money import Money
from features.packing import unpack
from features.profiles import Profiles
from features.schema import profiles
from features.store import Store
from serving.answer import without_refused
from serving.decide import CustomerState, Decision, DecisionRequest, Predictions, decide
from serving.decision_log import Entry, record
from serving.eligibility import Refusal
from serving.loading import BrandState
from serving.plan import PlanTerms, decided_customers, reserved_cost
from serving.policy import Policy
from serving.population import Population
from serving.predictions import predict_each
from serving.verbs import Report

BATCH = 500


def decide_all(
    store: Store,
    terms: PlanTerms,
    population: Population,
    state: BrandState,
    report: Report,
    batch_size: int = BATCH,
) -> None:
    """Decide for everyone who has no decision of this plan yet; what is decided is durable batch by batch."""
    policy = replace(state.policy, reservation_seconds=state.policy.message_reservation_seconds)
    planner = _Planner(terms, state, policy)
    with store.reading() as connection:
        decided, spent = decided_customers(connection, terms), reserved_cost(connection, terms)
    done = len(decided)
    for batch in _in_order(population, planner, decided, batch_size):
        entries = planner.entries(population, batch, _blocked_since(store, terms, batch.customer_ids))
        with store.writing() as connection:
            for kept in record(connection, _within(entries, terms.budget, spent), lake=store.lake):
                spent += sum(one.reserved_cost for one in kept.decision.offers) if kept.decision else 0
        done += len(batch)
        report("deciding", done, len(population))


@dataclass(frozen=True, slots=True)
class _Planner:
    terms: PlanTerms
    state: BrandState
    policy: Policy

    def entries(self, population: Population, batch: Profiles, blocked: set[str]) -> list[Entry]:
        terms, offers = self.terms, self.state.offers
        predictions = predict_each(self.state.models, batch, terms.as_of, offers)
        customers = population.states(batch)
        return [
            self._entry(replace(customer, is_blocked=customer_id in blocked), predicted, customer_id)
            for customer_id, customer, predicted in zip(batch.customer_ids, customers, predictions, strict=True)
        ]

    def _entry(self, customer: CustomerState, predicted: Predictions, customer_id: str) -> Entry:
        terms = self.terms
        decision_id = terms.decision_id(customer_id)
        request = DecisionRequest(customer_id, terms.as_of, decision_id, terms.brand, terms.channels)
        decision = decide(request, customer, self.state.offers, predicted, self.policy)
        currency = self.state.offers.terms.currency
        return Entry(request, decision, predicted, self.policy.version, currency)


def _in_order(population: Population, planner: _Planner, decided: set[str], batch_size: int) -> Iterator[Profiles]:
    """Who is still to be decided for, in batches; with a budget, those first for whom it is best spent."""
    left = [row for row, customer_id in enumerate(population.profiles.customer_ids) if customer_id not in decided]
    if planner.terms.budget is not None:
        worth = _worth_of_budget(population, planner)
        left.sort(key=lambda row: -worth[row])
    for start in range(0, len(left), batch_size):
        yield population.profiles.take(left[start : start + batch_size])


def _worth_of_budget(population: Population, planner: _Planner) -> list[float]:
    """For each customer the expected value of their decision for each unit of the budget that it holds."""
    worth: list[float] = []
    for batch in population.batches(BATCH):
        for entry in planner.entries(population, batch, set()):
            offers = entry.decision.offers
            worth.append(sum(one.expected_value for one in offers) / max(sum(one.reserved_cost for one in offers), 1))
    return worth


def _within(entries: Sequence[Entry], budget: Money | None, spent: Money) -> list[Entry]:
    """The entries, those that the budget has no room for answered with nothing."""
    if budget is None:
        return list(entries)
    kept = []
    for entry in entries:
        cost = sum(one.reserved_cost for one in entry.decision.offers)
        is_too_dear = cost > 0 and spent + cost > budget
        spent += 0 if is_too_dear else cost
        kept.append(replace(entry, decision=_without_offers(entry.decision)) if is_too_dear else entry)
    return kept


def _without_offers(decision: Decision) -> Decision:
    return without_refused(decision, {one.offer_id: Refusal.BUDGET for one in decision.offers})


def _blocked_since(store: Store, terms: PlanTerms, customer_ids: Sequence[str]) -> set[str]:
    """Who is blocked now, though not yet as of the plan's instant: a block counts at once."""
    query = select(profiles.c.customer_id, profiles.c.body).where(
        profiles.c.brand == terms.brand,
        profiles.c.customer_id.in_(customer_ids),
        profiles.c.last_event_at >= terms.as_of,
    )
    with store.reading() as connection:
        changed = connection.execute(query).all()
    states = {row.customer_id: unpack(row.customer_id, row.body).states[0] for row in changed}
    return {customer_id for customer_id, words in states.items() if words.get("blocked", (0, ""))[1] == "yes"}
