"""Ours beside the references: the same customers, the same answers, one bootstrap over customers for all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.forks import in_processes

Array = NDArray[Any]
OURS = "ours"
POOLED = "pooled"
RESAMPLES = 200
SEED = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """``of(actual, predicted)`` of rows of the two arrays, one row a customer."""

    name: str
    of: Callable[[Any, Any], float]
    is_higher_better: bool = True


@dataclass(frozen=True, slots=True)
class Answers:
    """What came true after a cutoff and what each method said of it, along the customers; the first method is ours.

    A method may have nothing to say to some measure: give it to :func:`compare` only with the measures that it answers.
    """

    cutoff: str
    customers: Sequence[str]
    actual: Array
    predicted: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Row:
    """``low`` and ``high`` are of the improvement: above zero ours is better, whichever way the metric goes."""

    data: str
    model: str
    metric: str
    cutoff: str
    reference: str
    ours: float
    theirs: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else float("nan")

    @property
    def verdict(self) -> str:
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "even"


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure of ours that must lie within limits, whatever others do."""

    data: str
    model: str
    metric: str
    cutoff: str
    ours: float
    least: float
    most: float
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.least <= self.ours <= self.most


@dataclass(frozen=True, slots=True)
class Skipped:
    """What could not be measured on some data, and why."""

    data: str
    model: str
    reason: str


Finding = Row | Bound | Skipped


def compare(data: str, model: str, measures: Sequence[Measure], answers: Sequence[Answers]) -> Iterator[Row]:
    """Every measure of every cutoff, and their mean over the cutoffs, ours against each other method.

    A customer who is there at several cutoffs is drawn, or not, at all of them: nobody is independent evidence twice.
    A method missing at some cutoff is compared on the others.
    """
    methods = list(dict.fromkeys(method for each in answers for method in each.predicted))
    values = np.stack([_values(each, methods, measures, None) for each in answers])
    draws = _drawn(answers, methods, measures)
    for m, measure in enumerate(measures):
        sign = 1.0 if measure.is_higher_better else -1.0
        for r, reference in enumerate(methods[1:], 1):
            for c, each in enumerate(answers):
                if np.isfinite(values[c, r, m]):
                    better = sign * (draws[:, c, 0, m] - draws[:, c, r, m])
                    yield _row(data, model, measure.name, each.cutoff, reference, values[c, [0, r], m], better)
            known = np.isfinite(values[:, r, m])
            if known.sum() > 1:
                better = sign * np.nanmean(draws[:, known, 0, m] - draws[:, known, r, m], axis=1)
                means = values[known][:, [0, r], m].mean(axis=0)
                yield _row(data, model, measure.name, POOLED, reference, means, better)


def _row(data: str, model: str, metric: str, cutoff: str, reference: str, pair: Array, better: Array) -> Row:
    known = better[np.isfinite(better)]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return Row(data, model, metric, cutoff, reference, float(pair[0]), float(pair[1]), float(low), float(high))


def _drawn(answers: Sequence[Answers], methods: Sequence[str], measures: Sequence[Measure]) -> Array:
    """(resamples, cutoffs, methods, measures): customers drawn with replacement, each draw by a number of its own.

    Measures are functions that need not be importable: the processes that share the work are forks of this one.
    """
    everybody = sorted({customer for each in answers for customer in each.customers})
    place = {customer: row for row, customer in enumerate(everybody)}
    rows = [np.array([place[customer] for customer in each.customers], np.int64) for each in answers]

    def values_of_draw(number: int) -> Array:
        drawn = np.random.default_rng([SEED, number]).integers(0, len(everybody), len(everybody))
        times = np.bincount(drawn, minlength=len(everybody))
        chosen = [np.repeat(np.arange(len(known)), times[known]) for known in rows]
        return np.stack([_values(each, methods, measures, those) for each, those in zip(answers, chosen, strict=True)])

    return np.stack(in_processes(values_of_draw, RESAMPLES))


def _values(
    answers: Answers, methods: Sequence[str], measures: Sequence[Measure], rows: NDArray[np.int64] | None
) -> Array:
    chosen = slice(None) if rows is None else rows
    values = np.full((len(methods), len(measures)), np.nan)
    for r, method in enumerate(methods):
        if method in answers.predicted:
            predicted = answers.predicted[method][chosen]
            values[r] = [measure.of(answers.actual[chosen], predicted) for measure in measures]
    return values
