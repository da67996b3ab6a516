"""What a challenger must hold against the champion before it may serve: gates, each with an amount and its limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from features.vector import FINGERPRINT
from training.baselines import advantages
from training.held_out import Floats, HeldOut, Pair
from training.loading import CannotBeLoadedError
from training.paired_difference import PairedDifference, differences_in_slices, paired_differences
from training.prediction_latency import Latency
from training.slices import SLICES
from training.version_record import VersionRecord

LARGEST_WORSENING = 0.05
"""Share of the champion's loss by which a challenger may be worse where chance could explain it."""
LARGEST_WORSENING_IN_SLICE = 0.10
"""The same of a slice, where it is more than chance taken by itself, though not among so many slices."""
LARGEST_MISCALIBRATION = {"calibration_error_beyond_chance": 0.05, "coverage_missing_beyond_chance": 0.05}
LARGEST_BIAS_IN_SLICE = {"churn": 0.10, "lifetime-value": 0.25}
"""Beyond chance: of a probability, and of a mean as a share of everybody's mean."""
DEFAULT_LATENCY_BUDGET_MS = 5.0
LARGEST_SLOWDOWN = 1.25
"""Against the champion, where both are over the budget: then it is the machine that is slow."""


@dataclass(frozen=True, slots=True)
class Gate:
    """``amount`` is what was measured and ``limit`` what would still pass, where there is a number."""

    name: str
    is_passed: bool
    finding: str
    amount: float | None = None
    limit: float | None = None


def same_horizon(champion: VersionRecord, challenger: VersionRecord) -> Gate:
    ours, theirs = champion.window.horizon_days, challenger.window.horizon_days
    finding = f"{theirs} days, the champion's is {ours} days"
    return Gate("same_horizon", ours == theirs, finding, theirs, ours)


def same_response(champion: VersionRecord, challenger: VersionRecord) -> Gate:
    """Of the offer response model: what counts as a response is the question that it answers."""
    ours, theirs = (_words_of_response(record) for record in (champion, challenger))
    return Gate("same_response", ours == theirs, f"learned from {theirs}, the champion from {ours}")


def _words_of_response(record: VersionRecord) -> str:
    terms = record.response
    return "no responses" if terms is None else f"{terms.outcome.value} within {terms.window_days} days"


def fingerprint(record: VersionRecord) -> Gate:
    is_known = record.fingerprint == FINGERPRINT
    finding = f"trained on features {record.fingerprint}, this program computes {FINGERPRINT}"
    return Gate("fingerprint", is_known, finding)


def loadable(error: CannotBeLoadedError) -> Gate:
    """Of a challenger."""
    return Gate("loadable", False, f"the version cannot be loaded: {error.reason}")


def champion_loadable(error: CannotBeLoadedError) -> Gate:
    """Passes: such a champion serves nobody, so whatever can be loaded is better."""
    return Gate("champion_loadable", True, f"the champion cannot be loaded: {error.reason}; nothing was compared")


def of_pairs(model: str, pairs: Sequence[Pair]) -> list[Gate]:
    """All that is judged by what both lost on the same cutoffs."""
    if not pairs:
        return [Gate("measured_alike", False, "no held-out cutoff is new to both versions")]
    challenger = [later for _, later in pairs]
    return [
        *calibrated(challenger),
        *map(not_worse, paired_differences(pairs)),
        *(holds_in_slices(pairs, by) for by in SLICES if all(by in later.slices for later in challenger)),
        *(_unbiased_in_slices(model, pairs, by) for by in SLICES if _have_bias(pairs, by)),
    ]


def calibrated(measured: Sequence[HeldOut]) -> list[Gate]:
    """In the mean over the cutoffs."""
    gates = []
    for name in measured[0].calibration if measured else ():
        amount = float(np.mean([one.calibration.get(name, 0.0) for one in measured]))
        limit = LARGEST_MISCALIBRATION[name]
        gates.append(Gate(name, amount <= limit, f"{amount:.4f}, at most {limit} passes", amount, limit))
    return gates


def not_worse(difference: PairedDifference) -> Gate:
    """Refuses what is worse beyond chance, and what is much worse whether by chance or not."""
    worsening = difference.worsening
    is_passed = difference.customers == 0 or not (difference.low > 0 or worsening > LARGEST_WORSENING)
    return Gate(f"not_worse_{difference.metric}", is_passed, _said(difference), worsening, LARGEST_WORSENING)


def holds_in_slices(pairs: Sequence[Pair], by: str) -> Gate:
    """Refuses if any slice is worse beyond what chance does among so many, or by much and beyond chance by itself."""
    found = differences_in_slices(pairs, by)
    judged = [(code, one) for code, differences in found.items() for one in differences if one.customers > 1]
    refused = [(code, one) for code, one in judged if _is_worse_in_slice(one, len(judged))]
    name = f"slice_{by}"
    if not judged:
        return Gate(name, True, "nobody to measure on")
    code, worst = max(refused or judged, key=lambda pair: pair[1].worsening)
    finding = f"{SLICES[by][code]}: {worst.metric.replace('_', ' ')} {_said(worst)}"
    return Gate(name, not refused, finding, worst.worsening, LARGEST_WORSENING_IN_SLICE)


def not_below_baselines(champion: VersionRecord, challenger: VersionRecord) -> Gate:
    """Refuses what loses to its own baseline beyond chance, where the champion did not lose to it by as much."""
    found = advantages(challenger.model, challenger.metrics)
    before = {one.baseline: one.value for one in advantages(champion.model, champion.metrics)}
    refused = [one for one in found if one.is_lost and one.value < min(before.get(one.baseline, 0.0), 0.0)]
    if not found:
        return Gate("baseline", True, "no baseline was measured beside it")
    worst = min(refused or found, key=lambda one: one.value)
    return Gate("baseline", not refused, str(worst), worst.value, 0.0)


def within_latency(latency: Latency | None, budget_ms: float) -> Gate:
    """Within the budget, or little slower than the champion, which serves already."""
    if latency is None:
        return Gate("latency", True, "no profile in the store to measure on")
    limit = max(budget_ms, LARGEST_SLOWDOWN * latency.champion_ms)
    finding = (
        f"{latency.challenger_ms:.3g} ms a customer, the champion's {latency.champion_ms:.3g} ms "
        f"(ratio {latency.ratio:.2f}), at most {limit:.3g} ms passes"
    )
    return Gate("latency", latency.challenger_ms <= limit, finding, latency.challenger_ms, limit)


def _said(difference: PairedDifference) -> str:
    cutoffs = "" if difference.cutoffs < 2 else f" at {difference.cutoffs} cutoffs"
    return (
        f"{difference.worsening:+.2%} against the champion's {difference.champion:.4g} "
        f"(difference {difference.difference:+.4g}, 95 % from {difference.low:+.4g} to {difference.high:+.4g}, "
        f"{difference.customers} customers{cutoffs})"
    )


def _is_worse_in_slice(difference: PairedDifference, judged: int) -> bool:
    """The interval is the one that holds for all slices together; alone it would be about this much narrower."""
    if difference.low > 0:
        return True
    if not np.isfinite(difference.low):
        return False
    alone = difference.difference - (difference.difference - difference.low) * _narrower(judged)
    return alone > 0 and difference.worsening > LARGEST_WORSENING_IN_SLICE


def _narrower(judged: int) -> float:
    normal = NormalDist()
    alone, together = normal.inv_cdf(0.975), normal.inv_cdf(1 - 0.025 / judged)
    return float(alone / together)


def _have_bias(pairs: Sequence[Pair], by: str) -> bool:
    return bool(pairs) and all(len(one.bias) and by in one.slices for pair in pairs for one in pair)


def _unbiased_in_slices(model: str, pairs: Sequence[Pair], by: str) -> Gate:
    """Refuses if what happened in a slice strays beyond chance from what was predicted, and the champion's did less."""
    limit, name = LARGEST_BIAS_IN_SLICE[model], f"bias_{by}"
    worst, where, is_passed = 0.0, "nobody to measure on", True
    for code, label in enumerate(SLICES[by]):
        ours, theirs = (_bias([pair[side] for pair in pairs], by, code) for side in (1, 0))
        amount, champion = _beyond_chance(ours), _beyond_chance(theirs)
        is_refused = amount > limit and amount > champion
        if (is_refused, amount) >= (not is_passed, worst) and len(ours):
            worst, where = amount, f"{label}: {amount:.3f} beyond chance, the champion's {champion:.3f}"
            is_passed = is_passed and not is_refused
    return Gate(name, is_passed, f"{where}, at most {limit} passes", worst, limit)


def _bias(measured: Sequence[HeldOut], by: str, code: int) -> Floats:
    """Of each customer of the slice."""
    parts: list[NDArray[np.float64]] = [one.bias[one.slices[by] == code] for one in measured]
    return np.concatenate(parts)


def _beyond_chance(bias: Floats) -> float:
    """How far the mean lies from zero outside its 99.9 % interval: there are many slices."""
    if len(bias) < 2:
        return 0.0
    by_chance: float = 3.29 * float(bias.std(ddof=1)) / len(bias) ** 0.5
    return max(0.0, abs(float(bias.mean())) - by_chance)
