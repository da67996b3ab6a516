"""Products of many customers, so many each, as columns: what is told of a million of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ProductLists:
    """Customer ``i`` has ``code[offsets[i]:offsets[i + 1]]``, first things first; ``code`` points into ``vocabulary``.

    ``value`` is beside each: a score, or the instant when it is due.
    """

    offsets: Integers
    code: NDArray[np.int32]
    value: NDArray[Any]
    vocabulary: Sequence[str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def columns(self) -> list[tuple[list[str], list[Any]]]:
        """(product ids, values) of each customer."""
        ids, values = self._ids(), self.value.tolist()
        return [(ids[start:end], values[start:end]) for start, end in pairwise(self.offsets.tolist())]

    def pairs(self) -> list[list[tuple[str, Any]]]:
        """[(product id, value), ...] of each customer."""
        return [list(zip(ids, values, strict=True)) for ids, values in self.columns()]

    def _ids(self) -> list[str]:
        return [self.vocabulary[code] for code in self.code.tolist()]


def least_of_each(offsets: Integers, value: NDArray[np.float64], limit: int) -> tuple[Integers, Integers]:
    """Up to ``limit`` places of each customer, in growing order of value, of equal ones the first; and their offsets.

    >>> least_of_each(np.array([0, 3, 4]), np.array([3.0, 1.0, 2.0, 9.0]), limit=2)
    (array([1, 2, 3]), array([0, 2, 3]))
    """
    places, ends = np.empty(offsets[-1], dtype=np.int64), np.zeros(len(offsets), dtype=np.int64)
    _fill_least(offsets, value, limit, places, ends)
    return places[: ends[-1]], ends


@compiled
def _fill_least(offsets: Integers, value: NDArray[np.float64], limit: int, places: Integers, ends: Integers) -> None:
    count = 0
    for i in range(offsets.shape[0] - 1):
        first, last = offsets[i], offsets[i + 1]
        order = np.argsort(value[first:last], kind="mergesort")
        for rank in range(min(limit, last - first)):
            places[count] = first + order[rank]
            count += 1
        ends[i + 1] = count
