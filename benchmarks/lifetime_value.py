"""Lifetime value beside BG/NBD and Pareto/NBD with Gamma-Gamma, the decayed spend, and LightGBM on squared error."""

import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.buy_till_you_die import expected
from benchmarks.cases import Case
from benchmarks.comparison import OURS, POOLED, Answers, Bound, Finding, Measure, Skipped, compare
from training.errors import NotEnoughData
from training.metrics import (
    absolute_error,
    calibration_bands,
    normalised_gini,
    pinball_loss,
    spearman,
    squared_error,
    total_ratio,
)
from training.models.lifetime_value import HIGH, LOW, MEDIAN, LifetimeValue, LifetimeValueModel, decayed_spend

Floats = NDArray[np.float64]
MODEL = "lifetime-value"
SURE, FEWEST_SURE_BUYERS = 0.9, 100
"""Chance of any spend from which on customers are sure buyers; so many of them say something."""
TREE_ROUNDS = 200
LEVELS = {"low": LOW, "median": MEDIAN, "high": HIGH}


def decile_error(actual: Floats, predicted: Floats) -> float:
    """Mean absolute percentage error of the totals of ten equal groups by prediction (decile MAPE).

    A group that spent nothing is left out: no percentage of nothing is defined.
    """
    bands = [band for band in calibration_bands(actual, predicted) if band.actual > 0]
    return float(np.mean([abs(band.predicted - band.actual) / band.actual for band in bands])) if bands else np.nan


def total_error(actual: Floats, predicted: Floats) -> float:
    """How far predicted over actual total is from 1, as a factor of whichever side (absolute logarithm)."""
    return abs(float(np.log(max(total_ratio(actual, predicted), 1e-9))))


OF_MEAN = (
    Measure("normalised_gini", normalised_gini),
    Measure("spearman", spearman),
    Measure("squared_error", squared_error, is_higher_better=False),
    Measure("log_total_error", total_error, is_higher_better=False),
    Measure("decile_mape", decile_error, is_higher_better=False),
)
OF_MEDIAN = (Measure("absolute_error", absolute_error, is_higher_better=False),)


def compare_lifetime_value(cases: Sequence[Case]) -> Iterator[Finding]:
    means, medians, quantiles = [], [], []
    answered: dict[str, tuple[Case, LifetimeValue]] = {}
    for case in cases:
        try:
            model = LifetimeValueModel.fit(case.training, {}, seed=0)
        except NotEnoughData as error:
            yield Skipped(case.data, MODEL, f"{case.label}: {error}")
            continue
        value, actual = model.predict(case.test.features, case.test.as_of), case.test.spend
        known: dict[str, Floats] = {}
        for name, spend in references(case).items():
            if isinstance(spend, str):
                yield Skipped(case.data, MODEL, f"{case.label}: {name} {spend}")
            else:
                known[name] = spend
        answered[case.label] = case, value
        yield from total_bounds(case, value, model.total_interval(float(value.mean.sum())))
        ids = case.test.profiles.customer_ids
        means.append(Answers(case.label, ids, actual, {OURS: value.mean, **known}))
        medians.append(Answers(case.label, ids, actual, {OURS: value.median, **known, "zero": np.zeros(len(ids))}))
        stacked = np.stack([value.low, value.median, value.high], axis=1)
        quantiles.append(Answers(case.label, ids, actual, {OURS: stacked, "lightgbm_quantiles": _quantiles(case)}))
    if means:
        data = cases[0].data
        yield from distribution_bounds(data, answered)
        yield from compare(data, MODEL, OF_MEAN, means)
        yield from compare(data, MODEL, OF_MEDIAN, medians)
        yield from compare(data, MODEL, [_pinball(name) for name in LEVELS], quantiles)


def _pinball(name: str) -> Measure:
    column = list(LEVELS).index(name)
    return Measure(
        f"pinball_loss_{name}",
        lambda actual, predicted: pinball_loss(actual, predicted[:, column], LEVELS[name]),
        is_higher_better=False,
    )


def references(case: Case) -> dict[str, Floats | str]:
    """The mean spend by each, or why there is none."""
    found: dict[str, Floats | str] = {}
    for kind in ("bg_nbd", "pareto_nbd"):
        said = expected(case.test, kind)
        found[f"{kind}_gamma_gamma"] = said if isinstance(said, str) else said.spend
    found["decayed_spend"] = decayed_spend(case.test.features, case.test.horizon_days)
    found["lightgbm_squared_error"] = np.maximum(_trees(case, "regression"), 0.0)
    return found


def _trees(case: Case, objective: str, **settings: float) -> Floats:
    """LightGBM's defaults at a slower rate, on the same snapshots and features as ours."""
    import lightgbm

    features = np.concatenate([snapshot.features for snapshot in case.training])
    spend = np.concatenate([snapshot.spend for snapshot in case.training])
    data = lightgbm.Dataset(features, spend, params={"verbose": -1})
    chosen = {"objective": objective, "learning_rate": 0.05, "num_threads": 1, "verbose": -1, "seed": 0, **settings}
    return np.asarray(lightgbm.train(chosen, data, TREE_ROUNDS).predict(case.test.features), np.float64)


def _quantiles(case: Case) -> Floats:
    return np.stack([np.maximum(_trees(case, "quantile", alpha=level), 0.0) for level in LEVELS.values()], axis=1)


def total_bounds(case: Case, value: LifetimeValue, total_interval: tuple[float, float]) -> Iterator[Bound]:
    """``total_interval`` is where the model says that the actual total lies."""
    actual = case.test.spend
    low, high = _interval_of_total(actual, value.mean)
    note = f"95 % from {low:.2f} to {high:.2f}"
    total = total_ratio(actual, value.mean)
    yield Bound(case.data, MODEL, "total_predicted_over_actual", case.label, total, 0.85, 1.15, note)
    predicted = max(float(value.mean.sum()), 1e-9)
    least, most = (end / predicted for end in total_interval)
    over = float(actual.sum()) / predicted
    note = "from and to: the 95 % interval that the model tells"
    yield Bound(case.data, MODEL, "actual_total_over_predicted", case.label, over, least, most, note)


def distribution_bounds(data: str, answered: Mapping[str, tuple[Case, LifetimeValue]]) -> Iterator[Bound]:
    """Of each cutoff, by its label, and of all together."""
    sure_by_cutoff: list[tuple[Floats, frozenset[str]]] = []
    tails = {label: randomised_tails(case.test.spend, value) for label, (case, value) in answered.items()}
    if len(tails) > 1:
        customers = np.array([len(case.test.spend) for case, _ in answered.values()], dtype=np.float64)
        below, above = np.average(list(tails.values()), axis=0, weights=customers)
        tails[POOLED] = float(below), float(above)
    for label, (below, above) in tails.items():
        yield Bound(data, MODEL, "share_below_low", label, below, 0.08, 0.12)
        yield Bound(data, MODEL, "share_above_high", label, above, 0.08, 0.12)
    for label, (case, value) in answered.items():
        sure = value.chance_of_any > SURE
        if sure.sum() >= FEWEST_SURE_BUYERS:
            spend = case.test.spend[sure]
            within = (spend >= value.low[sure]) & (spend <= value.high[sure])
            ids = np.array(case.test.profiles.customer_ids)[sure]
            sure_by_cutoff.append((within.astype(np.float64), frozenset(ids.tolist())))
            yield _coverage(data, label, sure_by_cutoff[-1:])
    if len(sure_by_cutoff) > 1:
        yield _coverage(data, POOLED, sure_by_cutoff)


def _coverage(data: str, label: str, sure: Sequence[tuple[Floats, frozenset[str]]]) -> Bound:
    """Of the cutoffs, the share of sure buyers within the interval, and who they were: one who was at several is no
    more evidence than one who was at one."""
    covered = float(np.concatenate([within for within, _ in sure]).mean())
    customers = len(frozenset[str]().union(*(ids for _, ids in sure)))
    note = f"{customers} customers: the truth itself strays by {coverage_noise(customers):.3f} from 0.8"
    return Bound(data, MODEL, "coverage_of_sure_buyers", label, covered, 0.78, 0.82, note)


def coverage_noise(customers: int) -> float:
    """By how much the share within true 10 % and 90 % quantiles strays from 0.8 (95 %, binomial).

    >>> round(coverage_noise(100), 3), round(coverage_noise(1400), 3)
    (0.078, 0.021)
    """
    share = HIGH - LOW
    return float(1.96 * np.sqrt(share * (1.0 - share) / customers))


def randomised_tails(actual: Floats, value: LifetimeValue) -> tuple[float, float]:
    """Shares with a randomised probability integral transform below 0.1 and above 0.9 (Smith 1985), in expectation.

    Spending nothing has a chance p of its own, so such an outcome lies evenly anywhere in [0, p].
    """
    nothing = 1 - value.chance_of_any
    spent = actual > 0
    below = np.where(spent, actual < value.low, np.minimum(LOW / np.maximum(nothing, 1e-12), 1.0))
    above = np.where(spent, actual > value.high, np.maximum(nothing - HIGH, 0.0) / np.maximum(nothing, 1e-12))
    return float(below.mean()), float(above.mean())


def _interval_of_total(actual: Floats, predicted: Floats) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(actual), (400, len(actual)))
    low, high = np.quantile(predicted[draws].sum(axis=1) / np.maximum(actual[draws].sum(axis=1), 1e-9), [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    from benchmarks.models import main

    sys.exit(main([*sys.argv[1:], "--model", MODEL]))
