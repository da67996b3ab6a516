"""What a policy would do to everybody, expected over its own chance, before it is put in force.

Nothing is drawn, logged or reserved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from msgspec import structs

from features.events import NO_OFFER
from features.instant import Instant
from serving.contributions import expected_costs
from serving.customer_history import histories_of
from serving.decide import decide
from serving.decision import CustomerState, DecisionRequest, Predictions
from serving.loading import BrandState
from serving.offer_evaluation import Case
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.population import Population
from serving.predictions import predict_each
from serving.refusal import WORDS
from serving.verbs import Report

BATCH = 500
FEWEST_IN_GROUP = 20
"""Smaller groups are not told of: their figures would tell of persons, and mostly of chance."""
UNLIKE = 0.8
"""A group that gets less than this share of what the best treated group gets stands out (the four-fifths rule)."""
MOST_GROUPS = 12
"""Of an attribute: of more values the largest groups are told of."""
_THIRDS = ("lowest third", "middle third", "highest third")


class Tried(NamedTuple):
    """A policy, and the offers as it has them valued."""

    policy: Policy
    offers: OfferTable


@dataclass(slots=True)
class OfferSum:
    """Expected over customers: how often it is made, what that brings and costs (currency units)."""

    made: float = 0.0
    accepted: float = 0.0
    value: float = 0.0
    cost: float = 0.0
    eligible: int = 0


@dataclass(slots=True)
class PolicySum:
    """``nothing`` is the expected number of customers who are offered nothing, ``none_possible`` of whom no offer could
    be made to, with the commonest reason of each."""

    offers: dict[str, OfferSum] = field(default_factory=dict)
    customers: int = 0
    nothing: float = 0.0
    none_possible: dict[str, int] = field(default_factory=dict)
    offered: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    """By customer: the chance to be offered anything, and what is expected to be given to them."""

    @property
    def value(self) -> float:
        return sum(one.value for one in self.offers.values())

    @property
    def cost(self) -> float:
        return sum(one.cost for one in self.offers.values())


@dataclass(frozen=True, slots=True)
class GroupShare:
    """Of the customers of a group: how many they are, how likely an offer is, and what is expected to be given."""

    attribute: str
    group: str
    customers: int
    offered: float
    given: float
    stands_out: bool
    """Whether the group gets less than four fifths of what the best treated one gets, in offers or in value."""
    is_protected: bool


@dataclass(frozen=True, slots=True)
class PolicySimulation:
    before: PolicySum
    after: PolicySum
    groups: tuple[GroupShare, ...]
    """Under the policy that is tried."""


def simulate(
    population: Population,
    state: BrandState,
    tried: Tried,
    as_of: Instant,
    brand: str,
    channels: tuple[str, ...],
    protected: Sequence[str],
    report: Report,
) -> PolicySimulation:
    """What the policy in force, and another, would do to each customer of the population at ``as_of``.

    ``protected`` are the attributes that no model may use; whether they are treated alike is told all the same.
    """
    before, after = PolicySum(), PolicySum()
    for case in _cases(population, state, as_of, brand, channels):
        _add(before, case)
        _add(after, structs.replace(case, policy=tried.policy, offers=tried.offers))
        if after.customers % BATCH == 0:
            report("deciding", after.customers, len(population))
    known = _attributes(population)
    groups = tuple(group for name in sorted(known) for group in _groups(name, known[name], after, name in protected))
    return PolicySimulation(before, after, groups)


def _cases(
    population: Population, state: BrandState, as_of: Instant, brand: str, channels: tuple[str, ...]
) -> Iterator[Case]:
    """The decisions' ids are made of the customers', so that a second simulation is the same."""
    offers = state.offers
    for batch in population.batches(BATCH):
        customers: list[CustomerState] = list(population.states(batch))
        predictions: list[Predictions] = predict_each(
            state.models, batch, as_of, offers, [one.customer for one in customers]
        )
        known = zip(batch.customer_ids, customers, predictions, histories_of(batch, offers), strict=True)
        for customer_id, customer, predicted, history in known:
            request = DecisionRequest(customer_id, as_of, f"simulated-{customer_id}", brand, channels, is_dry_run=True)
            yield Case(request, customer, history, offers, predicted, state.policy)


def _add(total: PolicySum, case: Case) -> None:
    decision = decide(case.request, case.customer, case.history, case.offers, case.predictions, case.policy)
    costs = expected_costs(case)
    index = case.offers.rules.index
    given = 0.0
    for one in decision.candidates:
        if one.offer_id == NO_OFFER:
            continue
        found = total.offers.setdefault(one.offer_id, OfferSum())
        cost = one.probability * float(costs[index[one.offer_id]])
        found.made += one.probability
        found.accepted += one.probability * one.accept_probability
        found.value += one.probability * one.expected_value
        found.cost += cost
        given += cost
    for row in np.flatnonzero(np.frombuffer(decision.codes, np.int8) == 0).tolist():
        total.offers.setdefault(case.offers.offers[row].offer_id, OfferSum()).eligible += 1
    chance = sum(one.probability for one in decision.candidates if one.offer_id != NO_OFFER)
    total.customers += 1
    total.nothing += 1.0 - chance
    total.offered.append(chance)
    total.given.append(given)
    if len(decision.candidates) == 1:
        why = _commonest(decision.codes)
        total.none_possible[why] = total.none_possible.get(why, 0) + 1


def _commonest(codes: bytes) -> str:
    if not codes:
        return "no offers"
    numbers, counts = np.unique(np.frombuffer(codes, np.int8), return_counts=True)
    return WORDS[int(numbers[counts.argmax()])] or "not worth its cost"


def _attributes(population: Population) -> dict[str, list[str | None]]:
    """By attribute the group of each customer, in the population's order; ``None`` where it is unknown."""
    customers = [population.customers.get(customer_id) for customer_id in population.profiles.customer_ids]
    names = {name for customer in customers if customer is not None for name in (customer.attributes or {})}
    known: dict[str, list[str | None]] = {
        name: _grouped([None if one is None else (one.attributes or {}).get(name) for one in customers])
        for name in names
    }
    own: Mapping[str, Callable[..., object]] = {
        "tier": lambda one: one.tier,
        "language": lambda one: one.language,
        "birth_year": lambda one: None if one.birth_date is None else float(str(one.birth_date)[:4]),
    }
    for name, read in own.items():
        values = [None if one is None else read(one) for one in customers]
        if any(value is not None for value in values):
            known[name] = _grouped(values)
    return known


def _grouped(values: Sequence[object]) -> list[str | None]:
    """Words are groups; numbers are divided into thirds where there are many."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(set(numbers)) <= MOST_GROUPS or len(numbers) < len([value for value in values if value is not None]):
        return [None if value is None else str(value) for value in values]
    edges = np.quantile(np.array(numbers, dtype=np.float64), [1 / 3, 2 / 3])
    return [
        _THIRDS[int(np.searchsorted(edges, float(value), side="right"))] if isinstance(value, int | float) else None
        for value in values
    ]


def _groups(
    name: str, of_customers: Sequence[str | None], total: PolicySum, is_protected: bool
) -> Iterator[GroupShare]:
    offered, given = np.array(total.offered), np.array(total.given)
    told = np.array(["" if group is None else group for group in of_customers], dtype=object)
    names, counts = np.unique(told[told != ""].astype(str), return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")][:MOST_GROUPS]
    found = []
    for group in sorted(largest.tolist()):
        mine = told == group
        if mine.sum() >= FEWEST_IN_GROUP:
            found.append(
                GroupShare(
                    name, group, int(mine.sum()), float(offered[mine].mean()), float(given[mine].mean()), False,
                    is_protected,
                )
            )  # fmt: skip
    if len(found) < 2:
        return
    most_offered, most_given = max(one.offered for one in found), max(one.given for one in found)
    for one in found:
        is_low = one.offered < UNLIKE * most_offered or one.given < UNLIKE * most_given
        yield replace(one, stands_out=is_low)
