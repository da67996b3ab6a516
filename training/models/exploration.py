"""Products a customer has never bought that may be next: what people try, what follows their purchases, what is near
in taste."""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.next_purchases import COSINE_RECENT, SHARE_RECENT, NextPurchases
from training.models.purchase_histories import Codes, Floats

MOST_POPULAR = 25
MOST_AFTER = 25
"""By share and again by cosine."""
MOST_NEAR = 10


@compiled
def explore(
    owned: Codes,
    popular: Codes,
    following: NextPurchases,
    nearness: Floats,
    sums: Floats,
    touched: Codes,
    is_taken: NDArray[np.bool_],
    into: Codes,
) -> int:
    """Writes codes that are not owned, at most MOST_POPULAR + 2 MOST_AFTER + MOST_NEAR; returns how many.

    Parameters
    ----------
    popular, nearness
        What may be near, and how near it is.
    sums, touched
        Those of transitions, and the codes that have any.
    is_taken
        (products + 1), all false before and after: room to work in.
    """
    is_taken[-1] = True
    for code in owned:
        is_taken[code] = True
    count = 0
    for code in following.popular:
        if count == MOST_POPULAR:
            break
        if not is_taken[code]:
            is_taken[code] = True
            into[count] = code
            count += 1
    found = np.empty(touched.shape[0])
    for column in (SHARE_RECENT, COSINE_RECENT):
        for at in range(touched.shape[0]):
            found[at] = sums[touched[at], column]
            if column == COSINE_RECENT:
                found[at] /= following.target[touched[at]]
        count += take_best(touched, found, is_taken, into[count : count + MOST_AFTER])
    count += take_best(popular, nearness, is_taken, into[count : count + MOST_NEAR])
    is_taken[-1] = False
    for code in owned:
        is_taken[code] = False
    for code in into[:count]:
        is_taken[code] = False
    return count


@compiled
def take_best(codes: Codes, scores: Floats, is_taken: NDArray[np.bool_], into: Codes) -> int:
    """Writes the codes that score highest above 0 and are not taken, best first, takes them and returns how many."""
    best = np.zeros(into.shape[0])
    count, least = 0, 0.0
    for at in range(codes.shape[0]):
        code, score = codes[at], scores[at]
        if score <= least or is_taken[code]:
            continue
        place = min(count, into.shape[0] - 1)
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            into[place] = into[place - 1]
            place -= 1
        best[place] = score
        into[place] = code
        count = min(count + 1, into.shape[0])
        least = best[-1]
    for code in into[:count]:
        is_taken[code] = True
    return count
