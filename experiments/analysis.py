"""The analysis of an experiment: what each variant changed in each metric, how sure that is, and what to do.

The columns and their meaning are those of ``experiment analyse`` in the contract.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.design import Experiment
from experiments.effects import Effect, Moments, Vector, effect, moments
from experiments.sample_ratio import sample_ratio_p_value
from experiments.unit_outcomes import Units, exposures_of, mature, read_units
from experiments.verdict import verdict
from features.instant import MICROSECONDS_PER_DAY, Instant, to_iso

Columns = Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over units, or a ratio of two sums over units where there is a ``denominator``."""

    numerator: Callable[[Columns], Vector]
    denominator: Callable[[Columns], Vector] | None = None

    def moments(self, units: Units) -> Moments:
        below = self.denominator
        if below is None:
            return moments(self.numerator(units.after), self.numerator(units.before))
        return moments(
            self.numerator(units.after), self.numerator(units.before), below(units.after), below(units.before)
        )


METRICS: dict[str, Metric] = {
    "conversion": Metric(lambda columns: (columns["orders"] > 0).astype(np.float64)),
    "revenue": Metric(lambda columns: columns["revenue"]),
    "orders": Metric(lambda columns: columns["orders"]),
    "average_order": Metric(lambda columns: columns["revenue"], lambda columns: columns["orders"]),
    "offer_acceptance": Metric(lambda columns: columns["accepted"], lambda columns: columns["presented"]),
}


@dataclass(frozen=True, slots=True)
class MetricEffect:
    metric: str
    variant: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Analysis:
    """``units`` were exposed to one variant each, ``readable_units`` of them have been watched for long enough.

    ``excluded_units`` were exposed to several variants, ``stray_units`` to one that the experiment does not have.
    """

    experiment: str
    control: str
    as_of: Instant
    units: dict[str, int]
    readable_units: dict[str, int]
    excluded_units: int
    stray_units: int
    sample_ratio_p_value: float | None
    metrics: list[MetricEffect]
    verdict: str
    readable_from: Instant | None

    def document(self) -> dict[str, Any]:
        """As JSON; times are text."""
        document = asdict(self)
        document["metrics"] = [
            {"metric": each.metric, "variant": each.variant, **asdict(each.effect)} for each in self.metrics
        ]
        document["as_of"] = to_iso(self.as_of)
        document["readable_from"] = None if self.readable_from is None else to_iso(self.readable_from)
        return document


def analyse(
    events: Any, roots: Mapping[str, str], experiment: Experiment, as_of: Instant, *, has_fixed_weights: bool = True
) -> Analysis:
    """Analyse a table of the events before ``as_of``.

    The sample ratio is tested only when the weights never changed while the experiment ran.
    """
    exposures = exposures_of(events, roots, experiment.name)
    exposed = read_units(
        events,
        roots,
        exposures,
        outcome_days=experiment.outcome_days,
        pre_period_days=experiment.pre_period_days,
    )
    names = [variant.name for variant in experiment.variants]
    known = exposed.take(np.isin(exposed.variant, names))
    readable = mature(known, experiment.outcome_days, as_of)
    counts = _counts(known, names)
    weights = [variant.weight for variant in experiment.variants]
    p_value = sample_ratio_p_value(list(counts.values()), weights) if has_fixed_weights else None
    effects = _effects(readable, experiment)
    readable_from = _readable_from(known, experiment)
    primary = {each.variant: each.effect for each in effects if each.metric == experiment.primary_metric}
    return Analysis(
        experiment=experiment.name,
        control=experiment.control_name,
        as_of=as_of,
        units=counts,
        readable_units=_counts(readable, names),
        excluded_units=exposed.excluded,
        stray_units=len(exposed) - len(known),
        sample_ratio_p_value=p_value,
        metrics=effects,
        verdict=verdict(experiment, primary, counts, len(readable), p_value, readable_from),
        readable_from=readable_from,
    )


def _counts(units: Units, names: list[str]) -> dict[str, int]:
    return {name: int((units.variant == name).sum()) for name in names}


def _effects(units: Units, experiment: Experiment) -> list[MetricEffect]:
    control = units.take(units.variant == experiment.control_name)
    treated = [variant.name for variant in experiment.variants if variant.name != experiment.control_name]
    arms = {name: units.take(units.variant == name) for name in treated}
    return [
        MetricEffect(name, variant, effect(metric.moments(control), metric.moments(arm), experiment.planned_units))
        for name, metric in METRICS.items()
        for variant, arm in arms.items()
    ]


def _readable_from(units: Units, experiment: Experiment) -> Instant | None:
    """When the first unit has been watched for long enough; ``None`` before anybody was exposed."""
    if len(units) == 0:
        return None
    return int(units.first_at.min()) + int((experiment.outcome_days or 0.0) * MICROSECONDS_PER_DAY)
