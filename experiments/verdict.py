"""What to do about an experiment, in words: ship, stop, go on, and why. It may be asked every day."""

from collections.abc import Mapping

from experiments.design import Experiment
from experiments.effects import Effect
from experiments.sample_ratio import SUSPICIOUS_BELOW
from features.instant import Instant, to_iso


def verdict(
    experiment: Experiment,
    primary: Mapping[str, Effect],
    units: Mapping[str, int],
    readable_units: int,
    sample_ratio_p_value: float | None,
    readable_from: Instant | None,
) -> str:
    """``primary`` is the effect of each variant on the primary metric, judged by its always-valid interval."""
    if readable_from is None:
        return "go on: nobody has been exposed yet"
    if sample_ratio_p_value is not None and sample_ratio_p_value < SUSPICIOUS_BELOW:
        return _mismatch(experiment, units, sample_ratio_p_value)
    if readable_units == 0:
        return f"go on: nothing can be read before {to_iso(readable_from)}"
    better = {name: effect for name, effect in primary.items() if (effect.sequential_low or 0.0) > 0}
    if better:
        best = max(better, key=lambda name: better[name].difference or 0.0)
        return f"ship {best}: {_told(experiment, better[best])}, lies above 0"
    worse = {name: effect for name, effect in primary.items() if (effect.sequential_high or 0.0) < 0}
    if worse:
        return "; ".join(f"stop {name}: {_told(experiment, effect)}, lies below 0" for name, effect in worse.items())
    told = "; ".join(f"{name}: {_undecided(experiment, effect)}" for name, effect in primary.items())
    if readable_units >= experiment.planned_units:
        return f"stop: after the planned {experiment.planned_units:,} units no difference is to be seen; {told}"
    return f"go on: {readable_units:,} of {experiment.planned_units:,} planned units; {told}"


def _mismatch(experiment: Experiment, units: Mapping[str, int], p_value: float) -> str:
    found = ", ".join(
        f"{units[variant.name]:,} units of {variant.name} (due {variant.weight:.1%})" for variant in experiment.variants
    )
    return f"do not read: sample ratio mismatch (p = {p_value:.1g}): {found}; find out who is lost before anything else"


def _undecided(experiment: Experiment, effect: Effect) -> str:
    if effect.sequential_low is None:
        return f"too little {experiment.primary_metric} for an interval"
    return f"{_told(experiment, effect)}, holds 0"


def _told(experiment: Experiment, effect: Effect) -> str:
    return (
        f"{experiment.primary_metric} {effect.difference:+.4g}, whose always-valid 95 % interval, "
        f"{effect.sequential_low:.4g} to {effect.sequential_high:.4g}"
    )
