"""How good ranked lists and predicted hours are; every metric gives one number a customer, to be averaged or compared.

``ranked`` is a customer's list, best first, without repeats; ``basket`` is what the customer then bought.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
SMALLEST_PROBABILITY = 1e-15


def recall(ranked: Sequence[str], basket: Collection[str], k: int) -> float:
    """The share of the basket that is among the first ``k``; NaN for an empty basket.

    >>> recall(["milk", "tea", "rye"], {"rye", "milk"}, k=2)
    0.5
    """
    wanted = set(basket)
    return len(wanted.intersection(ranked[:k])) / len(wanted) if wanted else float("nan")


def normalised_discounted_gain(ranked: Sequence[str], basket: Collection[str], k: int) -> float:
    """NDCG@k with binary gain (Järvelin & Kekäläinen 2002): a hit at rank r counts 1 / log2(r + 1), 1 is perfect.

    >>> normalised_discounted_gain(["milk", "tea"], {"milk"}, k=10)
    1.0
    """
    wanted = set(basket)
    if not wanted:
        return float("nan")
    gain = sum(1 / np.log2(rank + 2) for rank, product in enumerate(ranked[:k]) if product in wanted)
    return float(gain / sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted)))))


def personal_hit(ranked: Sequence[str], basket: Collection[str], k: int) -> float:
    """1 if any of the first ``k`` was bought, else 0; its mean is the personal hit rate PHR@k.

    >>> personal_hit(["milk", "tea"], {"tea"}, k=1), personal_hit(["milk", "tea"], {"tea"}, k=2)
    (0.0, 1.0)
    """
    return float(bool(set(basket).intersection(ranked[:k]))) if basket else float("nan")


def hour_log_loss(probability: Floats, offsets: ArrayLike, hours: ArrayLike) -> Floats:
    """Each customer's mean negative log probability of the hours at which something happened; NaN where nothing did.

    Parameters
    ----------
    probability
        (n, 168), rows summing to 1.
    offsets, hours
        Customer ``i``'s hours of the week are ``hours[offsets[i]:offsets[i + 1]]``.
    """
    customer, counts = _customers(offsets)
    at = np.maximum(probability[customer, np.asarray(hours, dtype=np.int64)], SMALLEST_PROBABILITY)
    return _means(-np.log(at), customer, counts)


def top_hours_hit(probability: Floats, offsets: ArrayLike, hours: ArrayLike, k: int = 3) -> Floats:
    """The share of each customer's events that fell into the ``k`` likeliest hours; NaN where nothing happened."""
    customer, counts = _customers(offsets)
    top = np.argsort(-probability, axis=1, kind="stable")[:, :k]
    hit = (top[customer] == np.asarray(hours, dtype=np.int64)[:, None]).any(axis=1)
    return _means(hit.astype(np.float64), customer, counts)


def _customers(offsets: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.asarray(offsets, dtype=np.int64)
    counts = edges[1:] - edges[:-1]
    return np.repeat(np.arange(len(counts)), counts), counts


def _means(values: Floats, customer: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    sums = np.bincount(customer, values, len(counts))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """How much larger one customer-wise metric is than another in the mean, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def mean_difference(
    ours: Floats,
    baseline: Floats,
    generator: np.random.Generator,
    *,
    weights: Floats | None = None,
    resamples: int = 1000,
) -> MeanDifference:
    """Paired bootstrap over customers (percentile interval); customers where either metric is NaN are left out.

    With ``weights`` (one a customer, the number of what the metric is a mean of) the mean is over these, but customers
    are still what is drawn: what one customer does is no independent evidence.
    """
    both = np.isfinite(ours - baseline)
    if not both.any():
        return MeanDifference(float("nan"), float("nan"), float("nan"))
    weight = np.ones(len(ours)) if weights is None else weights
    change, weight = ((ours - baseline) * weight)[both], weight[both]
    draws = generator.integers(0, len(change), (resamples, len(change)))
    means = change[draws].sum(axis=1) / weight[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return MeanDifference(float(change.sum() / weight.sum()), float(low), float(high))
