"""Loops over the offers of a table: the best of them, and the refusal of others, compiled to machine code."""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def warm_up() -> None:
    """Have everything here compiled before a request needs it."""
    codes, labels = np.zeros(2, dtype=np.int8), np.zeros((1, 2), dtype=np.int64)
    rows = best(codes, np.array([1.0, 2.0]), 2)
    refuse_ranked(codes, rows, labels, np.ones(1, dtype=np.int64), np.ones(1, dtype=np.int8))
    refuse_others(codes, rows, 1)


@compiled
def refuse_ranked(codes: Codes, ranked: Rows, labels: Rows, most: Rows, refusals: Codes) -> None:
    """Of ``ranked``, best first, refuse what is labelled alike with as many before it as may be.

    ``labels`` are [limit, offer] and below the number of offers, -1 is like nothing; ``most`` and ``refusals`` are by
    limit.
    """
    taken = np.zeros(labels.shape, dtype=np.int64)
    for row in ranked:
        if codes[row] != 0:
            continue
        for limit in range(labels.shape[0]):
            label = labels[limit, row]
            if label >= 0 and taken[limit, label] >= most[limit]:
                codes[row] = refusals[limit]
                break
        if codes[row] == 0:
            for limit in range(labels.shape[0]):
                if labels[limit, row] >= 0:
                    taken[limit, labels[limit, row]] += 1


@compiled
def refuse_others(codes: Codes, rows: Rows, refusal: int) -> None:
    """Refuse what could be made but is not among the rows, none of which is refused."""
    for row in range(codes.size):
        if codes[row] == 0:
            codes[row] = refusal
    for row in rows:
        codes[row] = 0


@compiled
def best(codes: Codes, scores: Floats, most: int) -> Rows:
    """The rows that nothing refuses, by falling score; the first in the table where scores are equal."""
    rows = np.empty(min(most, codes.size), dtype=np.int64)
    count = 0
    for row in range(codes.size):
        if codes[row] != 0:
            continue
        value = scores[row]
        if count == rows.size:
            if count == 0 or not value > scores[rows[count - 1]]:
                continue
            count -= 1
        at = count
        while at > 0 and value > scores[rows[at - 1]]:
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = row
        count += 1
    return rows[:count]
