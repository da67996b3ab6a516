"""What each of many customers is about to run out of: :func:`features.replenishment.due_products`, all at once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profile_tables import offsets_of
from features.profiles import Profiles
from features.replenishment import FEWEST_LINES, SHORTEST_INTERVAL_DAYS, repurchase_interval_days

Due = list[tuple[str, Instant]]
"""(product_id, when it runs out), soonest first."""
LIMIT = 10


def due_of_all(profiles: Profiles, as_of: Instant, limit: int = LIMIT) -> list[Due]:
    """One list a customer."""
    products = profiles.products
    often = np.flatnonzero(products.lines >= FEWEST_LINES)
    customer = np.repeat(np.arange(len(profiles)), np.diff(products.offsets))[often]
    days = repurchase_interval_days(products.lines[often], products.decayed[often])
    interval = days * MICROSECONDS_PER_DAY
    due = products.last_at[often] + interval
    wanted = np.flatnonzero((days >= SHORTEST_INTERVAL_DAYS) & (due + interval > as_of))
    soonest = wanted[np.lexsort((due[wanted], customer[wanted]))]
    ends = offsets_of(np.bincount(customer[wanted], minlength=len(profiles)).astype(np.int64))
    codes, instants = products.code[often][soonest].tolist(), due[soonest].astype(np.int64).tolist()
    return _lists(codes, instants, ends.tolist(), products.vocabulary, limit)


def _lists(
    codes: Sequence[int], instants: Sequence[int], offsets: Sequence[int], vocabulary: Sequence[str], limit: int
) -> list[Due]:
    found: list[Due] = []
    for start, end in pairwise(offsets):
        last = min(end, start + limit)
        found.append([(vocabulary[codes[i]], instants[i]) for i in range(start, last)])
    return found
