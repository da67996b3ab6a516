r"""A world whose customers answer offers in a known way: what offers truly bring can be computed, not only estimated.

Time goes by days. Of customer :math:`i` on day :math:`t` an order of their own comes with :math:`p`. The first while an
offer is open redeems it, though it would have come anyway (subsidy). Who has not come until the offer's last day comes
then because of it with :math:`e`::

    p = 1 - exp(-rate_i * season_t)
    e = effect_ij * (1 - fatigue) ** contacts_i

An effect below 0 keeps that share of their own orders away while the offer is open. All chance of a day is drawn by
(seed, day) for all customers before anything is decided, so that two policies meet the same days: common random
numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.world_terms import DRIVERS, OfferTruth, WorldTerms

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOTHING = -1
"""In place of an offer's number: none."""
DAYS_PER_YEAR = 365.25
MOST_ORDERS_PER_DAY = 2.0
LARGEST_EFFECT = 0.9
LARGE_ORDER = 4.0
"""In mean orders of the customer: a share is given on no more than this."""
_OF_CUSTOMERS, _OF_DAY = 0, 1
"""Streams of chance."""


@dataclass(frozen=True, slots=True)
class World:
    """Of n customers and m offers.

    ``effects`` (n, m) are the true individual effects before fatigue and drift; ``drivers`` (n, drivers) what moves
    them, ``shown`` (n, drivers) what the brand knows of that, and ``peak_hour`` (n) when they shop.
    """

    terms: WorldTerms
    seed: int
    rate: Floats
    spend: Floats
    effects: Floats
    drivers: Floats
    shown: Floats
    peak_hour: Floats
    contact_day: Integers
    """On which day of the rhythm of contacts each is decided for."""

    def __len__(self) -> int:
        return len(self.rate)

    def effects_on(self, day: int) -> Floats:
        """(n, m), drift included."""
        drift = self.terms.drift
        if drift is None or day < drift.day:
            return self.effects
        factors = np.array([drift.factors.get(offer.offer_id, 1.0) for offer in self.terms.offers])
        drifted: Floats = np.clip(self.effects * factors, -LARGEST_EFFECT, LARGEST_EFFECT)
        return drifted

    def own_orders(self, day: int) -> Floats:
        """(n): the chance of an order of their own on that day, of those who have not left."""
        season = self.terms.season
        yearly = 1.0 + season.yearly * np.sin(2.0 * np.pi * day / DAYS_PER_YEAR)
        chance: Floats = 1.0 - np.exp(-self.rate * season.weekdays[day % 7] * yearly)
        return chance

    def decided_on(self, day: int) -> Integers:
        """The customers who are decided for on that day."""
        return np.flatnonzero(self.contact_day == day % self.terms.contact.every_days)


@dataclass(slots=True)
class State:
    """What has become of the customers so far: (n) each. ``offer`` is open until the end of the day ``last_day``."""

    is_here: Flags
    contacts: Floats
    """Remembered contacts: each counts 1 at first and is forgotten by halves."""
    offer: Integers
    last_day: Integers

    def copy(self) -> "State":
        return State(self.is_here.copy(), self.contacts.copy(), self.offer.copy(), self.last_day.copy())


@dataclass(frozen=True, slots=True)
class Expected:
    """(n) each, in currency units; ``revenue`` is what is paid."""

    revenue: Floats
    cost: Floats
    margin: Floats


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day, (n) each, and what was to be expected of it given the state in the morning.

    ``redeemed`` is the offer that the order of the day redeemed, else ``NOTHING``; ``cost`` what that cost. ``amount``
    is before the cost of a discount.
    """

    ordered: Flags
    amount: Floats
    redeemed: Integers
    cost: Floats
    expected: Expected


def make_world(terms: WorldTerms, customers: int, seed: int) -> World:
    chance = np.random.default_rng([seed, _OF_CUSTOMERS])
    about = terms.customers
    rate = about.orders_per_day * np.exp(about.orders_spread * chance.standard_normal(customers))
    spend = about.spend_per_order * np.exp(about.spend_spread * chance.standard_normal(customers))
    drivers = chance.standard_normal((customers, len(DRIVERS)))
    noise = chance.standard_normal((customers, len(DRIVERS)))
    evening = chance.random(customers) < 0.6
    peak = np.where(evening, 17.5, 12.0) + 1.5 * chance.standard_normal(customers)
    return World(
        terms,
        seed,
        np.minimum(rate, MOST_ORDERS_PER_DAY),
        spend,
        _effects(terms, drivers),
        drivers,
        about.shown * drivers + np.sqrt(1.0 - about.shown**2) * noise,
        peak,
        chance.integers(0, terms.contact.every_days, customers),
    )


def _effects(terms: WorldTerms, drivers: Floats) -> Floats:
    """Lognormal in what drives them, with the mean that the terms state (but for the largest, which are cut off)."""
    columns = []
    for offer in terms.offers:
        along = drivers[:, DRIVERS.index(offer.appeals_to)] * (-1.0 if offer.reverse else 1.0)
        columns.append(offer.uplift * np.exp(offer.heterogeneity * along - offer.heterogeneity**2 / 2.0))
    return np.clip(np.stack(columns, axis=1), -LARGEST_EFFECT, LARGEST_EFFECT)


def begin(world: World) -> State:
    customers = len(world)
    return State(
        np.ones(customers, dtype=np.bool_),
        np.zeros(customers),
        np.full(customers, NOTHING, dtype=np.int64),
        np.full(customers, -1, dtype=np.int64),
    )


def present(world: World, state: State, day: int, customers: Integers, offers: Integers) -> None:
    """Make these offers to these customers this morning; ``NOTHING`` makes none."""
    contacted = customers[offers != NOTHING]
    state.contacts[contacted] += 1.0
    state.offer[customers] = offers
    state.last_day[customers] = day + world.terms.contact.valid_days - 1


def live_through(world: World, state: State, day: int) -> Day:
    """The day; the state becomes that of the next morning."""
    chance = np.random.default_rng([world.seed, _OF_DAY, day])
    by_own, by_offer, redeeming, leaving = chance.random((4, len(world)))
    noise = world.terms.customers.order_noise
    amount = world.spend * np.exp(noise * chance.standard_normal(len(world)) - noise**2 / 2.0)
    is_open = state.is_here & (state.offer != NOTHING) & (state.last_day >= day)
    offer = np.where(is_open, state.offer, 0)
    own, added = order_chances(world, state, day, is_open, offer)
    ordered = (by_own < own) | (by_offer < added)
    acceptance = np.array([one.acceptance for one in world.terms.offers])
    is_redeemed = ordered & is_open & (redeeming < acceptance[offer])
    amount = np.where(ordered, amount, 0.0)
    cost = np.where(is_redeemed, _cost_of(world, offer, amount), 0.0)
    expected = _expected(world, own + (1.0 - own) * added, is_open, offer)
    happened = Day(ordered, amount, np.where(is_redeemed, offer, NOTHING), cost, expected)
    state.offer[ordered & is_open] = NOTHING
    _grow_tired(world, state, leaving)
    return happened


def order_chances(world: World, state: State, day: int, is_open: Flags, offer: Integers) -> tuple[Floats, Floats]:
    """(n), (n): of an order of their own, and of one that the offer brings where that does not come."""
    own = np.where(state.is_here, world.own_orders(day), 0.0)
    effect = world.effects_on(day)[np.arange(len(world)), offer]
    # The contact that brought the offer does not tire of itself.
    effect = np.where(is_open, effect * tired(world, np.maximum(state.contacts - 1.0, 0.0)), 0.0)
    return own * (1.0 + np.minimum(effect, 0.0)), np.where(state.last_day == day, np.maximum(effect, 0.0), 0.0)


def tired(world: World, contacts: Floats) -> Floats:
    """What is left of the response after so many remembered contacts, as a share."""
    left: Floats = (1.0 - world.terms.contact.fatigue) ** contacts
    return left


def _cost_of(world: World, offer: Integers, amount: Floats) -> Floats:
    """A discount takes off no more than the order comes to; shares are given on no more than a large order."""
    offers = world.terms.offers
    share = np.array([one.cost_rate for one in offers])[offer]
    cost = np.array([one.cost_amount for one in offers])[offer]
    cost = cost + share * np.minimum(amount, LARGE_ORDER * world.spend)
    is_discount = np.array([one.is_discount for one in offers])[offer]
    charged: Floats = np.where(is_discount, np.minimum(cost, amount), cost)
    return charged


def _expected(world: World, order: Floats, is_open: Flags, offer: Integers) -> Expected:
    offers = world.terms.offers
    acceptance = np.array([one.acceptance for one in offers])[offer]
    cost = np.where(is_open, order * acceptance * expected_cost(world)[np.arange(len(world)), offer], 0.0)
    spend = order * world.spend
    is_discount = np.array([one.is_discount for one in offers])[offer]
    revenue = spend - np.where(is_discount, cost, 0.0)
    return Expected(revenue, cost, world.terms.customers.margin_rate * spend - cost)


def largest_cost(world: World) -> Floats:
    """(n, m): the most that a redemption may cost."""
    offers = world.terms.offers
    share = np.array([one.cost_rate for one in offers])
    cost: Floats = np.array([one.cost_amount for one in offers]) + LARGE_ORDER * share * world.spend[:, np.newaxis]
    return cost


def expected_cost(world: World) -> Floats:
    """(n, m): of a redemption."""
    return np.stack([_expected_cost(world, offer) for offer in world.terms.offers], axis=1)


def _expected_cost(world: World, offer: OfferTruth) -> Floats:
    """Below an edge a discount is all of the order; beyond a large order a share grows no more."""
    fixed, share, large = offer.cost_amount, offer.cost_rate, LARGE_ORDER * world.spend
    edge = np.zeros_like(large)
    if offer.is_discount:
        edge = np.full_like(large, np.inf if share >= 1.0 else fixed / (1.0 - share))
        edge = np.where(edge <= large, edge, np.maximum(fixed + share * large, large))
    below, above = _amounts_below(world, edge), _amounts_below(world, np.maximum(large, edge))
    between = share * (above[0] - below[0]) * (edge < large)
    rest = np.where(edge < large, 1.0 - above[1], 1.0 - below[1])
    cost: Floats = below[0] + fixed * (1.0 - below[1]) + between + share * large * rest
    return cost


def _amounts_below(world: World, edge: Floats) -> tuple[Floats, Floats]:
    """Of each customer's lognormal amounts: the mean of what lies below the edge (0 for the rest), and how often."""
    from scipy.special import ndtr

    noise = world.terms.customers.order_noise
    with np.errstate(divide="ignore"):
        height = np.log(edge / world.spend)
    if noise == 0.0:
        share = (height > 0.0).astype(np.float64)
        return world.spend * share, share
    z = height / noise + noise / 2.0
    return world.spend * ndtr(z - noise), ndtr(z)


def _grow_tired(world: World, state: State, leaving: Floats) -> None:
    contact = world.terms.contact
    hazard = world.terms.customers.leaving_per_year / DAYS_PER_YEAR * (1.0 + contact.leaving * state.contacts)
    state.is_here &= leaving >= 1.0 - np.exp(-hazard)
    state.contacts *= 0.5 ** (1.0 / contact.half_life_days)
