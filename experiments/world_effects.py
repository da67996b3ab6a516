"""What each offer truly brings to each customer, in expectation: what the oracle knows, and others are measured by."""

from dataclasses import dataclass

import numpy as np

from experiments.world import DAYS_PER_YEAR, Floats, Integers, State, World, expected_cost, tired

REMEMBERED_DAYS = 30
"""For so long the margin of a customer counts who leaves because of a contact."""


@dataclass(frozen=True, slots=True)
class TrueEffects:
    """(k, m) each, of k customers and m offers, over the days of an offer's validity and in currency units.

    ``margin`` is the margin that is added less the cost, ``cost`` is expected; ``leaving`` (k) is what a contact costs
    because it makes customers leave, which is not part of ``margin``; ``anyway`` (k) is the margin without an offer.
    """

    orders: Floats
    margin: Floats
    cost: Floats
    leaving: Floats
    anyway: Floats

    @property
    def value(self) -> Floats:
        worth: Floats = self.margin - self.leaving[:, np.newaxis]
        return worth


def true_effects(world: World, state: State, day: int, customers: Integers) -> TrueEffects:
    """Of making each offer this morning, given what has become of the customers so far."""
    contact, terms = world.terms.contact, world.terms
    acceptance = np.array([one.acceptance for one in terms.offers])
    is_here = state.is_here[customers]
    spend, costs = world.spend[customers, np.newaxis], expected_cost(world)[customers] * acceptance
    shape = (len(customers), len(terms.offers))
    still_open, orders, cost = np.ones(shape), np.zeros(shape), np.zeros(shape)
    anyway = np.zeros(len(customers))
    forgetting = 0.5 ** (1.0 / contact.half_life_days)
    for ahead in range(contact.valid_days):
        own = np.where(is_here, world.own_orders(day + ahead)[customers], 0.0)[:, np.newaxis]
        before = np.maximum((state.contacts[customers] + 1.0) * forgetting**ahead - 1.0, 0.0)
        effect = world.effects_on(day + ahead)[customers] * tired(world, before)[:, np.newaxis]
        kept = own * (1.0 + np.minimum(effect, 0.0))
        is_last = is_here[:, np.newaxis] & (ahead == contact.valid_days - 1)
        added = np.where(is_last, (1.0 - kept) * np.maximum(effect, 0.0), 0.0)
        anyway += terms.customers.margin_rate * spend[:, 0] * own[:, 0]
        orders += still_open * (kept + added - own)
        cost += still_open * (kept + added) * costs
        still_open *= 1.0 - kept - added
    margin = terms.customers.margin_rate * spend * orders - cost
    leaving = np.where(is_here, _leaving(world, customers, forgetting), 0.0)
    return TrueEffects(orders, margin, cost, leaving, anyway)


def _leaving(world: World, customers: Integers, forgetting: float) -> Floats:
    about = world.terms.customers
    hazard = about.leaving_per_year / DAYS_PER_YEAR * world.terms.contact.leaving / (1.0 - forgetting)
    per_day = about.margin_rate * world.spend[customers] * (1.0 - np.exp(-world.rate[customers]))
    lost: Floats = (1.0 - np.exp(-hazard)) * per_day * REMEMBERED_DAYS
    return lost
