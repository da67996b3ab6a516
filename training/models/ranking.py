"""The best of each customer's candidates: found, described and put in order by compiled code, one customer at a time.

Only some of the trees see all candidates; who is far behind by then is left out of the rest (the early exits of
Cambazoglu et al., WSDM 2010).
"""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.candidates import CANDIDATE_FEATURES, MOST_CANDIDATES, fill_candidates, room_for
from training.models.known_products import Known
from training.models.purchase_histories import Codes, Floats, Integers, PurchaseHistories
from training.models.trees import LANES, Forest, walk_lanes, write_columns

FIRST_TREES = 10
LEAST_LEFT = 24
"""Candidates that go on after the first trees; more where longer lists are asked for."""


@compiled
def fill_best(
    customers: Integers,
    histories: PurchaseHistories,
    known: Known,
    forest: Forest,
    is_new_only: bool,
    counts: Integers,
    entry: Integers,
    code: Codes,
    raw: Floats,
) -> None:
    """Writes how many products are listed of each customer, and the best first: (customers, limit).

    ``entry`` and ``code`` are as in :func:`fill_candidates`, ``raw`` is the sum of the trees. Of equal ones the first
    found come first.
    """
    room = room_for(known)
    candidate_entry, candidate_code = np.empty(MOST_CANDIDATES, dtype=np.int64), np.empty(MOST_CANDIDATES, np.int32)
    rows = np.empty((MOST_CANDIDATES, len(CANDIDATE_FEATURES)))
    compared = np.zeros((MOST_CANDIDATES + LANES, len(forest.column_form)))
    sums, at = np.empty(MOST_CANDIDATES + LANES), np.empty(LANES, np.uint32)
    for number in range(customers.shape[0]):
        own, count = fill_candidates(customers[number], histories, known, room, candidate_entry, candidate_code, rows)
        first = own if is_new_only else 0
        for rank in range(first, count):
            write_columns(rows[rank], forest, compared[rank - first])
        left = sum_of_the_best(compared, count - first, entry.shape[1], forest, at, sums)
        best = np.argsort(-sums[: left.shape[0]], kind="mergesort")[: entry.shape[1]]
        counts[number] = best.shape[0]
        for place in range(best.shape[0]):
            candidate = first + left[best[place]]
            entry[number, place] = candidate_entry[candidate]
            code[number, place] = candidate_code[candidate]
            raw[number, place] = sums[best[place]]


@compiled
def sum_of_the_best(
    compared: Floats, count: int, limit: int, forest: Forest, at: NDArray[np.uint32], sums: Floats
) -> Integers:
    """Writes the sums of the trees for the rows that are left after the first trees; returns which these are.

    ``compared`` holds ``count`` rows and room up to whole LANES. Rows that are left, and their sums, are moved to the
    front, in the order in which they were.
    """
    sums[:] = 0.0
    first = min(FIRST_TREES, len(forest.roots))
    _walk(compared, count, forest, 0, first, at, sums)
    left, most = np.arange(count), max(LEAST_LEFT, 2 * limit)
    if count > most:
        left = np.sort(np.argsort(-sums[:count], kind="mergesort")[:most])
        for place in range(most):
            compared[place] = compared[left[place]]
            sums[place] = sums[left[place]]
    _walk(compared, left.shape[0], forest, first, len(forest.roots), at, sums)
    return left


@compiled
def _walk(
    compared: Floats, count: int, forest: Forest, first: int, last: int, at: NDArray[np.uint32], sums: Floats
) -> None:
    for start in range(0, count, LANES):
        walk_lanes(compared[start : start + LANES], forest, first, last, at, sums[start : start + LANES])
