"""How much a challenger loses more than the champion on the same customers, pooled over cutoffs."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from training.held_out import Floats, HeldOut, Pair
from training.slices import OF_NO_SLICE

Flags = NDArray[np.bool_]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Challenger minus champion in one loss, over the customers both were measured on, with its 95 % interval.

    ``customers`` are different people; who counts at several cutoffs is one of them.
    """

    metric: str
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    customers: int
    cutoffs: int = 1

    @property
    def worsening(self) -> float:
        """The difference as a share of the champion's loss."""
        return self.difference / self.champion if self.champion else 0.0


@dataclass(frozen=True, slots=True)
class _Paired:
    """One loss of both on the rows that both were measured on: a row is a customer at a cutoff."""

    keys: NDArray[np.uint64]
    champion: Floats
    challenger: Floats
    cutoffs: int


def paired_differences(pairs: Sequence[Pair]) -> list[PairedDifference]:
    """One difference a metric that both have; each pair must have answered the same question."""
    return [_difference(name, _rows(pairs, name), CONFIDENCE) for name in _metrics(pairs)]


def differences_in_slices(pairs: Sequence[Pair], by: str) -> dict[int, list[PairedDifference]]:
    """By code of the slice the differences there; their intervals hold for all of these together (Bonferroni)."""
    codes = sorted(
        {code for _, later in pairs for code in np.unique(later.slices.get(by, ())).tolist()} - {OF_NO_SLICE}
    )
    metrics = _metrics(pairs)
    confidence = 1 - (1 - CONFIDENCE) / max(len(codes) * len(metrics), 1)
    return {code: [_difference(name, _rows(pairs, name, by, code), confidence) for name in metrics] for code in codes}


def _metrics(pairs: Sequence[Pair]) -> list[str]:
    """Those that both have at one cutoff at least: at another there may be too little for one."""
    return list(dict.fromkeys(name for pair in pairs for name in pair[0].losses if name in pair[1].losses))


def _rows(pairs: Sequence[Pair], metric: str, by: str | None = None, code: int = 0) -> _Paired:
    both = [pair for pair in pairs if all(metric in one.losses for one in pair)]
    parts = [_of_pair(champion, challenger, metric, by, code) for champion, challenger in both]
    return _Paired(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.champion for part in parts]),
        np.concatenate([part.challenger for part in parts]),
        sum(len(part.keys) > 0 for part in parts),
    )


def _of_pair(champion: HeldOut, challenger: HeldOut, metric: str, by: str | None, code: int) -> _Paired:
    keys, ours, theirs = np.intersect1d(champion.customer_keys, challenger.customer_keys, return_indices=True)
    former, later = champion.losses[metric][ours], challenger.losses[metric][theirs]
    counts = np.isfinite(former) & np.isfinite(later)
    if by is not None:
        counts &= challenger.slices[by][theirs] == code
    return _Paired(keys[counts], former[counts], later[counts], 1)


def _difference(metric: str, rows: _Paired, confidence: float) -> PairedDifference:
    """The interval is of a mean over clusters: what one customer does at several cutoffs is no independent evidence."""
    count = len(rows.keys)
    if not count:
        return PairedDifference(metric, np.nan, np.nan, np.nan, -np.inf, np.inf, 0, 0)
    change = rows.challenger - rows.champion
    mean = float(change.mean())
    _, customer = np.unique(rows.keys, return_inverse=True)
    strayed = np.bincount(customer, change - mean)
    people = len(strayed)
    half_width = np.inf
    if people > 1:
        error = (people / (people - 1) * float(strayed @ strayed)) ** 0.5 / count
        half_width = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return PairedDifference(
        metric,
        float(rows.champion.mean()),
        float(rows.challenger.mean()),
        mean,
        mean - half_width,
        mean + half_width,
        people,
        rows.cutoffs,
    )
