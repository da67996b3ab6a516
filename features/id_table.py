"""Numbers for ids, looked up by the thousand: a request cannot wait for a dictionary that many times.

What costs time in a dictionary of many ids is that each look goes to several far places in memory. Here each goes to
one: the ids' own hashes, which Python keeps with a text once computed, lie in a table of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

Integers = NDArray[np.int64]
_EMPTY = -1


class Ids(list[str]):
    """Ids that remember their hashes, for lists that are looked up in several tables and changed by none."""

    @cached_property
    def hashes(self) -> Integers:
        return np.fromiter(map(hash, self), dtype=np.int64, count=len(self))


class IdTable(Mapping[str, int]):
    """A mapping from ids to numbers from 0 on.

    Two ids of the same 64-bit hash are told apart only by the mapping, not by :meth:`of`; among a million ids the
    chance that there are two is one in forty million.

    >>> IdTable({"milk": 0, "bread": 1}).of(["bread", "tea", "milk"]).tolist()
    [1, -1, 0]
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = dict(numbers)
        size = 1 << max(len(self._numbers) * 2, 2).bit_length()
        self._hashes = np.zeros(size, dtype=np.int64)
        self._places = np.full(size, _EMPTY, dtype=np.int64)
        _build(_hashes_of(list(self._numbers)), _array(list(self._numbers.values())), self._hashes, self._places)

    def of(self, ids: Sequence[str]) -> Integers:
        """The number of each id, -1 for one that has none."""
        found = np.empty(len(ids), dtype=np.int64)
        _find(_hashes_of(ids), self._hashes, self._places, found)
        return found

    def __getitem__(self, key: str) -> int:
        return self._numbers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _hashes_of(ids: Sequence[str]) -> Integers:
    return ids.hashes if isinstance(ids, Ids) else Ids(ids).hashes


def _array(numbers: Sequence[int]) -> Integers:
    return np.array(numbers, dtype=np.int64)


@compiled
def _build(hashes: Integers, numbers: Integers, table: Integers, places: Integers) -> None:
    last = table.size - 1
    for i in range(hashes.size):
        at = hashes[i] & last
        while places[at] != _EMPTY:
            at = (at + 1) & last
        table[at] = hashes[i]
        places[at] = numbers[i]


@compiled
def _find(hashes: Integers, table: Integers, places: Integers, found: Integers) -> None:
    last = table.size - 1
    for i in range(hashes.size):
        at = hashes[i] & last
        while places[at] != _EMPTY and table[at] != hashes[i]:
            at = (at + 1) & last
        found[i] = places[at]
