"""The groups of customers in each of which a version must hold, whatever it does on average.

A version is of one brand, so the brand as a whole is what is measured on all of its customers together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.consent import refusing
from features.segments import SEGMENTS, rfm_segments
from features.vector import FEATURES, PURCHASES

if TYPE_CHECKING:
    from features.history import Snapshot

Codes = NDArray[np.uint8]

SLICES: dict[str, tuple[str, ...]] = {
    "segment": SEGMENTS,
    "tenure": ("under 30 days", "under a year", "longer", "unknown"),
    "opted_out": ("no", "yes"),
}
"""What customers are divided by, and into what; a customer's code is the position there."""
_TENURE = FEATURES.index("tenure_days")
_TENURE_ENDS_DAYS = np.array([30.0, 365.0])


OF_NO_SLICE = 255
"""The code of a customer in a group that there is no more."""


def coded_as_now(codes: Codes, names: Sequence[str], by: str) -> Codes:
    """Codes that were positions in ``names``, as positions in the groups of now.

    >>> coded_as_now(np.array([0, 1, 2], dtype=np.uint8), ["yes", "maybe", "no"], "opted_out")
    array([  1, 255,   0], dtype=uint8)
    """
    now = SLICES[by]
    of_name = np.array([now.index(name) if name in now else OF_NO_SLICE for name in names], dtype=np.uint8)
    return of_name[codes]


def slices_of(snapshot: "Snapshot") -> dict[str, Codes]:
    """By what divides them, the code of each customer at the cutoff. Opted out is who refused the use of purchases."""
    tenure = snapshot.features[:, _TENURE]
    known = np.searchsorted(_TENURE_ENDS_DAYS, tenure, side="right")
    return {
        "segment": np.array([SEGMENTS.index(name) for name in rfm_segments(snapshot.features)], dtype=np.uint8),
        "tenure": np.where(np.isnan(tenure), 3, known).astype(np.uint8),
        "opted_out": refusing(snapshot.profiles, PURCHASES).astype(np.uint8),
    }
