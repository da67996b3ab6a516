"""Before the start: what effect this brand's customers could show, and how long it would take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.analysis import METRICS
from experiments.design import Experiment
from experiments.effects import PAST, VALUE, Moments
from experiments.power import detectable_difference, units_needed
from experiments.unit_outcomes import read_units, rooted
from features.instant import MICROSECONDS_PER_DAY, Instant

USUAL_OUTCOME_DAYS = 14.0
"""Watched in the plan when the experiment itself sets no limit."""
RELATIVE_EFFECTS = (0.01, 0.02, 0.05, 0.1, 0.2)
LONGEST_DAYS = 90


@dataclass(frozen=True, slots=True)
class Reach:
    """What a relative effect takes: ``days`` of exposure (``None``: more than 90), then the days of the outcome."""

    relative_effect: float
    units: int
    days: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """``units`` were seen in the last 90 days and would have taken part in control and the smallest variant.

    ``detectable_relative_difference`` is what they find with the stated power; ``None`` when the metric is unknown.
    """

    experiment: str
    metric: str
    mean: float | None
    deviation: float | None
    variance_reduction: float
    outcome_days: float
    units: int
    detectable_relative_difference: float | None
    reach: list[Reach]


def plan(
    events: Any,
    roots: Mapping[str, str],
    experiment: Experiment,
    as_of: Instant,
    *,
    relative_effects: Sequence[float] = RELATIVE_EFFECTS,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Plan:
    """Sample size and duration for the primary metric, from what customers did just before ``as_of``."""
    days = experiment.outcome_days or USUAL_OUTCOME_DAYS
    mean, deviation, reduction = _spread(_recent_moments(events, roots, experiment, as_of, days))
    variant_share, takes_part = _smallest_comparison(experiment)
    arrivals = _arrival_days(events, roots, as_of)
    units = int(len(arrivals) * takes_part)
    terms = {"variant_share": variant_share, "alpha": alpha, "power": power, "variance_reduction": reduction}
    reach, detectable = [], math.inf
    if mean is not None and deviation is not None and mean > 0 and deviation > 0:
        for effect in relative_effects:
            needed = units_needed(deviation, effect * mean, **terms)
            reach.append(Reach(effect, needed, _days_until(arrivals, needed / takes_part)))
        detectable = detectable_difference(deviation, units, **terms) / mean
    return Plan(
        experiment=experiment.name,
        metric=experiment.primary_metric,
        mean=mean,
        deviation=deviation,
        variance_reduction=reduction,
        outcome_days=days,
        units=units,
        detectable_relative_difference=detectable if math.isfinite(detectable) else None,
        reach=reach,
    )


def _recent_moments(
    events: Any, roots: Mapping[str, str], experiment: Experiment, as_of: Instant, outcome_days: float
) -> Moments:
    """As if everybody seen in the pre-period had been exposed one outcome window ago."""
    import ibis

    exposed_at = as_of - int(outcome_days * MICROSECONDS_PER_DAY)
    since = exposed_at - int(experiment.pre_period_days * MICROSECONDS_PER_DAY)
    recent = rooted(events.filter((events.occurred_at >= since) & (events.occurred_at < exposed_at)), roots)
    once = {"variant": ibis.literal("all"), "variants": ibis.literal(1), "first_at": ibis.literal(exposed_at)}
    customers = recent.select("customer_id").distinct().mutate(**once)
    units = read_units(events, roots, customers, outcome_days=outcome_days, pre_period_days=experiment.pre_period_days)
    return METRICS[experiment.primary_metric].moments(units)


def _spread(sample: Moments) -> tuple[float | None, float | None, float]:
    """Mean, deviation of one unit, and the part of the variance that the past explains (ρ²)."""
    mean, variance = sample.ratio(VALUE), sample.ratio_covariance(VALUE, VALUE)
    if not (math.isfinite(mean) and math.isfinite(variance)):
        return None, None, 0.0
    explained = sample.ratio_covariance(VALUE, PAST) ** 2
    of_past = sample.ratio_covariance(PAST, PAST)
    reduction = explained / (of_past * variance) if of_past > 0 and variance > 0 else 0.0
    return mean, math.sqrt(variance), min(reduction, 1.0)


def _smallest_comparison(experiment: Experiment) -> tuple[float, float]:
    """The smallest variant's share of itself and control, and what share of all units the two get."""
    control = next(v.weight for v in experiment.variants if v.name == experiment.control_name)
    smallest = min(v.weight for v in experiment.variants if v.name != experiment.control_name)
    part = 1.0 if experiment.layer is None else experiment.layer.high - experiment.layer.low
    return smallest / (smallest + control), (smallest + control) * experiment.share * part


def _arrival_days(events: Any, roots: Mapping[str, str], as_of: Instant) -> NDArray[np.float64]:
    """On which day of the last 90 each customer was first seen, sorted."""
    since = as_of - LONGEST_DAYS * MICROSECONDS_PER_DAY
    recent = rooted(events.filter((events.occurred_at >= since) & (events.occurred_at < as_of)), roots)
    first = recent.group_by("customer_id").aggregate(first_at=recent.occurred_at.min()).to_pyarrow()
    days: NDArray[np.float64] = (first["first_at"].to_numpy().astype(np.float64) - since) / MICROSECONDS_PER_DAY
    return np.sort(days)


def _days_until(arrivals: NDArray[np.float64], customers: float) -> int | None:
    needed = math.ceil(customers)
    return math.ceil(arrivals[needed - 1]) if 0 < needed <= len(arrivals) else None
