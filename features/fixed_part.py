"""The fixed part of packed profiles: of each customer a bit mask, and the values that differ from nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.profile_tables import Integers
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

IDENTITIES = np.array(identities(OF_CUSTOMER), dtype=np.int64)
IDENTITIES_DECAYED = np.zeros(len(DECAYED_OF_CUSTOMER))


def sparse(values: NDArray[np.generic], absent: NDArray[np.generic]) -> bytes:
    """A mask of the values that differ from those of nothing, and these values."""
    mask = values != absent
    return bytes(np.packbits(mask).tobytes() + values[mask].tobytes())


def dense(customer: tuple[bytes, ...], decayed: tuple[bytes, ...]) -> tuple[Integers, NDArray[np.float64]]:
    """(customers, len(OF_CUSTOMER)) and (customers, len(DECAYED_OF_CUSTOMER)) of what :func:`sparse` made.

    Raises
    ------
    ValueError
        If the bytes are not as many as the masks say.
    """
    of_customer = np.empty((len(customer), IDENTITIES.size), np.int64)
    of_decayed = np.empty((len(decayed), IDENTITIES_DECAYED.size), np.float64)
    packed = np.frombuffer(b"".join(customer + decayed), np.uint8)
    if _spread_both(packed, IDENTITIES, of_customer, IDENTITIES_DECAYED, of_decayed) != packed.size:
        raise ValueError("a profile's fixed part is not as long as its mask says; profiles must be folded anew")
    return of_customer, of_decayed


@compiled
def _spread(sparse: NDArray[np.uint8], at: int, absent: NDArray[Any], into: NDArray[Any]) -> int:
    """From a position on, for one customer after the other, a mask and its values; gives the position after them.

    Nothing is read behind the end: where the masks promise more than there is, the position is one behind it.
    """
    into_bytes = into.view(np.uint8)  # values lie at any position, which numbers may not
    width = (absent.size + 7) // 8
    for row in range(len(into)):
        mask = sparse[at : at + width]
        at += width
        if at > sparse.size:
            return sparse.size + 1
        for i in range(absent.size):
            if mask[i >> 3] >> (7 - (i & 7)) & 1:
                if at + 8 > sparse.size:
                    return sparse.size + 1
                for byte in range(8):
                    into_bytes[row, i * 8 + byte] = sparse[at + byte]
                at += 8
            else:
                into[row, i] = absent[i]
    return at


@compiled
def _spread_both(
    sparse: NDArray[np.uint8],
    identities: Integers,
    of_customer: Integers,
    identities_decayed: NDArray[np.float64],
    of_decayed: NDArray[np.float64],
) -> int:
    at = _spread(sparse, 0, identities, of_customer)
    return _spread(sparse, at, identities_decayed, of_decayed)
