"""Intervals of off-policy estimates: rewards are mostly zero and long-tailed, weights uneven, so the normal one misses.

The *gamma* interval is what is answered with by default. Fay and Feuer (1997, *Statistics in Medicine* 16, 791-801)
bound a weighted sum of Poisson counts by quantiles of gamma distributions: the lower limit from the gamma with the mean
and variance of the sum, the upper one from the gamma of the sum with one more count of the largest weight. It is
carried over to estimators of which each row adds or takes away something: of the rows' deviations from the estimate,
the sums of those above and of those below zero are bounded so, and put together as Zou and Donner (2008) do. One more
row is one of the log's largest weight with a residual of the size that makes up most of the residuals' variance. With
many even rows it is the normal interval.

The *bootstrap* interval is the bootstrap-t (Efron and Tibshirani 1993, section 12.5). It is narrower, and too narrow
where a few rows hold most of the reward: ``python -m benchmarks.off_policy`` shows both.

A row is here what is independent of the others: of a log that names its customers, all that came of one of them.
"""

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy_estimators import Terms

Vector = NDArray[np.float64]

ONE_MORE_ROW = 1.25
"""Sizes of a row that the upper gamma has more: a plain one covers 93 % of the time where 200 rows hold ten rewards."""
_BLOCKS = 4_000


def gamma_interval(terms: Terms, level: float) -> tuple[float, float]:
    """Bounds of the estimate, widened by the bias that it may have."""
    deviation = (terms.numerator - terms.value * terms.denominator) / terms.denominator.sum()
    largest_weight = float(terms.weight.max() / terms.denominator.sum())
    tail = (1.0 - level) / 2.0
    rise, fall = (
        _reach(np.maximum(sign * deviation, 0.0), largest_weight * _heavy(np.maximum(sign * terms.residual, 0.0)), tail)
        for sign in (1.0, -1.0)
    )
    low = terms.value - np.hypot(rise[0], fall[1]) - terms.bias
    return float(low), float(terms.value + np.hypot(rise[1], fall[0]) + terms.bias)


def bootstrap_interval(terms: Terms, drawn: Vector, level: float) -> tuple[float, float]:
    """Bounds by the quantiles of the studentised deviation in replicates ``drawn`` (see :func:`multiplicities`).

    A replicate without any spread says nothing of itself and is measured by the spread of the whole.
    """
    blocks = drawn.shape[1]
    scale = max(float(np.abs(terms.numerator).max()), 1e-300)
    n, d = _block_sums(terms.numerator / scale, blocks), _block_sums(terms.denominator, blocks)
    columns = np.stack([n, d, n * n, n * d, d * d], axis=1)
    value, error = _ratio_and_error(columns.sum(axis=0)[np.newaxis])
    sums = drawn @ columns
    values, errors = _ratio_and_error(sums[sums[:, 1] > 0])
    errors = np.where(errors > 1e-9 * error, errors, error)
    if error[0] == 0:
        return terms.value - terms.bias, terms.value + terms.bias
    low, high = np.quantile((values - value) / errors, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return (
        float(scale * (value[0] - high * error[0])) - terms.bias,
        float(scale * (value[0] - low * error[0])) + terms.bias,
    )


def multiplicities(rows: int, seed: int, replicates: int) -> Vector:
    """How often each block is drawn in each replicate of the bootstrap [replicate, block].

    A block is one row, or in a long log every so many-th row: estimators are ratios of sums, and the spread of sums
    over so many blocks is that over rows.
    """
    blocks = min(rows, _BLOCKS)
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1.0 / blocks), size=replicates)
    return drawn.astype(np.float64)


def _reach(part: Vector, one_more: float, tail: float) -> tuple[float, float]:
    """How far the sum of these may lie below and above what it came to."""
    scale = float(part.max())
    if scale == 0 and one_more == 0:
        return 0.0, 0.0
    scale = max(scale, one_more)
    total, variance = float(part.sum()) / scale, float(((part / scale) ** 2).sum())
    extra = ONE_MORE_ROW * max(float(part.max()), one_more) / scale
    below = total - _gamma_quantile(tail, total, variance)
    above = _gamma_quantile(1.0 - tail, total + extra, variance + extra * extra) - total
    return scale * below, scale * above


def _heavy(residual: Vector) -> float:
    """Σ ρ³ / Σ ρ²: the size of the residuals that hold most of the variance, however many are zero."""
    scale = float(residual.max())
    if scale == 0:
        return 0.0
    part = residual / scale
    return scale * float((part**3).sum() / (part**2).sum())


def _gamma_quantile(probability: float, mean: float, variance: float) -> float:
    from scipy.special import gammaincinv

    if mean <= 0 or variance <= 0:
        return max(mean, 0.0)
    return float(gammaincinv(mean * mean / variance, probability)) * variance / mean


def _ratio_and_error(sums: Vector) -> tuple[Vector, Vector]:
    """Of [n, d, n², n d, d²]: n / d and its standard error by the delta method."""
    value = sums[:, 0] / sums[:, 1]
    squares = sums[:, 2] - 2.0 * value * sums[:, 3] + value * value * sums[:, 4]
    return value, np.sqrt(np.maximum(squares, 0.0)) / sums[:, 1]


def _block_sums(column: Vector, blocks: int) -> Vector:
    sums: Vector = np.bincount(np.arange(len(column)) % blocks, weights=column, minlength=blocks).astype(np.float64)
    return sums
