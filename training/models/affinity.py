"""The chance that a customer's next order holds a product of an offer's target, for many offers at once.

Products the customer has bought each bring a chance of their own; all others share the expected number of products new
to the customer, in proportion to how often people try them. Together they make a rate, and the rate a chance
(calibrated, because products of one basket are not independent).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import Instant
from features.product_targets import ProductTargets
from training.models.candidates import Purchased, Rhythm, purchased_at, rhythm_at
from training.models.product_knowledge import ProductKnowledge, own_gap_days
from training.models.purchase_histories import Floats, Integers

Flags = NDArray[np.bool_]

OWN_TERMS = 9
NEW_TERMS = 4
GAP_DAYS, REPEAT_LIFT, TRIAL, COMBINATION = range(4)
"""Columns of :attr:`TargetFacts.products`."""
LEAST_SHARE = 0.001
"""Added to shares before their logarithm is taken."""


class AffinityWeights(NamedTuple):
    """Coefficients: ``own`` (OWN_TERMS) of the log odds that an own product is in the next order; ``new`` (NEW_TERMS)
    of the log expected number of products bought for the first time; ``calibration`` (2) of the log odds over the log
    rate; ``trial`` (products + 1): the share of first purchases of each product, last of any unknown one.
    """

    own: Floats
    new: Floats
    calibration: Floats
    trial: Floats


class TargetFacts(NamedTuple):
    """What a model knows of targets.

    Attributes
    ----------
    products
        (rows, 4), a row as in :class:`features.product_targets.ProductTargets`: ``GAP_DAYS``, the usual days between
        purchases, ``REPEAT_LIFT``, ``TRIAL``, the share of first purchases, and ``COMBINATION`` of targets. Side by
        side, so that what a customer bought is looked up in one place of memory.
    trial
        (targets): the share of first purchases that falls to each.
    coefficients
        ``own``, ``new`` and ``calibration`` of :class:`AffinityWeights`, one after the other.
    """

    products: Floats
    trial: Floats
    coefficients: Floats


def facts_of_targets(
    targets: ProductTargets, codes: Mapping[str, int], knowledge: ProductKnowledge, weights: AffinityWeights
) -> TargetFacts:
    """``codes`` is the model's vocabulary; a product outside it is tried as seldom as any within."""
    code = np.array([codes.get(product_id, -1) for product_id in targets.row_of_product], dtype=np.int64)
    trial = weights.trial[code]
    trials = np.bincount(targets.combination, trial, len(targets.offsets) - 1)
    return TargetFacts(
        np.stack([knowledge.gap_days[code], knowledge.repeat_lift[code], trial, targets.combination], axis=1),
        np.bincount(targets.target, np.repeat(trials, np.diff(targets.offsets)), len(targets)).astype(np.float64),
        np.concatenate([weights.own, weights.new, weights.calibration]),
    )


@compiled
def own_terms(
    purchased: Purchased, order_at: Integers, rhythm: Rhythm, product_gap_days: float, repeat_lift: float, into: Floats
) -> None:
    """Writes the OWN_TERMS of a product; ``order_at`` are the orders of the customer who bought it."""
    gap = own_gap_days(purchased.lines, purchased.decayed_at_last)
    seen = np.searchsorted(order_at, purchased.last_at, side="right")
    into[0] = 1.0
    into[1] = np.log(LEAST_SHARE + purchased.decayed / max(rhythm.decayed_orders, 1e-9))
    into[2] = np.log(LEAST_SHARE + purchased.lines / max(rhythm.orders, 1))
    into[3] = np.log(1.0 + rhythm.orders - seen)
    into[4] = np.log(1.0 + purchased.days / max(product_gap_days, 1.0))
    into[5] = 0.0 if np.isnan(gap) else 1.0
    into[6] = 0.0 if np.isnan(gap) else np.log(1.0 + purchased.days / max(gap, 1.0))
    into[7] = repeat_lift
    into[8] = np.log(max(rhythm.lines_per_order, 1.0))


@compiled
def new_terms(rhythm: Rhythm, own_products: int, into: Floats) -> None:
    """Writes the NEW_TERMS of a customer: of what the number of products bought for the first time depends on."""
    into[0] = 1.0
    into[1] = np.log(max(rhythm.lines_per_order, 1.0)) if rhythm.orders else 0.0
    into[2] = np.log(1.0 + own_products)
    into[3] = np.log(1.0 + rhythm.orders)


@compiled
def fill_chances(
    as_of: Instant,
    order_offsets: Integers,
    order_at: Integers,
    order_lines: Integers,
    product_offsets: Integers,
    row: Integers,
    lines: Integers,
    last_at: Integers,
    decayed_at_last: Floats,
    offsets: Integers,
    target: NDArray[np.int32],
    products: Floats,
    trial: Floats,
    coefficients: Floats,
    is_asked: Flags,
    into: Floats,
) -> None:
    """Writes (customers, targets); 0 for targets that are not asked for.

    The arguments are columns of profiles with the row in the targets of each product (-1: in none), then of
    ``ProductTargets`` and ``TargetFacts``.
    """
    own, new = coefficients[:OWN_TERMS], coefficients[OWN_TERMS : OWN_TERMS + NEW_TERMS]
    level, slope = coefficients[OWN_TERMS + NEW_TERMS], coefficients[OWN_TERMS + NEW_TERMS + 1]
    terms = np.empty(max(OWN_TERMS, NEW_TERMS))
    met, facts = np.empty(row.size, dtype=np.int64), np.empty((row.size, 4))
    for i in range(into.shape[0]):
        orders = order_at[order_offsets[i] : order_offsets[i + 1]]
        rhythm = rhythm_at(as_of, orders, order_lines[order_offsets[i] : order_offsets[i + 1]])
        first, last = product_offsets[i], product_offsets[i + 1]
        new_terms(rhythm, last - first, terms)
        first_purchases = np.exp(_dot(terms, new))
        into[i] = trial * first_purchases
        count = _gather(row, first, last, products, met, facts)
        for k in range(count):
            j, combination = met[k], int(facts[k, COMBINATION])
            start, end = offsets[combination], offsets[combination + 1]
            if _is_any_asked(is_asked, target, start, end):
                purchased = purchased_at(as_of, lines[j], last_at[j], decayed_at_last[j])
                own_terms(purchased, orders, rhythm, facts[k, GAP_DAYS], facts[k, REPEAT_LIFT], terms)
                _add_rate(_dot(terms, own), first_purchases * facts[k, TRIAL], target, start, end, into[i])
        for t in range(trial.size):
            into[i, t] = _chance(into[i, t], level, slope) if is_asked[t] else 0.0


@compiled
def _add_rate(log_odds: float, share: float, target: NDArray[np.int32], start: int, end: int, rates: Floats) -> None:
    """To the targets of a product: what it is expected to bring, in the place of its share of first purchases."""
    # -log(1 - p) of a logistic p: rates add where the chances of not buying multiply.
    rate = np.log1p(np.exp(log_odds)) - share
    for at in range(start, end):
        rates[target[at]] += rate


@compiled
def _gather(row: Integers, first: int, last: int, products: Floats, met: Integers, facts: Floats) -> int:
    """Writes the places of products that are in targets, and their facts; returns how many.

    They lie far apart in memory: with nothing between the reads the processor waits for all of them at once.
    """
    count = 0
    for j in range(first, last):
        if row[j] >= 0:
            met[count] = j
            facts[count] = products[row[j]]
            count += 1
    return count


@compiled
def _is_any_asked(is_asked: Flags, target: NDArray[np.int32], start: int, end: int) -> bool:
    asked = 0
    for at in range(start, end):
        asked += is_asked[target[at]]
    return asked > 0


@compiled
def _chance(rate: float, level: float, slope: float) -> float:
    """The chance that at least one is bought, at such a rate; 0 at none."""
    if rate <= 0.0:
        return 0.0
    return float(1.0 - 1.0 / (1.0 + np.exp(level + slope * np.log(rate))))


@compiled
def _dot(terms: Floats, weights: Floats) -> float:
    total = 0.0
    for t in range(weights.shape[0]):
        total += terms[t] * weights[t]
    return total
