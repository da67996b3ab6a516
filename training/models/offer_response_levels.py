"""What an offer does on average: its own record, shrunk to what its terms lead one to expect.

The record of offer o is y[o] with variance v[o]; y[o] = a + b·terms[o] + u[o] + error, u[o] with variance τ², b with
variance ω² (the area-level model of Fay and Herriot 1979). The estimates are averaged over a grid of τ² and ω², each
pair weighed by its restricted likelihood. An offer with a long record keeps it, a new one gets a + b·terms.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FURTHEST = 3.0
"""Standard deviations of the known offers' terms beyond which an offer counts as being there."""
_GRID = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
"""τ² and ω², in variances of the records."""
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class OfferLevels:
    """``centre`` and ``scale`` (t) of the terms, ``coefficients`` (t + 1; the constant last), ``own`` (m): u."""

    centre: Floats
    scale: Floats
    coefficients: Floats
    own: Floats

    def of(self, codes: Integers, terms: Floats) -> Floats:
        """The level of offers (n) with these terms (n, t; NaN counts as the mean); code -1 is an unknown offer."""
        own = np.append(self.own, 0.0)[codes]
        result: Floats = _standard(terms, self.centre, self.scale) @ self.coefficients[:-1] + self.coefficients[-1]
        result += own
        return result

    def save(self, folder: Path, name: str) -> None:
        arrays = {part: getattr(self, part) for part in OfferLevels.__slots__}
        np.savez(folder / f"{name}_levels.npz", allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path, name: str) -> "OfferLevels":
        with np.load(folder / f"{name}_levels.npz", allow_pickle=False) as arrays:
            return cls(*(arrays[part] for part in cls.__slots__))


def fit_levels(record: Floats, variance: Floats, terms: Floats) -> OfferLevels:
    """Of records (m) with variances (m; infinite: no record) of offers with these terms (m, t)."""
    centre, scale = _centre_and_scale(terms)
    columns = np.column_stack([_standard(terms, centre, scale), np.ones(len(record))])
    known = np.isfinite(variance)
    spread = _spread(record[known], variance[known])
    tried = [
        _fitted(record[known], variance[known], columns[known], own * spread, slope * spread)
        for own, slope in product(_GRID, _GRID if terms.shape[1] else (0.0,))
    ]
    weight = np.exp(np.array([evidence for evidence, _, _ in tried]) - max(evidence for evidence, _, _ in tried))
    weight /= weight.sum()
    own = np.zeros(len(record))
    own[known] = weight @ np.stack([deviation for _, _, deviation in tried])
    return OfferLevels(centre, scale, weight @ np.stack([coefficients for _, coefficients, _ in tried]), own)


def _fitted(
    record: Floats, variance: Floats, columns: Floats, own_variance: float, slope_variance: float
) -> tuple[float, Floats, Floats]:
    """The restricted log-likelihood, the coefficients and the offers' own deviations."""
    used = columns if slope_variance > 0 else columns[:, -1:]
    precision = 1.0 / (variance + own_variance)
    prior = np.zeros(used.shape[1])
    prior[:-1] = 1.0 / max(slope_variance, _LEAST_VARIANCE)
    curvature = (used * precision[:, None]).T @ used + np.diag(prior)
    found = np.linalg.solve(curvature, used.T @ (precision * record))
    misfit = float(precision @ record**2 - found @ curvature @ found)
    size = -np.log(precision).sum() - np.log(prior[:-1]).sum() + np.linalg.slogdet(curvature)[1]
    coefficients = np.zeros(columns.shape[1])
    coefficients[-len(found) :] = found
    shrinkage = own_variance * precision
    return -0.5 * (float(size) + misfit), coefficients, shrinkage * (record - used @ found)


def _spread(record: Floats, variance: Floats) -> float:
    """The variance of the records, at least a tenth of what chance alone gives them."""
    mean = float(np.average(record, weights=1.0 / variance))
    return max(float(np.mean((record - mean) ** 2)), float(np.mean(variance)) / 10.0, _LEAST_VARIANCE)


def _centre_and_scale(terms: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(terms)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, terms, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (terms - centre) ** 2, 0.0).sum(axis=0) / count)
    return centre, np.where(spread > 0, spread, 1.0)


def _standard(terms: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip(np.nan_to_num((terms - centre) / scale, nan=0.0), -FURTHEST, FURTHEST)
