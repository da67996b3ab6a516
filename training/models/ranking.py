"""The best of each customer's candidates: found, described and put in order by compiled code, customer by customer.

Only some of the trees see all candidates; who is far behind by then is left out of the rest (the early exits of
Cambazoglu et al., WSDM 2010).
"""

import numpy as np

from features.compiled import compiled
from training.models.candidates import CANDIDATE_FEATURES, MOST_CANDIDATES, fill_candidates, room_for
from training.models.known_products import Known
from training.models.purchase_histories import Codes, Floats, Integers, PurchaseHistories
from training.models.tree_bits import Numbers, TreeBits, Words, add_trees, room_for_rows, write_columns

FIRST_TREES = 10
LEAST_LEFT = 32
"""Candidates that go on after the first trees; more where longer lists are asked for."""


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
    masks, sums = np.empty(most, dtype=np.uint32), np.empty(most)
    left, best = np.empty(most_left(entry.shape[1]), np.int64), np.empty(entry.shape[1], np.int64)
    for number in range(customers.shape[0]):
        own, count = fill_candidates(customers[number], histories, known, room, candidate_entry, candidate_code, rows)
        write_columns(rows, count, bits, compared)
        going_on = sum_of_the_best(compared, own if is_new_only else 0, count, bits, masks, sums, left)
        counts[number] = write_best(sums, 0, going_on, best)
        for place in range(counts[number]):
            candidate = left[best[place]]
            entry[number, place] = candidate_entry[candidate]
            code[number, place] = candidate_code[candidate]
            raw[number, place] = sums[best[place]]


@compiled
def most_left(limit: int) -> int:
    """How many candidates see all trees, for lists of so many."""
    return max(LEAST_LEFT, 2 * limit)


@compiled
def sum_of_the_best(
    compared: Numbers, first: int, last: int, bits: TreeBits, masks: Words, sums: Floats, left: Integers
) -> int:
    """Writes which of the rows from ``first`` to before ``last`` are best by the first trees, in their order, and their
    sums of all trees; returns how many there are. ``compared`` is overwritten.
    """
    trees = bits.leaves.shape[0]
    sums[:last] = 0.0
    add_trees(compared, last, bits, 0, min(FIRST_TREES, trees), masks, sums)
    count = write_best(sums, first, last, left)
    left[:count] = np.sort(left[:count])
    if count < last:
        for place in range(count):
            sums[place] = sums[left[place]]
        for column in range(compared.shape[0]):
            for place in range(count):
                compared[column, place] = compared[column, left[place]]
    add_trees(compared, count, bits, min(FIRST_TREES, trees), trees, masks, sums)
    return count


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
