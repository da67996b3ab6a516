"""Products a customer has never bought that may be next: what people try, what follows their purchases, what is near
in taste."""

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.collaborative_filtering import nearness_of
from training.models.known_products import OVER_TARGET, Known
from training.models.next_purchases import COSINE_RECENT, SHARE_RECENT
from training.models.purchase_histories import Codes, Floats

MOST_POPULAR = 15
MOST_AFTER = 12
"""By share and again by cosine."""
MOST_NEAR = 6


@compiled
def explore(
    owned: Codes,
    known: Known,
    taste: Floats,
    sums: Floats,
    touched: Codes,
    is_taken: NDArray[np.bool_],
    into: Codes,
) -> int:
    """Writes codes that are not owned, at most MOST_POPULAR + 2 MOST_AFTER + MOST_NEAR; returns how many.

    Parameters
    ----------
    taste
        The customer's own factors.
    sums, touched
        Those of transitions, and the codes that have any.
    is_taken
        (products + 1), all false before and after: room to work in.
    """
    is_taken[-1] = True
    for code in owned:
        is_taken[code] = True
    count = 0
    for code in known.following.popular:
        if count == MOST_POPULAR:
            break
        if not is_taken[code]:
            is_taken[code] = True
            into[count] = code
            count += 1
    by_share, by_cosine = np.empty(touched.shape[0]), np.empty(touched.shape[0])
    for at in range(touched.shape[0]):
        by_share[at] = sums[touched[at], SHARE_RECENT]
        by_cosine[at] = sums[touched[at], COSINE_RECENT] * known.facts[touched[at], OVER_TARGET]
    count += take_best(touched, by_share, is_taken, into[count : count + MOST_AFTER])
    count += take_best(touched, by_cosine, is_taken, into[count : count + MOST_AFTER])
    count += take_best(known.popular, nearness_of(taste, known.near), is_taken, into[count : count + MOST_NEAR])
    is_taken[-1] = False
    for code in owned:
        is_taken[code] = False
    for code in into[:count]:
        is_taken[code] = False
    return count


@compiled
def take_best(codes: Codes, scores: NDArray[np.floating], is_taken: NDArray[np.bool_], into: Codes) -> int:
    """Writes the codes that score highest above 0 and are not taken, best first, takes them and returns how many."""
    best = np.zeros(into.shape[0])
    count, least = 0, 0.0
    for at in range(codes.shape[0]):
        score = scores[at]
        if score <= least or is_taken[codes[at]]:
            continue
        place = min(count, into.shape[0] - 1)
        while place > 0 and best[place - 1] < score:
            best[place] = best[place - 1]
            into[place] = into[place - 1]
            place -= 1
        best[place] = score
        into[place] = codes[at]
        count = min(count + 1, into.shape[0])
        least = best[-1]
    for code in into[:count]:
        is_taken[code] = True
    return count
