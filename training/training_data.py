"""What the models of one training learn from: the same snapshots for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.instant import Instant
from features.store import Store
from features.vector import BROWSING, MESSAGES, PURCHASES
from training.cutoffs import Cutoffs, choose_cutoffs
from training.errors import NotEnoughData
from training.models.lifetime_horizons import LIFETIMES_DAYS
from training.sample import MOST_CUSTOMERS, MOST_ROWS, sample, seen_at, share_of, without_late_refusals
from training.version_record import DataWindow

if TYPE_CHECKING:
    from features.history import Snapshot

FEWEST_CUSTOMERS = 20


@dataclass(frozen=True, slots=True)
class TrainingData:
    """``snapshots`` are of all cutoffs, oldest first; the last one is held out when a model is measured.

    ``refusing`` is the share of the customers at the last cutoff who refuse some purpose by now: some of them are left
    out of the snapshots.
    """

    first_at: Instant
    as_of: Instant
    cutoffs: Cutoffs
    snapshots: "list[Snapshot]"
    refusing: float = 0.0

    @property
    def training(self) -> "list[Snapshot]":
        """Nothing of them was yet to come when the held-out cutoff came."""
        known = [snapshot for snapshot in self.snapshots if snapshot.as_of in self.cutoffs.training]
        return [seen_at(snapshot, self.cutoffs.validation) for snapshot in known]

    @property
    def validation(self) -> "Snapshot":
        return self.snapshots[-1]

    @property
    def window(self) -> DataWindow:
        return DataWindow(
            self.first_at,
            self.as_of,
            self.cutoffs.horizon_days,
            tuple(snapshot.as_of for snapshot in self.training),
            self.cutoffs.validation,
            sum(len(snapshot.profiles) for snapshot in self.training),
            len(self.validation.profiles),
            sum(int(snapshot.orders.sum()) for snapshot in self.snapshots),
        )


def gather(
    store: Store,
    brand: str,
    as_of: Instant | None,
    horizon_days: int | None,
    seed: int,
    report: Callable[[str], None] = lambda _: None,
) -> TrainingData:
    """The snapshots of a brand's history before ``as_of``, of a sample where there are very many customers.

    Raises
    ------
    NotEnoughData
        If there are too few events, days, customers or purchases for any model.
    """
    from features.history import open_history

    with open_history(store, brand, before=as_of) as past:
        if past.first_at is None or past.last_at is None:
            raise NotEnoughData("history", "no events", "purchases of several weeks")
        cutoffs = choose_cutoffs(past, horizon_days)
        generator = np.random.default_rng(seed)
        report("reading who there is")
        past.keep_sample(MOST_CUSTOMERS, generator)
        refusing = past.refusing((PURCHASES, BROWSING, MESSAGES))
        most = MOST_ROWS // len(cutoffs.all)
        snapshots, share = [], 0.0
        for number, cutoff in enumerate(cutoffs.all, 1):
            report(f"looking at cutoff {number} of {len(cutoffs.all)}")
            snapshot = past.snapshot(cutoff, cutoffs.horizon_days, LIFETIMES_DAYS)
            share = share_of(snapshot, set().union(*refusing.values()))
            snapshots.append(sample(without_late_refusals(snapshot, refusing), generator, most))
        data = TrainingData(past.first_at, past.last_at + 1, cutoffs, snapshots, share)
    _check(data)
    return data


def _check(data: TrainingData) -> None:
    customers = len(data.validation.profiles)
    if customers < FEWEST_CUSTOMERS:
        raise NotEnoughData("customers", customers, f"at least {FEWEST_CUSTOMERS} with an event before the last cutoff")
    if not sum(int(snapshot.orders.sum()) for snapshot in data.training):
        raise NotEnoughData("purchases", "none in the windows after the cutoffs", "some to learn from")
