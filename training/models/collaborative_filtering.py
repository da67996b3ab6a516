"""Tastes: factors of products learned from what customers bought, and a customer's own solved for at request time.

Implicit-feedback matrix factorisation after Hu, Koren, Volinsky (2008): confidence is 1 + weight · log(1 + lines),
preference is 1 for what was bought and 0 for everything else.
"""

from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled

if TYPE_CHECKING:
    from training.models.purchase_histories import PurchaseHistories

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
_LIMITING = Lock()


class Tastes(NamedTuple):
    """``factors`` is (products + 1, k), its last row zero for products unknown; ``gram`` is YᵀY + λI (k, k)."""

    factors: NDArray[np.float32]
    gram: Floats
    weight: float


def learn_tastes(
    histories: "PurchaseHistories", products: int, *, factors: int, weight: float, ridge: float, sweeps: int, seed: int
) -> Tastes:
    """Factors of the products by alternating least squares.

    Parameters
    ----------
    histories
        Codes below ``products``; -1 marks a product outside the vocabulary, which is left out.
    weight, ridge
        How much a repeated purchase adds to confidence; λ of the paper.
    """
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    customers = len(histories.product_offsets) - 1
    row = np.repeat(np.arange(customers), np.diff(histories.product_offsets))
    known = histories.code >= 0
    confidence = (1.0 + weight * np.log1p(histories.lines[known])).astype(np.float32)
    bought = csr_matrix((confidence, (row[known], histories.code[known])), shape=(customers, products))
    # Without the limit BLAS and implicit fight for the same cores; it is the process's, so one at a time sets it.
    with _LIMITING, threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=factors, regularization=ridge, iterations=sweeps, random_state=seed, num_threads=1
        )
        model.fit(bought, show_progress=False)
    learned = np.asarray(model.item_factors, dtype=np.float32)
    exact = learned.astype(np.float64)
    unknown = np.zeros((1, factors), dtype=np.float32)
    return Tastes(np.concatenate([learned, unknown]), exact.T @ exact + ridge * np.eye(factors), weight)


@compiled
def taste_of(tastes: Tastes, code: Codes, lines: Floats, chosen: Integers) -> Floats:
    """The customer's factors, given the chosen of the products bought: the paper's equation 4.

    Confidence c of a product with factors y adds (c - 1) y yᵀ to the Gram matrix and c y to the right-hand side.
    """
    k = tastes.gram.shape[0]
    a = tastes.gram.copy()
    b = np.zeros(k)
    y = np.empty(k)
    for j in chosen:
        if code[j] < 0:
            continue
        y[:] = tastes.factors[code[j]]
        extra = tastes.weight * np.log1p(lines[j])
        for r in range(k):
            scaled = extra * y[r]
            b[r] += y[r] + scaled
            for c in range(r + 1):
                a[r, c] += scaled * y[c]
    return cholesky_solve(a, b)


@compiled
def dot(taste: Floats, factors: NDArray[np.float32], row: int) -> float:
    """Four sums at a time: each addition waits for the one before."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    fours = taste.shape[0] // 4 * 4
    for f in range(0, fours, 4):
        one += taste[f] * factors[row, f]
        two += taste[f + 1] * factors[row, f + 1]
        three += taste[f + 2] * factors[row, f + 2]
        four += taste[f + 3] * factors[row, f + 3]
    for f in range(fours, taste.shape[0]):
        one += taste[f] * factors[row, f]
    return (one + two) + (three + four)


@compiled
def nearness_of(taste: Floats, factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The dot product of a taste (k) with each of the products of factors (k, products)."""
    near = np.zeros(factors.shape[1], dtype=np.float32)
    for f in range(taste.shape[0]):
        weight = np.float32(taste[f])
        for at in range(factors.shape[1]):
            near[at] += weight * factors[f, at]
    return near


@compiled
def cholesky_solve(a: Floats, b: Floats) -> Floats:
    """x with A x = b for a positive definite A, of which the lower triangle is read and overwritten.

    >>> cholesky_solve(np.array([[4.0, 0.0], [2.0, 3.0]]), np.array([8.0, 7.0]))
    array([1.25, 1.5 ])
    """
    k = b.shape[0]
    x, over_root = b.copy(), np.empty(k)
    for r in range(k):
        for c in range(r):
            total = a[r, c]
            for i in range(c):
                total -= a[r, i] * a[c, i]
            a[r, c] = total * over_root[c]
        square = a[r, r]
        for i in range(r):
            square -= a[r, i] * a[r, i]
            x[r] -= a[r, i] * x[i]
        over_root[r] = 1.0 / np.sqrt(square)
        x[r] *= over_root[r]
    for r in range(k - 1, -1, -1):
        x[r] *= over_root[r]
        for i in range(r):
            x[i] -= a[r, i] * x[r]
    return x
