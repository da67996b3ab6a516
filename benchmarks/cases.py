"""What a model is measured on: past cutoffs to learn from, and a later one whose answers it has not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.instant import MICROSECONDS_PER_DAY, Instant, to_iso
from features.store import Store
from training.errors import NotEnoughData
from training.training_data import gather

if TYPE_CHECKING:
    from features.history import Snapshot


@dataclass(frozen=True, slots=True)
class Case:
    """``training`` ends, horizons included, where ``test`` begins (or is of other customers); ``label`` names the
    cutoff or the fold.
    """

    data: str
    label: str
    training: "Sequence[Snapshot]"
    test: "Snapshot"


def cases_of(store: Store, data: str, brand: str, horizon_days: int, count: int, *, is_last: bool) -> Iterator[Case]:
    """``count`` cutoffs a horizon apart, or four weeks where that is less; the newest is kept aside for ``is_last``.

    The training snapshots of each are those that ``lagniappe train --as-of`` would use then.
    """
    from features.history import open_history

    with open_history(store, brand) as history:
        if history.last_at is None:
            return
        newest = history.last_at + 1 - horizon_days * MICROSECONDS_PER_DAY
        for cutoff in [newest] if is_last else _before(newest, horizon_days, count):
            try:
                training = gather(store, brand, cutoff, horizon_days, seed=0).snapshots
            except NotEnoughData:
                continue
            yield Case(data, to_iso(cutoff)[:10], training, history.snapshot(cutoff, horizon_days))


def _before(newest: Instant, horizon_days: int, count: int) -> list[Instant]:
    """Cutoffs whose horizons are over before the one that is kept aside begins, oldest first."""
    step = min(horizon_days, 28)
    return [newest - (horizon_days + k * step) * MICROSECONDS_PER_DAY for k in range(count - 1, -1, -1)]
