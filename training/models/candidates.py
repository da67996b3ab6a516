"""The products that may be next for a customer, and what is known of each: rows for the ranker, in compiled code.

A product the customer has bought is an *own* candidate; the others are *explored*, found by
:mod:`training.models.exploration`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY, Instant
from training.models.collaborative_filtering import dot, taste_of
from training.models.exploration import MOST_AFTER, MOST_NEAR, MOST_POPULAR, explore
from training.models.known_products import (
    BOUGHT,
    EXPLORED,
    GAP_DAYS,
    OVER_TARGET,
    POPULARITY,
    REPEAT_LIFT,
    RETURNED,
    TREND,
    Known,
)
from training.models.next_purchases import SCORES, SHARE_RECENT, Scales, add_transitions, write_transition_scores
from training.models.product_knowledge import own_gap_days
from training.models.purchase_histories import HALF_LIFE_DAYS, Codes, Floats, Integers, PurchaseHistories, orders_since

Singles = NDArray[np.float32]

CANDIDATE_FEATURES = (
    "share_of_decayed_orders",
    "share_of_orders",
    "orders_since_purchase",
    "days_since_purchase",
    "own_gap_days",
    "days_since_over_own_gap",
    "decayed_at_last_over_lines",
    "lines",
    "share_of_decayed_lines",
    "price",
    "taste",
    "popularity",
    "repeat_lift",
    "trend",
    "days_since_over_product_gap",
    "orders_per_day",
    "decayed_lines_per_order",
    "days_since_order",
    "own_products",
    "orders",
    "share_of_next_baskets",
    "share_of_first_purchases",
    "returned",
    "transition_recent",
    "cosine_recent",
    "transition_all",
    "cosine_all",
    "transition_lift",
)
_ONLY_OF_OWN = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18)
"""Missing where the customer never bought the product."""
MOST_OWN = 60
MOST_EXPLORED = MOST_POPULAR + 2 * MOST_AFTER + MOST_NEAR
MOST_CANDIDATES = MOST_OWN + MOST_EXPLORED
MOST_FOLDED_IN = 100
"""The taste is read from that many of the customer's products, the most decayed count first."""


class Rhythm(NamedTuple):
    """How a customer orders; counts and lines decay with a half-life of 90 days, NaN where there is no order."""

    orders: int
    decayed_orders: float
    orders_per_day: float
    lines_per_order: float
    days_since_order: float


class Purchased(NamedTuple):
    """How often and when a customer bought a product; the decayed count at the last purchase, and now."""

    lines: float
    last_at: Instant
    days: float
    """Since the last purchase."""
    decayed_at_last: float
    decayed: float


@compiled
def purchased_at(as_of: Instant, lines: float, last_at: Instant, decayed_at_last: float) -> Purchased:
    # An event may be ahead of the clock, by as much as clocks may differ.
    days = max(0.0, (as_of - last_at) / MICROSECONDS_PER_DAY)
    return Purchased(lines, last_at, days, decayed_at_last, decayed_at_last * np.exp2(-days / HALF_LIFE_DAYS))


@compiled
def rhythm_of(i: int, histories: PurchaseHistories) -> Rhythm:
    first, last = histories.order_offsets[i], histories.order_offsets[i + 1]
    return rhythm_at(histories.as_of, histories.order_at[first:last], histories.order_lines[first:last])


@compiled
def rhythm_at(as_of: Instant, order_at: Integers, order_lines: Floats | Integers) -> Rhythm:
    count = order_at.shape[0]
    if count == 0:
        return Rhythm(0, 0.0, np.nan, np.nan, np.nan)
    orders, lines = 0.0, 0.0
    for j in range(count):
        weight = np.exp2(-(as_of - order_at[j]) / MICROSECONDS_PER_DAY / HALF_LIFE_DAYS)
        orders += weight
        lines += weight * order_lines[j]
    tenure_days = (as_of - order_at[0]) / MICROSECONDS_PER_DAY
    since_days = (as_of - order_at[count - 1]) / MICROSECONDS_PER_DAY
    return Rhythm(count, orders, count / max(tenure_days, 1.0), lines / orders, since_days)


class Room(NamedTuple):
    """To work in, for one customer after the other, of whom no trace is left.

    ``sums`` (products + 1, SCORES) zeros, ``touched`` (products + 2), ``is_taken`` (products + 1) false.
    """

    sums: Floats
    touched: Codes
    is_taken: NDArray[np.bool_]


@compiled
def room_for(known: Known) -> Room:
    products = known.tastes.factors.shape[0]
    is_taken = np.zeros(products, dtype=np.bool_)
    return Room(np.zeros((products, SCORES)), np.empty(products + 1, dtype=np.int32), is_taken)


@compiled
def fill_candidates(
    i: int, histories: PurchaseHistories, known: Known, room: Room, entry: Integers, code: Codes, rows: Singles
) -> tuple[int, int]:
    """Writes the candidates of customer ``i``, own ones first, and returns how many of these there are and how many in
    all.

    Parameters
    ----------
    entry, code
        (MOST_CANDIDATES): the position in ``histories`` of an own candidate, -1 of an explored one; the model's code.
    rows
        (len(CANDIDATE_FEATURES), MOST_CANDIDATES): a candidate in each column.
    """
    first, last = histories.product_offsets[i], histories.product_offsets[i + 1]
    by_count = np.argsort(-histories.decayed[first:last], kind="mergesort")
    own = min(MOST_OWN, last - first)
    for rank in range(own):
        entry[rank] = first + by_count[rank]
        code[rank] = histories.code[entry[rank]]
    owned = histories.code[first:last]
    taste = taste_of(known.tastes, owned, histories.lines[first:last], by_count[:MOST_FOLDED_IN])
    met, scales = add_transitions(i, by_count, histories, known.following, room.sums, room.touched)
    touched = room.touched[:met]
    count = own + explore(owned, known, taste, room.sums, touched, room.is_taken, code[own:])
    entry[own:count] = -1
    _fill_own(histories, i, entry[:own], rows)
    for feature in _ONLY_OF_OWN:
        rows[feature, own:count] = np.nan
    orders = histories.order_offsets[i + 1] - histories.order_offsets[i]
    _fill_known(known, taste, code[:count], room.sums, scales, orders, rows)
    for to in touched:
        room.sums[to] = 0.0
    return own, count


@compiled
def fill_many(
    customers: Integers,
    histories: PurchaseHistories,
    known: Known,
    entry: NDArray[np.int64],
    code: NDArray[np.int32],
    rows: Singles,
    counts: Integers,
) -> None:
    """As :func:`fill_candidates`, one customer after the other, along a new first axis."""
    room = room_for(known)
    for at in range(customers.shape[0]):
        _, counts[at] = fill_candidates(customers[at], histories, known, room, entry[at], code[at], rows[at])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of several customers, one customer after the other; ``counts`` says how many each has.

    ``entry`` is the position in the histories, -1 for an explored product; ``code`` is the model's, -1 outside its
    vocabulary; ``rows`` is (candidates, len(CANDIDATE_FEATURES)).
    """

    counts: Integers
    entry: Integers
    code: Codes
    rows: Singles


def candidates_of(customers: Integers, histories: PurchaseHistories, known: Known) -> Candidates:
    shape = (len(customers), MOST_CANDIDATES)
    entry, code = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int32)
    rows = np.empty((len(customers), len(CANDIDATE_FEATURES), MOST_CANDIDATES), dtype=np.float32)
    counts = np.empty(len(customers), dtype=np.int64)
    fill_many(customers, histories, known, entry, code, rows, counts)
    filled = np.arange(MOST_CANDIDATES) < counts[:, None]
    return Candidates(counts, entry[filled], code[filled], rows.transpose(0, 2, 1)[filled])


@compiled
def _fill_own(histories: PurchaseHistories, i: int, entry: Integers, rows: Singles) -> None:
    """What only the customer's own purchases tell; explored products keep missing values there."""
    rhythm = rhythm_of(i, histories)
    decayed_lines = 0.0
    for j in range(histories.product_offsets[i], histories.product_offsets[i + 1]):
        decayed_lines += histories.decayed[j]
    for rank in range(entry.shape[0]):
        j = entry[rank]
        lines, decayed = max(histories.lines[j], 1.0), histories.decayed[j]
        days = max(0.0, (histories.as_of - histories.last_at[j]) / MICROSECONDS_PER_DAY)
        decayed_at_last = histories.decayed_at_last[j]
        gap_days = own_gap_days(lines, decayed_at_last)
        rows[0, rank] = decayed / max(rhythm.decayed_orders, 1e-9)
        rows[1, rank] = lines / max(rhythm.orders, 1)
        rows[2, rank] = orders_since(i, j, histories)
        rows[3, rank] = days
        rows[4, rank] = gap_days
        rows[5, rank] = days / max(gap_days, 1.0)
        rows[6, rank] = decayed_at_last / lines
        rows[7, rank] = lines
        rows[8, rank] = decayed / max(decayed_lines, 1e-9)
        rows[9, rank] = histories.amount[j] / lines
        rows[15, rank] = rhythm.orders_per_day
        rows[16, rank] = rhythm.lines_per_order
        rows[17, rank] = rhythm.days_since_order
        rows[18, rank] = histories.product_offsets[i + 1] - histories.product_offsets[i]


@compiled
def _fill_known(
    known: Known, taste: Floats, code: Codes, sums: Floats, scales: Scales, orders: int, rows: Singles
) -> None:
    """What is known of each product, and how it follows what the customer bought."""
    facts, factors = known.facts, known.tastes.factors
    scores = np.empty(SCORES)
    for rank in range(code.shape[0]):
        product = code[rank]
        rows[10, rank] = dot(taste, factors, product)
        rows[11, rank] = facts[product, POPULARITY]
        rows[12, rank] = facts[product, REPEAT_LIFT]
        rows[13, rank] = facts[product, TREND]
        rows[14, rank] = rows[3, rank] / max(facts[product, GAP_DAYS], 1.0)
        rows[19, rank] = orders
        rows[20, rank] = facts[product, BOUGHT]
        rows[21, rank] = facts[product, EXPLORED]
        rows[22, rank] = facts[product, RETURNED]
        write_transition_scores(sums[product], scales, facts[product, OVER_TARGET], scores)
        for score in range(SCORES):
            rows[23 + score, rank] = scores[score]
        rows[27, rank] = scores[SHARE_RECENT] * np.exp(-facts[product, BOUGHT])
