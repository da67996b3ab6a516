"""Models that say the same of everybody, and what is told of a customer by them."""

from dataclasses import dataclass

import numpy as np

from features.batching import to_batch
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.product_lists import ProductLists
from features.profile import fold
from features.replenishment import due_of_all
from serving.predictions import NAMES, Models
from serving.scoring import score

NOW = parse("2026-01-05T10:00:00")
DAY = MICROSECONDS_PER_DAY
CATEGORIES = {"milk": "dairy", "cheese": "dairy", "tea": None}


class ConstantRhythm:
    def predict(self, features, _as_of):
        return np.full(len(features), 0.2), np.full(len(features), 21.0)


class Constant:
    """Churn: the same for everyone."""

    def __init__(self, value):
        self.value = value
        self.own_rhythm = ConstantRhythm()

    def predict(self, features, _as_of):
        return np.full(len(features), self.value)


class TenthAround:
    """The interval of a chance of churn."""

    def around(self, probability):
        return probability - 0.1, probability + 0.1


@dataclass
class Spends:
    mean: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


class ConstantSpend:
    other_horizons_days = (90,)

    def mean_within(self, _features, _as_of, mean):
        return {90: 2 * mean}

    def mean(self, features, as_of):
        return self.predict(features, as_of).mean

    def predict(self, features, _as_of):
        return Spends(*(np.full(len(features), value) for value in (50.0, 40.0, 0.0, 90.0)))


class AlwaysMilk:
    def __init__(self):
        self.prepared = 0

    def ranked_lists(self, profiles, _as_of, limit):
        many, listed = len(profiles), min(limit, 3)
        scores = np.tile([0.5, 0.3, 0.1][:listed], many)
        offsets = np.arange(many + 1) * listed
        return ProductLists(offsets, np.tile(np.arange(listed), many), scores, ["milk", "cheese", "tea"])

    def rank_new(self, profiles, _as_of, limit):
        return [(["rye"][:limit], [0.1][:limit])] * len(profiles)

    def due_lists(self, profiles, as_of, limit):
        return due_of_all(profiles, as_of, limit)

    def facts_of(self, targets):
        self.prepared += 1
        return targets

    def affinities(self, profiles, _as_of, _targets, _facts, is_asked):
        return np.where(is_asked, 0.25, 0.0).repeat(len(profiles)).reshape(-1, len(profiles)).T


class Evidence:
    """Of everybody's own purchases, of nobody in particular where there are none."""

    def __init__(self, profiles):
        self.level = np.where(np.diff(profiles.orders.offsets) > 0, 1, 3)
        self.is_less_than_own = self.level != 1


class Evenings:
    def evidence(self, profiles, _as_of):
        return Evidence(profiles)

    def predict(self, profiles, _as_of):
        scores = np.full((len(profiles), 168), 0.5 / 167)
        scores[:, 18] = 0.5
        return scores

    def predict_channels(self, profiles, as_of):
        scores = self.predict(profiles, as_of)
        return scores, {"push": np.roll(scores, 1, axis=1)}


def models(**changed):
    every = {
        "churn": Constant(0.4),
        "churn_interval": TenthAround(),
        "lifetime_value": ConstantSpend(),
        "favourite_product": AlwaysMilk(),
        "send_time": Evenings(),
        "versions": dict.fromkeys(NAMES, "3"),
        "horizon_days": dict.fromkeys(NAMES, 30),
        "trained_until": dict.fromkeys(NAMES, NOW),
    }
    return Models(**(every | changed))


def event(number, kind=EventType.PURCHASE, **fields):
    fields = {"occurred_at": NOW - round(DAY * number), **fields}
    return Event(event_id=f"{number}-{kind}", type=kind, customer_id="anna", **fields)


def profile(*events):
    return to_batch("anna", fold(events, "UTC"), "UTC")


WEEKLY = [event(7 * n, product_id="milk", amount=100_000, order_id=f"o{n}", channel="store") for n in range(1, 9)]


def scored(profiles, chosen=None, **options):
    return list(score(profiles, "default", NOW, chosen or models(), CATEGORIES, **options))
