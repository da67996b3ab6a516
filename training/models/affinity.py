"""The chance that a customer's next order holds a product of an offer's target, for many offers at once.

Products the customer has bought each bring a chance of their own; all others share the expected number of products new
to the customer, in proportion to how often people try them. Together they make a rate, and the rate a chance
(calibrated, because products of one basket are not independent).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.id_table import IdTable
from features.instant import MICROSECONDS_PER_DAY
from training.models.candidates import Rhythm, rhythm_of
from training.models.product_knowledge import ProductKnowledge, own_gap_days
from training.models.purchase_histories import HALF_LIFE_DAYS, Codes, Floats, Integers, PurchaseHistories

OWN_TERMS = 9
NEW_TERMS = 4
LEAST_SHARE = 0.001
"""Added to shares before their logarithm is taken."""


class AffinityWeights(NamedTuple):
    """Coefficients: ``own`` (OWN_TERMS) of the log odds that an own product is in the next order; ``new`` (NEW_TERMS)
    of the log expected number of products bought for the first time; ``calibration`` (2) of the log odds over the log
    rate; ``trial`` (products + 1): the share of first purchases that each product has.
    """

    own: Floats
    new: Floats
    calibration: Floats
    trial: Floats


@dataclass(frozen=True, slots=True)
class Targets:
    """Products of many targets, so that a customer's products find the targets that hold them.

    ``position`` gives a product's row; row r is in the targets ``target[offsets[r]:offsets[r + 1]]``. ``trial`` (one a
    row) and ``total_trial`` (one a target) are shares of first purchases.
    """

    position: Mapping[str, int]
    offsets: Integers
    target: Codes
    trial: Floats
    total_trial: Floats
    is_everything: NDArray[np.bool_]


def index_targets(targets: Sequence[Collection[str] | None], codes: Mapping[str, int], trial: Floats) -> Targets:
    """The products of each target (None: everything); those that the model has never seen count for their buyers only.

    ``codes`` and ``trial`` are the model's.
    """
    members: dict[str, list[int]] = {}
    for number, products in enumerate(targets):
        for product_id in dict.fromkeys(products or ()):
            members.setdefault(product_id, []).append(number)
    lengths = np.array([len(numbers) for numbers in members.values()], dtype=np.int64)
    target = np.array([number for numbers in members.values() for number in numbers], dtype=np.int32)
    row_trial = np.array([trial[codes.get(product_id, -1)] for product_id in members], dtype=np.float64)
    return Targets(
        IdTable({product_id: row for row, product_id in enumerate(members)}),
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        target,
        row_trial,
        np.bincount(target, np.repeat(row_trial, lengths), len(targets)).astype(np.float64),
        np.array([products is None for products in targets], dtype=np.bool_),
    )


@compiled
def own_terms(
    j: int, order_at: Integers, rhythm: Rhythm, histories: PurchaseHistories, knowledge: ProductKnowledge, into: Floats
) -> None:
    """Writes the OWN_TERMS of entry ``j``; ``order_at`` are the orders of the customer whose entry it is."""
    code, lines, decayed = histories.code[j], histories.lines[j], histories.decayed[j]
    days = max(0.0, (histories.as_of - histories.last_at[j]) / MICROSECONDS_PER_DAY)
    gap = own_gap_days(lines, decayed * np.exp2(days / HALF_LIFE_DAYS))
    seen = np.searchsorted(order_at, histories.last_at[j], side="right")
    into[0] = 1.0
    into[1] = np.log(LEAST_SHARE + decayed / max(rhythm.decayed_orders, 1e-9))
    into[2] = np.log(LEAST_SHARE + lines / max(rhythm.orders, 1))
    into[3] = np.log(1.0 + rhythm.orders - seen)
    into[4] = np.log(1.0 + days / max(knowledge.gap_days[code], 1.0))
    into[5] = 0.0 if np.isnan(gap) else 1.0
    into[6] = 0.0 if np.isnan(gap) else np.log(1.0 + days / max(gap, 1.0))
    into[7] = knowledge.repeat_lift[code]
    into[8] = np.log(max(rhythm.lines_per_order, 1.0))


@compiled
def new_terms(rhythm: Rhythm, own_products: int, into: Floats) -> None:
    """Writes the NEW_TERMS of a customer: of what the number of products bought for the first time depends on."""
    into[0] = 1.0
    into[1] = np.log(max(rhythm.lines_per_order, 1.0)) if rhythm.orders else 0.0
    into[2] = np.log(1.0 + own_products)
    into[3] = np.log(1.0 + rhythm.orders)


@compiled
def add_rates(
    i: int,
    histories: PurchaseHistories,
    knowledge: ProductKnowledge,
    weights: AffinityWeights,
    row: Codes,
    offsets: Integers,
    target: Codes,
    trial: Floats,
    rates: Floats,
) -> None:
    """Writes what each target is expected to hold of customer ``i``'s next order.

    ``row`` is the row in the targets of each entry of ``histories``, -1 where none holds it; ``rates`` comes with each
    target's share of first purchases.
    """
    rhythm = rhythm_of(i, histories)
    order_at = histories.order_at[histories.order_offsets[i] : histories.order_offsets[i + 1]]
    first, last = histories.product_offsets[i], histories.product_offsets[i + 1]
    terms = np.empty(max(OWN_TERMS, NEW_TERMS))
    new_terms(rhythm, last - first, terms)
    new = np.exp(_dot(terms, weights.new))
    rates *= new
    for j in range(first, last):
        r = row[j]
        if r < 0:
            continue
        own_terms(j, order_at, rhythm, histories, knowledge, terms)
        # -log(1 - p) of a logistic p: rates add where the chances of not buying multiply.
        rate = np.log1p(np.exp(_dot(terms, weights.own))) - new * trial[r]
        for at in range(offsets[r], offsets[r + 1]):
            rates[target[at]] += rate


@compiled
def _dot(terms: Floats, weights: Floats) -> float:
    total = 0.0
    for t in range(weights.shape[0]):
        total += terms[t] * weights[t]
    return total


def chances(rates: Floats, calibration: Floats) -> Floats:
    """The chance that at least one is bought, at such a rate; 0 at none."""
    with np.errstate(divide="ignore", over="ignore"):
        odds = np.exp(calibration[0]) * np.maximum(rates, 0.0) ** calibration[1]
        result: Floats = 1.0 - 1.0 / (1.0 + odds)
    return result
