"""Deciding for everyone: a plan's decisions, logged and reserved like any other, in batches of one transaction each.

What is decided is durable batch by batch, so a plan that was interrupted goes on where it stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec import structs
from sqlalchemy import Connection, or_, select

from features.customer_links import present_ids
from features.instant import Instant
from features.money import Money
from features.packing import unpack
from features.profiles import Profiles
from features.schema import assignments, profiles
from features.store import Store
from serving.answer import without_refused
from serving.customer_history import CustomerHistory, histories_of
from serving.decide import decide
from serving.decision import CustomerState, DecisionRequest, Predictions
from serving.decision_log import Entry, exposures_of, record
from serving.experiment_facts import facts_of
from serving.kept_contents import KeptContents
from serving.loading import Assigned, BrandState
from serving.offer_evaluation import Case
from serving.plan import PlanTerms, decided_customers, reserved_cost
from serving.population import Population
from serving.predictions import predict, predict_each
from serving.refusal import Refusal
from serving.verbs import Report

BATCH = 500


def decide_all(
    store: Store,
    terms: PlanTerms,
    population: Population,
    state: BrandState,
    report: Report,
    batch_size: int = BATCH,
    *,
    now: Instant,
) -> None:
    """Decide for everyone who has no decision of this plan yet; what is decided is durable batch by batch.

    What is held at ``now`` stays held, though the plan be for a later time.
    """
    with store.reading() as connection:
        decided, spent = decided_customers(connection, terms), reserved_cost(connection, terms)
        variants = _variants(connection, terms.brand) if state.experiments else {}
    planner = _Planner(terms, state, variants)
    done, contents = len(decided), KeptContents()
    for batch in _in_order(population, planner, decided, batch_size):
        entries = planner.entries(population, batch, _blocked_since(store, terms, batch.customer_ids))
        with store.writing() as connection:
            within = _within(entries, terms.budget, spent)
            for kept in record(connection, within, lake=store.lake, now=now, contents=contents):
                spent += sum(one.reserved_cost for one in kept.decision.offers) if kept.decision else 0
        done += len(batch)
        report("deciding", done, len(population))


@dataclass(frozen=True, slots=True)
class _Planner:
    """``variants`` are those that customers were dealt before: by experiment, by customer."""

    terms: PlanTerms
    state: BrandState
    variants: Mapping[str, Mapping[str, str]]

    def entries(self, population: Population, batch: Profiles, blocked: set[str]) -> list[Entry]:
        offers = self.state.offers
        states = list(population.states(batch))
        customers = [state.customer for state in states]
        predictions = predict_each(self.state.models, batch, self.terms.as_of, offers, customers)
        known = zip(states, predictions, histories_of(batch, offers), strict=True)
        return [
            self._entry(structs.replace(customer, is_blocked=customer_id in blocked), customer_id, predicted, history)
            for customer_id, (customer, predicted, history) in zip(batch.customer_ids, known, strict=True)
        ]

    def _entry(
        self, customer: CustomerState, customer_id: str, predicted: Predictions, history: CustomerHistory
    ) -> Entry:
        """``predicted`` is by the champions; a variant of other models has its own."""
        terms, offers = self.terms, self.state.offers
        assigned = self._assigned(customer_id, customer)
        models, policy = self.state.treated(assigned)
        if models is not self.state.models and customer.profile is not None:
            predicted = predict(models, customer.profile, terms.as_of, offers, customer.customer)
        request = DecisionRequest(customer_id, terms.as_of, terms.decision_id(customer_id), terms.brand, terms.channels)
        held_long = replace(policy, reservation_seconds=policy.message_reservation_seconds)
        decision = decide(request, customer, history, offers, predicted, held_long)
        return Entry(
            request=request,
            decision=decision,
            predictions=predicted,
            policy_version=policy.version,
            currency=offers.terms.currency,
            targets=self.state.targets,
            assigned=assigned,
            exposures=() if customer.is_blocked else exposures_of(request, decision, assigned),
            case=Case(request, customer, history, offers, predicted, held_long),
        )

    def _assigned(self, customer_id: str, customer: CustomerState) -> Assigned:
        if not self.state.experiments:
            return ()
        channel = next(iter(self.terms.channels), None)
        known = facts_of(self.state.experiments, customer, channel, self.terms.as_of)
        return self.state.assign(customer_id, self.variants.get(customer_id, {}), self.terms.as_of, known)


def _variants(connection: Connection, brand: str) -> dict[str, dict[str, str]]:
    of = assignments.c
    variants: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(of.unit_id, of.experiment, of.variant).where(of.brand == brand)):
        variants.setdefault(row.unit_id, {})[row.experiment] = row.variant
    return variants


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
        kept.append(_without_offers(entry) if is_too_dear else entry)
    return kept


def _without_offers(entry: Entry) -> Entry:
    withheld = {one.offer_id: Refusal.BUDGET for one in entry.decision.offers}
    return structs.replace(entry, decision=without_refused(entry.decision, withheld), withheld=withheld)


def _blocked_since(store: Store, terms: PlanTerms, customer_ids: Sequence[str]) -> set[str]:
    """Who is blocked now, by whatever id, though not yet as of the plan's instant: a block counts at once."""
    with store.reading() as connection:
        present = present_ids(connection, terms.brand, customer_ids)
        merged_into = {stays for customer_id, stays in present.items() if stays != customer_id}
        query = select(profiles.c.customer_id, profiles.c.body).where(
            profiles.c.brand == terms.brand,
            profiles.c.customer_id.in_(set(present.values())),
            or_(profiles.c.last_event_at >= terms.as_of, profiles.c.customer_id.in_(merged_into)),
        )
        changed = connection.execute(query).all()
    states = {row.customer_id: unpack(row.customer_id, row.body).states[0] for row in changed}
    blocked = {customer_id for customer_id, words in states.items() if words.get("blocked", (0, ""))[1] == "yes"}
    return {customer_id for customer_id, stays in present.items() if stays in blocked}
