"""Numbers of the offers of a table, one each, as the log of decisions keeps them: in few bytes, and to the bit."""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]
_ROW = np.dtype("<u4")


class OfferNumbers(Struct, frozen=True, array_like=True):
    """Of the offers at ``rows``; where that is empty and there are as many values as offers, of all of them."""

    values: bytes = b""
    rows: bytes = b""
    kind: str = "<f8"


NO_NUMBERS = OfferNumbers()


def packed(numbers: Numbers) -> OfferNumbers:
    """All but zeros; numbers of single precision take half the room.

    >>> unpacked(packed(np.array([0.0, 0.1, 0.0])), 3)
    array([0. , 0.1, 0. ])
    """
    rows = numbers.nonzero()[0]
    if rows.size == numbers.size:
        return OfferNumbers(numbers.tobytes(), b"", numbers.dtype.str)
    return packed_at(rows, numbers)


def packed_at(rows: NDArray[np.intp], numbers: Numbers, kind: str | None = None) -> OfferNumbers:
    """Those at some rows; ``kind`` is the smallest type that loses nothing of them, where that is known."""
    if not rows.size:
        return NO_NUMBERS
    some = numbers[rows] if kind is None else numbers[rows].astype(kind)
    return OfferNumbers(some.tobytes(), rows.astype(_ROW).tobytes(), some.dtype.str)


def unpacked(kept: OfferNumbers, count: int, default: float = 0.0) -> NDArray[np.float64]:
    """One number for each of ``count`` offers, ``default`` where none was kept."""
    values = np.frombuffer(kept.values, dtype=kept.kind).astype(np.float64)
    if not kept.rows and values.size == count:
        return values
    found = np.full(count, default)
    found[np.frombuffer(kept.rows, dtype=_ROW)] = values
    return found
