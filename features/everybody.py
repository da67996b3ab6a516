"""Everyone of a brand as of an instant, some at a time: work that goes over all customers never holds them all.

Who did nothing since the instant is as the store keeps them; only the others are added up from the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from features.history import History
from features.identity import Merge, roots
from features.instant import Instant
from features.packing import unpack_all
from features.profile_store import read_profiles
from features.profiles import Profiles, concatenate, empty
from features.schema import customers, merges, profiles
from features.store import Store, driver_rows

Flags = NDArray[np.bool_]

BATCH = 2_000
_UNPACKED_AT_ONCE = 500
"""More at once take longer each: so much is alive then that Python's collector goes over it again and again."""
_FOLDED_AT_ONCE = 40_000
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Everybody:
    """All customers who may have been known before the instant, sorted by id.

    A profile that ``is_kept`` is in the store and nothing happened since; one that ``is_folded`` comes from the log,
    if anything is there before the instant. Who ``is_registered`` is known without any event.
    """

    store: Store
    brand: str
    as_of: Instant
    customer_ids: Sequence[str]
    is_kept: Flags
    is_folded: Flags
    is_registered: Flags

    def __len__(self) -> int:
        return len(self.customer_ids)

    def batches(self, history: History, size: int = BATCH) -> Iterator[Profiles]:
        """The profiles of all from the events before the instant, by customer id, in batches of at most ``size``.

        ``history`` is the brand's; it holds the events before the instant at least. A service may take events in
        meanwhile: of whom it has heard anew the log tells what was before, at the end.
        """
        late: list[int] = []
        for first, last in self._blocks():
            folded = self._folded(np.flatnonzero(self.is_folded[first:last]) + first, history)
            row = {customer_id: row for row, customer_id in enumerate(folded.customer_ids)}
            for start in range(first, last, size):
                at = np.arange(start, min(start + size, last))
                kept = self._unpacked(self._ids(at[self.is_kept[at]]))
                met = {customer_id for part in kept for customer_id in part.customer_ids}
                is_late = self.is_kept[at] & np.array([one not in met for one in self._ids(at)], np.bool_)
                late += at[is_late].tolist()
                rows = [row[one] for one in self._ids(at[self.is_folded[at]]) if one in row]
                yield from self._put_together(at[~is_late], [*kept, folded.take(rows) if rows else empty()])
        for start in range(0, len(late), size):
            at = np.array(late[start : start + size], np.int64)
            yield from self._put_together(at, [self._folded(at, history)])

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Positions from and to, with as many profiles in between as are folded at once."""
        block = np.cumsum(self.is_folded) // _FOLDED_AT_ONCE
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(self)]
        return pairwise(edges)

    def _folded(self, at: NDArray[np.int64], history: History) -> Profiles:
        wanted = self._ids(at)
        return history.profiles(self.as_of, customer_ids=wanted) if wanted else empty()

    def _put_together(self, at: NDArray[np.int64], parts: Sequence[Profiles]) -> Iterator[Profiles]:
        """Of those customers what the parts hold, and who is registered, as one batch; none if that is nobody."""
        met = {customer_id for part in parts for customer_id in part.customer_ids}
        new = empty([one for one in self._ids(at[self.is_registered[at]]) if one not in met])
        found = concatenate([part for part in (*parts, new) if len(part)])
        place = {customer_id: row for row, customer_id in enumerate(found.customer_ids)}
        rows = [place[one] for one in self._ids(at) if one in place]
        if rows:
            yield found if rows == list(range(len(found))) else found.take(rows)

    def _unpacked(self, customer_ids: list[str]) -> list[Profiles]:
        with self.store.reading() as connection:
            packed = read_profiles(connection, self.brand, customer_ids, before=self.as_of)
        names = sorted(packed)
        bodies = [packed[name] for name in names]
        edges = range(0, len(names), _UNPACKED_AT_ONCE)
        return [unpack_all(names[at : at + _UNPACKED_AT_ONCE], bodies[at : at + _UNPACKED_AT_ONCE]) for at in edges]

    def _ids(self, at: NDArray[np.int64]) -> list[str]:
        return [self.customer_ids[one] for one in at.tolist()]


def everybody(connection: Connection, store: Store, brand: str, as_of: Instant) -> Everybody:
    """Lists the customers; nobody's profile is read yet."""
    of = profiles.c
    last = dict(driver_rows(connection, select(of.customer_id, of.last_event_at).where(of.brand == brand)))
    registered = set(connection.execute(select(customers.c.customer_id).where(customers.c.brand == brand)).scalars())
    found = connection.execute(select(merges).where(merges.c.brand == brand)).all()
    all_merges = [(merge.merged_customer_id, merge.customer_id, merge.occurred_at) for merge in found]
    then = roots(all_merges, as_of)
    unlike = _other_persons(all_merges, then, as_of)
    # The store gives them nearly in order, which a set would lose.
    ids = sorted(one for one in (*last, *((registered | unlike) - last.keys())) if one not in then)
    last_at = np.fromiter((last.get(one, _NEVER) for one in ids), np.int64, len(ids))
    is_unlike = _is_in(unlike, ids)
    is_kept = (last_at < as_of) & (last_at != _NEVER) & ~is_unlike
    is_folded = ((last_at != _NEVER) | is_unlike) & ~is_kept
    is_registered = _is_in(registered, ids)
    return Everybody(store, brand, as_of, ids, is_kept, is_folded, is_registered)


def _is_in(some: set[str], ids: Sequence[str]) -> Flags:
    return np.fromiter((one in some for one in ids), np.bool_, len(ids))


def _other_persons(all_merges: Sequence[Merge], then: dict[str, str], as_of: Instant) -> set[str]:
    """Who was then another person than now, as customers were merged since."""
    now = roots(all_merges)
    changed = {now.get(merged, merged) for merged, _, occurred_at in all_merges if occurred_at >= as_of}
    members = {one for merge in all_merges for one in merge[:2] if now.get(one, one) in changed}
    return {then.get(one, one) for one in members}
