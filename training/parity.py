"""Is what the service knows of customers what their history says? Stored profiles against the same aggregated anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from features.history import History, open_history
from features.instant import Instant
from features.packing import unpack_all
from features.profile_store import read_profiles
from features.profiles import Profiles
from features.schema import profiles
from features.store import Store
from features.vector import FEATURES, vector

Floats = NDArray[np.float64]
TOLERANCE = 1e-9
"""Relative: sums of decayed numbers differ by the order in which they were added."""
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A feature of a customer that is not the same; ``None`` is missing."""

    customer_id: str
    feature: str
    online: float | None
    offline: float | None


@dataclass(frozen=True, slots=True)
class Parity:
    """``only_online`` have a profile and no history, ``only_offline`` a history and no profile; of those compared,
    ``largest`` is the largest relative difference of any feature."""

    customers: int
    compared: int
    features: int
    largest: float
    differences: tuple[Difference, ...]
    different: int
    only_online: tuple[str, ...]
    only_offline: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not (self.different or self.only_online or self.only_offline)


def check_parity(store: Store, brand: str, now: Instant, sample: int, seed: int) -> Parity:
    """Compare the vectors, at one instant, of so many customers drawn at random; of all, who is known on which side."""
    with store.reading() as connection:
        query = select(profiles.c.customer_id).where(profiles.c.brand == brand).order_by(profiles.c.customer_id)
        stored = list(connection.execute(query).scalars())
    with open_history(store, brand) as history:
        known = _known(history)
        both = np.array(sorted(known.intersection(stored)), dtype=object)
        drawn = np.random.default_rng(seed).permutation(len(both))[:sample]
        asked = sorted(both[drawn].tolist())
        offline = history.profiles(None, customer_ids=asked) if asked else None
    online = _stored(store, brand, asked)
    found, largest = ([], 0.0) if offline is None else _compared(online, offline, now)
    return Parity(
        customers=len(stored),
        compared=len(asked),
        features=len(FEATURES),
        largest=largest,
        differences=tuple(found[:MOST_SHOWN]),
        different=len(found),
        only_online=tuple(sorted(set(stored) - known)),
        only_offline=tuple(sorted(known.difference(stored))),
    )


def _known(history: History) -> set[str]:
    """Everybody with an event, under the ids of those who stay."""
    ids = history.customer_ids()
    root = history.whereabouts(None).roots
    return {root.get(customer_id, customer_id) for customer_id in ids}


def _stored(store: Store, brand: str, customer_ids: Sequence[str]) -> Profiles:
    with store.reading() as connection:
        found = read_profiles(connection, brand, customer_ids)
    return unpack_all(list(customer_ids), [found[customer_id] for customer_id in customer_ids])


def _compared(online: Profiles, offline: Profiles, now: Instant) -> tuple[list[Difference], float]:
    order = {customer_id: row for row, customer_id in enumerate(offline.customer_ids)}
    offline = offline.take([order[customer_id] for customer_id in online.customer_ids])
    latest = max(int(online.last_event_at.max()), int(offline.last_event_at.max()))
    as_of = max(now, latest + 1)
    here, there = vector(online, as_of), vector(offline, as_of)
    gap = relative_gap(here, there)
    rows, columns = np.nonzero(gap > TOLERANCE)
    told = [
        Difference(online.customer_ids[row], FEATURES[column], _number(here[row, column]), _number(there[row, column]))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return told, float(gap.max(initial=0.0))


def relative_gap(one: Floats, other: Floats) -> Floats:
    """Of each pair; missing against a number is infinitely far apart.

    >>> relative_gap(np.array([1.0, np.nan, np.nan]), np.array([1.5, np.nan, 2.0]))
    array([0.33333333, 0.        ,        inf])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(one == other, 0.0, np.abs(one - other) / np.maximum(np.abs(one), np.abs(other)))
    both_missing = np.isnan(one) & np.isnan(other)
    return np.where(both_missing, 0.0, np.where(np.isnan(gap), np.inf, gap))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
