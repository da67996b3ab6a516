"""The groups of customers in each of which a version must hold, whatever it does on average.

A version is of one brand, so the brand as a whole is what is measured on all of its customers together.
"""

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


def slices_of(snapshot: "Snapshot") -> dict[str, Codes]:
    """By what divides them, the code of each customer at the cutoff. Opted out is who refused the use of purchases."""
    tenure = snapshot.features[:, _TENURE]
    known = np.searchsorted(_TENURE_ENDS_DAYS, tenure, side="right")
    return {
        "segment": np.array([SEGMENTS.index(name) for name in rfm_segments(snapshot.features)], dtype=np.uint8),
        "tenure": np.where(np.isnan(tenure), 3, known).astype(np.uint8),
        "opted_out": refusing(snapshot.profiles, PURCHASES).astype(np.uint8),
    }
