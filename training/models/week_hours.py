"""At which hours of the local week a customer is there: shrunk from the customer to alike customers to everyone.

Hours are 0 to 167, Monday 00:00 first. A customer's counts are weighed against a prior that knows the customer's own
hours of the day and weekdays; these are weighed against the hours of segments of customers with like patterns (a
mixture of multinomials), and those against everyone's. How much each weighs is a :class:`Strengths`, learned, never
set.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HOURS_PER_DAY = 24
DAYS_PER_WEEK = 7


class Activity(NamedTuple):
    """When n customers ordered and were otherwise active, as compressed sparse rows."""

    as_of: Instant
    order_offsets: Integers
    order_at: Integers
    order_hour: NDArray[np.uint8]
    engaged_offsets: Integers
    engaged_hour: NDArray[np.uint8]
    engaged: Integers


class Segments(NamedTuple):
    """``hours`` is (segments, 168), rows summing to 1; ``share`` is of customers."""

    hours: Floats
    log_hours: Floats
    log_share: Floats


class Strengths(NamedTuple):
    """How much evidence weighs.

    Attributes
    ----------
    hour_of_week, hour_of_day, weekday
        How many orders the prior of each is worth.
    membership
        The share of an order that counts when a customer's segment is inferred: orders of one person are alike.
    half_life_days
        Of an order.
    engagement
        How much an engagement (a view, an opening) weighs against an order.
    blur
        The share of an order that is given to each neighbouring hour.
    """

    hour_of_week: float
    hour_of_day: float
    weekday: float
    membership: float
    half_life_days: float
    engagement: float
    blur: float


def activity_of(profiles: Profiles, as_of: Instant) -> Activity:
    orders, hours = profiles.orders, profiles.hours
    return Activity(as_of, orders.offsets, orders.first_at, orders.hour, hours.offsets, hours.hour, hours.engaged)


@compiled
def counts_of(i: int, activity: Activity, strengths: Strengths) -> Floats:
    """Decayed orders and engagements of customer ``i`` by hour of the week."""
    counts = np.zeros(HOURS_PER_WEEK)
    for j in range(activity.order_offsets[i], activity.order_offsets[i + 1]):
        days = (activity.as_of - activity.order_at[j]) / MICROSECONDS_PER_DAY
        counts[activity.order_hour[j]] += np.exp2(-days / strengths.half_life_days)
    for j in range(activity.engaged_offsets[i], activity.engaged_offsets[i + 1]):
        counts[activity.engaged_hour[j]] += strengths.engagement * activity.engaged[j]
    return counts


@compiled
def all_counts(activity: Activity, strengths: Strengths) -> Floats:
    """(n, 168)."""
    customers = activity.order_offsets.shape[0] - 1
    counts = np.empty((customers, HOURS_PER_WEEK))
    for i in range(customers):
        counts[i] = counts_of(i, activity, strengths)
    return counts


@compiled
def orders_by_hour_of_day(activity: Activity, half_life_days: float, before: Instant) -> Floats:
    """(n, 24): decayed orders placed before an instant."""
    customers = activity.order_offsets.shape[0] - 1
    counts = np.zeros((customers, HOURS_PER_DAY))
    for i in range(customers):
        for j in range(activity.order_offsets[i], activity.order_offsets[i + 1]):
            if activity.order_at[j] < before:
                days = (activity.as_of - activity.order_at[j]) / MICROSECONDS_PER_DAY
                counts[i, activity.order_hour[j] % HOURS_PER_DAY] += np.exp2(-days / half_life_days)
    return counts


@compiled
def segment_mix(counts: Floats, segments: Segments, membership: float) -> Floats:
    """The hours of the segments, weighed by how likely the customer belongs to each."""
    kinds = segments.log_share.shape[0]
    odds = segments.log_share.copy()
    for hour in range(HOURS_PER_WEEK):
        if counts[hour] > 0.0:
            for kind in range(kinds):
                odds[kind] += membership * counts[hour] * segments.log_hours[kind, hour]
    weights = np.exp(odds - odds.max())
    weights /= weights.sum()
    mix = np.zeros(HOURS_PER_WEEK)
    for kind in range(kinds):
        mix += weights[kind] * segments.hours[kind]
    return mix


@compiled
def hours_of(counts: Floats, segments: Segments, strengths: Strengths) -> Floats:
    """The chance of each hour of the week for a customer with such counts; sums to 1."""
    mix = segment_mix(counts, segments, strengths.membership)
    blurred = np.empty(HOURS_PER_WEEK)
    for hour in range(HOURS_PER_WEEK):
        beside = counts[hour - 1] + counts[(hour + 1) % HOURS_PER_WEEK]
        blurred[hour] = (1.0 - 2.0 * strengths.blur) * counts[hour] + strengths.blur * beside
    total = counts.sum()
    own_day, own_hour = np.zeros(DAYS_PER_WEEK), np.zeros(HOURS_PER_DAY)
    mix_day, mix_hour = np.zeros(DAYS_PER_WEEK), np.zeros(HOURS_PER_DAY)
    for hour in range(HOURS_PER_WEEK):
        own_day[hour // HOURS_PER_DAY] += blurred[hour]
        own_hour[hour % HOURS_PER_DAY] += blurred[hour]
        mix_day[hour // HOURS_PER_DAY] += mix[hour]
        mix_hour[hour % HOURS_PER_DAY] += mix[hour]
    day = (own_day / mix_day + strengths.weekday) / (total + strengths.weekday)
    hour_of_day = (own_hour / mix_hour + strengths.hour_of_day) / (total + strengths.hour_of_day)
    for hour in range(HOURS_PER_WEEK):
        mix[hour] *= day[hour // HOURS_PER_DAY] * hour_of_day[hour % HOURS_PER_DAY]
    prior_weight = strengths.hour_of_week / mix.sum()
    chance: Floats = (blurred + prior_weight * mix) / (total + strengths.hour_of_week)
    return chance


@compiled
def all_hours(activity: Activity, segments: Segments, strengths: Strengths) -> Floats:
    """(n, 168)."""
    customers = activity.order_offsets.shape[0] - 1
    result = np.empty((customers, HOURS_PER_WEEK))
    for i in range(customers):
        result[i] = hours_of(counts_of(i, activity, strengths), segments, strengths)
    return result


def everyones_hours(counts: Floats, prior_orders: float = 50.0) -> Floats:
    """The share of each hour, drawn slightly to the product of its weekday's and its hour of the day's share.

    >>> bool(np.isclose(everyones_hours(np.zeros(168)), 1 / 168).all())
    True
    """
    total = counts.sum()
    share = ((counts + 1.0 / HOURS_PER_WEEK) / (total + 1.0)).reshape(DAYS_PER_WEEK, HOURS_PER_DAY)
    prior = np.outer(share.sum(axis=1), share.sum(axis=0)).ravel()
    result: Floats = (counts + prior_orders * prior) / (total + prior_orders)
    return result


def find_segments(counts: Floats, kinds: int, generator: np.random.Generator, rounds: int = 40) -> Segments:
    """A mixture of multinomials by expectation maximisation, each drawn to everyone's hours by its share of orders.

    ``counts`` is (n, 168). Starts are sums over random customers, so a seed gives the same segments.
    """
    everyone = everyones_hours(counts.sum(axis=0))
    pull = 0.02 * counts.sum() / kinds + 1.0
    chosen = generator.integers(0, len(counts), (kinds, max(1, len(counts) // (2 * kinds))))
    hours = np.stack([counts[some].sum(axis=0) for some in chosen]) + pull * everyone
    hours /= hours.sum(axis=1, keepdims=True)
    log_share = np.full(kinds, -np.log(kinds))
    for _ in range(rounds):
        odds = counts @ np.log(hours).T + log_share
        belongs = np.exp(odds - odds.max(axis=1, keepdims=True))
        belongs /= belongs.sum(axis=1, keepdims=True)
        hours = belongs.T @ counts + pull * everyone
        hours /= hours.sum(axis=1, keepdims=True)
        log_share = np.log((belongs.sum(axis=0) + 1.0) / (len(counts) + kinds))
    return Segments(hours, np.log(hours), log_share)
