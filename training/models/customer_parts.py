"""Customers dealt into parts, each of which is judged by what the others taught."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from features.history import Snapshot

PARTS = 4


def part_numbers(
    snapshots: "Sequence[Snapshot]",
    seed: int,
    outcomes: Sequence[NDArray[np.float64]] | None = None,
    parts: int = PARTS,
) -> list[NDArray[np.int64]]:
    """The part of each customer, along the snapshots: the same at all of them.

    Where ``outcomes`` are given, along the snapshots, which are then in the order of time, each part gets as much of
    the newest one's as any other.
    """
    customer_ids = np.concatenate([np.array(snapshot.profiles.customer_ids) for snapshot in snapshots])
    customers, places = np.unique(customer_ids, return_inverse=True)
    ends = np.cumsum([len(snapshot.orders) for snapshot in snapshots])
    drawn = np.random.default_rng(seed).permutation(len(customers))
    if outcomes is None:
        return np.split((drawn % parts)[places], ends[:-1])
    of_all = np.bincount(places, np.concatenate(outcomes), len(customers))
    of_newest = np.bincount(places[len(places) - len(outcomes[-1]) :], outcomes[-1], len(customers))
    dealt = np.empty(len(customers), dtype=np.int64)
    dealt[np.lexsort((drawn, of_all, of_newest))] = np.arange(len(customers)) % parts
    return np.split(dealt[places], ends[:-1])
