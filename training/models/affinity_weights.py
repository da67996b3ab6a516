"""The coefficients of affinity, learned from baskets that followed past cutoffs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.profile_tables import ranges
from training.models.affinity import NEW_TERMS, OWN_TERMS, AffinityWeights, new_terms, own_terms
from training.models.candidates import purchased_at, rhythm_of
from training.models.collaborative_filtering import Tastes
from training.models.product_knowledge import ProductKnowledge
from training.models.purchase_histories import (
    Codes,
    Floats,
    Integers,
    NextBaskets,
    PurchaseHistories,
    customer_of,
    is_within,
)

PRACTICE_TARGETS = 150
LARGEST_PRACTICE_TARGET = 2_000
MOST_OWN_ROWS = 300_000
PRACTICE_CUSTOMERS = 600
LEAST_RATE = 1e-9
RIDGE = 1.0


class Answered(NamedTuple):
    """What was known before a cutoff, and what was bought after it."""

    histories: PurchaseHistories
    baskets: NextBaskets
    knowledge: ProductKnowledge


def fit_affinity(answered: Sequence[Answered], tastes: Tastes, generator: np.random.Generator) -> AffinityWeights:
    """By maximum likelihood, the calibration on made-up targets of the newest of ``answered``."""
    trial = _trial(answered, len(tastes.factors) - 1)
    own = logistic_regression(*_own_examples(answered, generator))
    new = poisson_regression(*_new_examples(answered))
    uncalibrated = AffinityWeights(own, new, np.array([0.0, 1.0]), trial)
    return uncalibrated._replace(calibration=_calibration(answered[-1], uncalibrated, tastes, generator))


def _trial(answered: Sequence[Answered], products: int) -> Floats:
    """First purchases by product; where few were seen, popularity speaks; last, any product not met yet."""
    counts = np.zeros(products + 1)
    for example in answered:
        is_new = _is_new(example) & (example.baskets.code >= 0)
        counts += np.bincount(example.baskets.code[is_new], minlength=products + 1)
    popularity = np.exp(answered[-1].knowledge.popularity)
    popularity[products] = 0.0
    prior = popularity / popularity.sum()
    # Half of the weight of the data: the tail of products is long, and most were tried by nobody yet.
    mixed: Floats = (counts + 0.5 * counts.sum() * prior) / max(1.5 * counts.sum(), 1.0)
    mixed[products] = mixed[:products].min()
    return mixed


def _is_new(example: Answered) -> NDArray[np.bool_]:
    """Of every product in a basket: whether the customer had never bought it."""
    histories, baskets = example.histories, example.baskets
    return ~is_within(baskets.offsets, baskets.product, histories.product_offsets, histories.product)


def _own_examples(answered: Sequence[Answered], generator: np.random.Generator) -> tuple[Floats, Floats]:
    terms, outcomes = [], []
    most = MOST_OWN_ROWS // len(answered)
    for histories, baskets, knowledge in answered:
        did_order = np.diff(baskets.offsets) > 0
        entries = np.flatnonzero(did_order[customer_of(histories.product_offsets)])
        chosen = np.sort(generator.choice(entries, min(most, entries.size), replace=False))
        terms.append(_own_terms(chosen, customer_of(histories.product_offsets)[chosen], histories, knowledge))
        outcomes.append(baskets.is_next[chosen])
    return np.concatenate(terms), np.concatenate(outcomes).astype(np.float64)


@compiled
def _own_terms(
    entries: Integers, customers: Integers, histories: PurchaseHistories, knowledge: ProductKnowledge
) -> Floats:
    terms = np.empty((entries.shape[0], OWN_TERMS))
    for at in range(entries.shape[0]):
        i, j = customers[at], entries[at]
        lines, last_at, decayed = histories.lines[j], histories.last_at[j], histories.decayed_at_last[j]
        purchased = purchased_at(histories.as_of, lines, last_at, decayed)
        order_at = histories.order_at[histories.order_offsets[i] : histories.order_offsets[i + 1]]
        code = histories.code[j]
        gap_days, repeat_lift = knowledge.gap_days[code], knowledge.repeat_lift[code]
        own_terms(purchased, order_at, rhythm_of(i, histories), gap_days, repeat_lift, terms[at])
    return terms


def _new_examples(answered: Sequence[Answered]) -> tuple[Floats, Floats]:
    terms, counts = [], []
    for example in answered:
        customers = np.flatnonzero(np.diff(example.baskets.offsets))
        terms.append(_new_terms(customers, example.histories))
        counts.append(np.add.reduceat(_is_new(example).astype(np.float64), example.baskets.offsets[customers]))
    return np.concatenate(terms), np.concatenate(counts)


@compiled
def _new_terms(customers: Integers, histories: PurchaseHistories) -> Floats:
    terms = np.empty((customers.shape[0], NEW_TERMS))
    for at in range(customers.shape[0]):
        i = customers[at]
        new_terms(rhythm_of(i, histories), histories.product_offsets[i + 1] - histories.product_offsets[i], terms[at])
    return terms


def _calibration(example: Answered, weights: AffinityWeights, tastes: Tastes, generator: np.random.Generator) -> Floats:
    """Log odds of a target being hit over the log of its rate, on made-up targets."""
    from scipy.sparse import csr_matrix

    products = len(tastes.factors)
    targets = practice_targets(example.knowledge, tastes, generator)
    member = np.concatenate(targets), np.repeat(np.arange(len(targets)), [len(target) for target in targets])
    members = csr_matrix((np.ones(len(member[0])), member), shape=(products, len(targets)))
    customers = np.flatnonzero(np.diff(example.baskets.offsets))
    customers = np.sort(generator.choice(customers, min(PRACTICE_CUSTOMERS, customers.size), replace=False))
    customer, code, rate = _own_rates(customers, example, weights)
    new = np.exp(_new_terms(customers, example.histories) @ weights.new)
    own = csr_matrix((rate - new[customer] * weights.trial[code], (customer, code)), shape=(len(customers), products))
    rates = (own @ members).toarray() + np.outer(new, weights.trial @ members)
    hits = (_bought(customers, example.baskets, products) @ members).toarray() > 0
    usable = rates > LEAST_RATE
    terms = np.stack([np.ones(int(usable.sum())), np.log(rates[usable])], axis=1)
    return logistic_regression(terms, hits[usable].astype(np.float64))


def practice_targets(knowledge: ProductKnowledge, tastes: Tastes, generator: np.random.Generator) -> list[Codes]:
    """Product codes of targets as offers have them: a popular product and those nearest to it in taste, few or many."""
    factors = tastes.factors[:-1] / np.maximum(np.linalg.norm(tastes.factors[:-1], axis=1, keepdims=True), 1e-9)
    targets = []
    for _ in range(PRACTICE_TARGETS):
        size = int(np.exp(generator.uniform(0.0, np.log(min(LARGEST_PRACTICE_TARGET, len(factors))))))
        around = knowledge.popular[generator.integers(len(knowledge.popular))]
        targets.append(np.argpartition(-(factors @ factors[around]), size - 1)[:size].astype(np.int32))
    return targets


def _own_rates(customers: Integers, example: Answered, weights: AffinityWeights) -> tuple[Integers, Codes, Floats]:
    """Position in ``customers``, code and rate of what they have bought, as far as the model knows the product."""
    offsets = example.histories.product_offsets
    lengths = np.diff(offsets)[customers]
    entries = ranges(offsets[:-1][customers], lengths)
    position = np.repeat(np.arange(len(customers)), lengths)
    is_known = example.histories.code[entries] >= 0
    entries, position = entries[is_known], position[is_known]
    terms = _own_terms(entries, customers[position], example.histories, example.knowledge)
    return position, example.histories.code[entries], np.log1p(np.exp(terms @ weights.own))


def _bought(customers: Integers, baskets: NextBaskets, products: int) -> Any:
    """Customers by products: what is in the next basket, as a sparse matrix."""
    from scipy.sparse import csr_matrix

    entries = ranges(baskets.offsets[:-1][customers], np.diff(baskets.offsets)[customers])
    position = np.repeat(np.arange(len(customers)), np.diff(baskets.offsets)[customers])
    is_known = baskets.code[entries] >= 0
    where = position[is_known], baskets.code[entries][is_known]
    return csr_matrix((np.ones(int(is_known.sum())), where), shape=(len(customers), products))


def logistic_regression(terms: Floats, outcomes: Floats, steps: int = 12) -> Floats:
    """Coefficients of the log odds by Newton's method, with a slight ridge.

    >>> terms, outcomes = np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0])
    >>> logistic_regression(np.repeat(terms, 1000, axis=0), np.repeat(outcomes, 1000)).round(2)  # log 3
    array([1.1])
    """
    weights: Floats = np.zeros(terms.shape[1])
    for _ in range(steps):
        chance = 1.0 / (1.0 + np.exp(-np.clip(terms @ weights, -30.0, 30.0)))
        weights += _newton_step(terms, outcomes - chance, chance * (1.0 - chance), weights)
    return weights


def poisson_regression(terms: Floats, counts: Floats, steps: int = 20) -> Floats:
    """Coefficients of the log mean by Newton's method, with a slight ridge; the first term is 1 throughout."""
    weights: Floats = np.zeros(terms.shape[1])
    weights[0] = np.log(max(counts.mean(), 1e-3))
    for _ in range(steps):
        mean = np.exp(np.clip(terms @ weights, -20.0, 20.0))
        weights += _newton_step(terms, counts - mean, mean, weights)
    return weights


def _newton_step(terms: Floats, residual: Floats, curvature: Floats, weights: Floats) -> Floats:
    hessian = (terms * curvature[:, None]).T @ terms + RIDGE * np.eye(len(weights))
    return np.asarray(np.linalg.solve(hessian, terms.T @ residual - RIDGE * weights), dtype=np.float64)
