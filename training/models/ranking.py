"""The best of each customer's candidates: found, described and put in order by compiled code, customer by customer."""

import numpy as np

from features.compiled import compiled
from training.models.candidates import CANDIDATE_FEATURES, MOST_CANDIDATES, fill_candidates, room_for
from training.models.known_products import Known
from training.models.purchase_histories import Codes, Floats, Integers, PurchaseHistories
from training.models.tree_bits import TreeBits, sum_columns
from training.models.tree_bits import room_for as room_for_rows


@compiled
def fill_best(
    customers: Integers,
    histories: PurchaseHistories,
    known: Known,
    bits: TreeBits,
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
    room, most = room_for(known), room_for_rows(MOST_CANDIDATES)
    candidate_entry, candidate_code = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int32)
    rows = np.zeros((len(CANDIDATE_FEATURES), most), dtype=np.float32)
    compared = np.zeros((bits.sign.shape[0], most), dtype=np.float32)
    masks, sums, best = np.empty(most, dtype=np.uint32), np.empty(most), np.empty(entry.shape[1], dtype=np.int64)
    for number in range(customers.shape[0]):
        own, count = fill_candidates(customers[number], histories, known, room, candidate_entry, candidate_code, rows)
        sum_columns(rows, count, bits, compared, masks, sums)
        first = own if is_new_only else 0
        counts[number] = write_best(sums, first, count, best)
        for place in range(counts[number]):
            entry[number, place] = candidate_entry[best[place]]
            code[number, place] = candidate_code[best[place]]
            raw[number, place] = sums[best[place]]


@compiled
def write_best(scores: Floats, first: int, last: int, into: Integers) -> int:
    """Writes where the highest scores from ``first`` to before ``last`` are, best first; returns how many fit in.

    Of equal ones the first come first.
    """
    count = 0
    if into.shape[0] == 0:
        return count
    for at in range(first, last):
        place = min(count, into.shape[0] - 1)
        if count == into.shape[0] and not scores[into[place]] < scores[at]:
            continue
        while place > 0 and scores[into[place - 1]] < scores[at]:
            into[place] = into[place - 1]
            place -= 1
        into[place] = at
        count = min(count + 1, into.shape[0])
    return count
