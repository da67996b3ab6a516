"""A random part of a snapshot, where a model learns as much from fewer customers and fits into memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.consent import refusing as known_to_refuse
from features.instant import MICROSECONDS_PER_DAY
from features.profile_tables import offsets_of, ranges
from features.vector import PURCHASES

if TYPE_CHECKING:
    from features.history import Snapshot

MOST_CUSTOMERS = 50_000
"""Looked at in all: of a million a twentieth tells a model as much, and far sooner."""
MOST_ROWS = 400_000
"""At all cutoffs together; beyond it the learning curves of these models are flat, while memory goes on growing."""


def sample(snapshot: "Snapshot", generator: np.random.Generator, most: int) -> "Snapshot":
    """The snapshot, of at most so many of its customers."""
    count = len(snapshot.profiles)
    if count <= most:
        return snapshot
    return take(snapshot, np.sort(generator.choice(count, most, replace=False)))


def take(snapshot: "Snapshot", rows: NDArray[np.int64]) -> "Snapshot":
    """The customers at those positions, in that order."""
    lengths = np.diff(snapshot.hour_offsets)[rows]
    return type(snapshot)(
        snapshot.as_of,
        snapshot.horizon_days,
        snapshot.profiles.take(rows),
        snapshot.features[rows],
        snapshot.orders[rows],
        snapshot.spend[rows],
        [snapshot.next_basket[row] for row in rows.tolist()],
        offsets_of(lengths),
        snapshot.hours[ranges(snapshot.hour_offsets[:-1][rows], lengths)],
        snapshot.next_order_at[rows] if snapshot.next_order_at.size else snapshot.next_order_at,
        {days: spend[rows] for days, spend in snapshot.spend_within.items()},
    )


def without_late_refusals(snapshot: "Snapshot", refusing: Mapping[str, Collection[str]]) -> "Snapshot":
    """The snapshot without customers who refuse a purpose by now (``refusing``, by purpose) and had not done so at the
    cutoff: what was known of it until then was let go afterwards. Those who had stay, with nothing of it known.
    """
    is_late = np.zeros(len(snapshot.profiles), dtype=np.bool_)
    for purpose, customers in refusing.items():
        by_now = np.array([customer in customers for customer in snapshot.profiles.customer_ids], dtype=np.bool_)
        is_late |= by_now & ~known_to_refuse(snapshot.profiles, purpose)
    return take(snapshot, np.flatnonzero(~is_late)) if is_late.any() else snapshot


def share_of(snapshot: "Snapshot", customers: Collection[str]) -> float:
    """Of the customers of the snapshot, those who are among these."""
    ids = snapshot.profiles.customer_ids
    return sum(customer in customers for customer in ids) / max(len(ids), 1)


def taught_by(snapshot: "Snapshot") -> "Snapshot":
    """The snapshot as a model may learn from it: of those who refused the use of their purchases nobody learns what
    they bought after the cutoff, nor when. Whether and how much they bought stays: who refused is a group for which a
    chance must be told, and nothing else tells it.
    """
    refused = known_to_refuse(snapshot.profiles, PURCHASES)
    if not refused.any():
        return snapshot
    lengths = np.where(refused, 0, np.diff(snapshot.hour_offsets))
    baskets = zip(snapshot.next_basket, refused.tolist(), strict=True)
    return replace(
        snapshot,
        next_basket=[[] if is_left_out else basket for basket, is_left_out in baskets],
        hour_offsets=offsets_of(lengths),
        hours=snapshot.hours[ranges(snapshot.hour_offsets[:-1], lengths)],
    )


def seen_at(snapshot: "Snapshot", instant: int) -> "Snapshot":
    """The snapshot without the spend in horizons that were not over at an instant."""
    over = {
        days: spend
        for days, spend in snapshot.spend_within.items()
        if snapshot.as_of + days * MICROSECONDS_PER_DAY <= instant
    }
    return replace(snapshot, spend_within=over)
