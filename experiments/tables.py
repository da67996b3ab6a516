"""The answers of the verbs as tables for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from experiments.experiment_store import StoredExperiment
from features.instant import to_iso

if TYPE_CHECKING:
    from experiments.analysis import Analysis
    from experiments.planning import Plan


def experiments(stored: Sequence[StoredExperiment]) -> Table:
    table = Table("experiment", "version", "state", "variants", "primary metric", "started", "stopped")
    for each in stored:
        variants = ", ".join(f"{variant.name} {variant.weight:.1%}" for variant in each.experiment.variants)
        times = ("" if at is None else to_iso(at)[:19] for at in (each.started_at, each.stopped_at))
        metric = each.experiment.primary_metric
        table.add_row(escape(each.experiment.name), str(each.version), each.state, escape(variants), metric, *times)
    return table


def analysed(found: "Analysis") -> RenderableType:
    metrics = Table("metric", "variant", found.control, "variant", "difference", "95 %", "always valid", "p", "CUPED")
    for each in found.metrics:
        effect = each.effect
        metrics.add_row(
            each.metric,
            escape(each.variant),
            _number(effect.control_mean),
            _number(effect.variant_mean),
            _number(effect.difference),
            _interval(effect.low, effect.high),
            _interval(effect.sequential_low, effect.sequential_high),
            _number(effect.p_value),
            "" if effect.variance_reduction is None else f"{effect.variance_reduction:.0%}",
        )
    return Group(metrics, Text(_dealt(found)), Text(found.verdict, style="bold"))


def planned(plan: "Plan") -> RenderableType:
    table = Table("relative effect", "units", "days of exposure", title=f"{plan.experiment}: {plan.metric}")
    for reach in plan.reach:
        days = "more than 90" if reach.days is None else str(reach.days)
        table.add_row(f"{reach.relative_effect:.1%}", f"{reach.units:,}", days)
    if plan.detectable_relative_difference is None:
        told = f"{plan.metric} is not known from the history: nothing can be planned."
    else:
        told = (
            f"Mean {_number(plan.mean)}, deviation {_number(plan.deviation)}; the past explains "
            f"{plan.variance_reduction:.0%}. The {plan.units:,} units of the last 90 days would show "
            f"{plan.detectable_relative_difference:.1%}; each is then watched for {plan.outcome_days:g} days."
        )
    return Group(table, Text(told))


def _dealt(found: "Analysis") -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in found.units.items())
    ratio = "not tested" if found.sample_ratio_p_value is None else f"p = {found.sample_ratio_p_value:.3g}"
    return f"Units: {counts}; sample ratio {ratio}; excluded for two variants {found.excluded_units:,}"


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.4g} to {high:.4g}"
