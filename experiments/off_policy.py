"""What another policy would have earned, from decisions logged with their propensities.

Each row is a logged decision; ``off_policy_estimators`` says what is made of it, ``off_policy_intervals`` how sure that
is, and ``off_policy_overlap`` when nothing is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy_estimators import Terms, allowed, logged_policy
from experiments.off_policy_intervals import bootstrap_interval, gamma_interval, multiplicities
from experiments.off_policy_overlap import (
    ActionOverlap,
    Overlap,
    by_action,
    effective_sample_size,
    overlap_notes,
    overlap_of,
    overlap_refusal,
    top_weight_share,
)

__all__ = ["Log", "PolicyEstimate", "PolicyEvaluation", "effective_sample_size", "evaluate"]

Vector = NDArray[np.float64]
IntervalKind = Literal["gamma", "bootstrap"]
_Interval = Callable[[Terms], tuple[float, float]]

OF_DIRECT_METHOD = "the interval of dm is no wider for a reward model that is wrong: trust it as far as that model"
LARGEST_SHARE_OF_A_ROW = 0.5
"""Of all that an estimate adds up: beyond it a note names the row."""


@dataclass(frozen=True, slots=True)
class Log:
    """Columns of one length; those that the log does not have are ``None``.

    ``notes`` are what was seen when it was read. What came of one ``customer`` is not independent: a purchase answers
    every decision whose window it falls into.
    """

    reward: Vector
    propensity: Vector
    target_probability: Vector
    expected_reward_logged: Vector | None = None
    expected_reward_target: Vector | None = None
    action: NDArray[np.object_] | None = None
    decision_id: NDArray[np.object_] | None = None
    notes: tuple[str, ...] = ()
    customer: NDArray[np.object_] | None = None

    @property
    def weight(self) -> Vector:
        return self.target_probability / self.propensity


@dataclass(frozen=True, slots=True)
class PolicyEstimate:
    estimator: str
    value: float
    low: float
    high: float
    effective_sample_size: float
    top_weight_share: float


@dataclass(frozen=True, slots=True)
class PolicyEvaluation:
    """``refused`` says why there are no estimates; ``logged`` is what the policy that was logged earned itself."""

    estimates: list[PolicyEstimate]
    refused: str | None
    logged: PolicyEstimate | None = None
    overlap: Overlap | None = None
    actions: list[ActionOverlap] = field(default_factory=list)
    interval: IntervalKind = "gamma"
    level: float = 0.95
    notes: list[str] = field(default_factory=list)


def evaluate(
    log: Log, seed: int = 0, level: float = 0.95, replicates: int = 1_000, interval: IntervalKind = "gamma"
) -> PolicyEvaluation:
    """The mean reward of the evaluated policy by every estimator that the columns allow, unless overlap is too thin.

    ``seed`` and ``replicates`` are the bootstrap's.
    """
    if len(log.reward) == 0:
        return PolicyEvaluation([], "the log has no rows", notes=list(log.notes))
    unit = _units(log)
    bounds = _interval(interval, unit, seed, level, replicates)
    logged = _estimate("logged", logged_policy(log.reward), bounds)
    overlap = overlap_of(log.weight)
    actions = [] if log.action is None else by_action(log.action, log.reward, log.propensity, log.weight)
    notes = [*log.notes, *overlap_notes(overlap, actions), *_notes_of_units(unit)]
    reason = overlap_refusal(log.weight)
    if reason is not None:
        return PolicyEvaluation([], reason, logged, overlap, actions, interval, level, notes)
    terms = allowed(log.reward, log.weight, log.expected_reward_logged, log.expected_reward_target)
    estimates = [_estimate(name, each, bounds) for name, each in terms.items()]
    notes += _notes_of_rows(log, terms)
    if "dm" in terms:
        notes.append(OF_DIRECT_METHOD)
    return PolicyEvaluation(estimates, None, logged, overlap, actions, interval, level, notes)


def _units(log: Log) -> NDArray[np.intp]:
    """Of each row the number of its customer; a row of nobody in particular stands for itself."""
    if log.customer is None:
        return np.arange(len(log.reward))
    numbers: dict[object, int] = {}
    keys = (at if name is None else name for at, name in enumerate(log.customer.tolist()))
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.intp, len(log.customer))


def _interval(kind: IntervalKind, unit: NDArray[np.intp], seed: int, level: float, replicates: int) -> _Interval:
    """What a customer brought counts as one observation, whatever the number of rows."""
    if kind == "gamma":
        return lambda terms: gamma_interval(terms.by_unit(unit), level)
    drawn = multiplicities(int(unit.max()) + 1, seed, replicates)
    return lambda terms: bootstrap_interval(terms.by_unit(unit), drawn, level)


def _estimate(name: str, terms: Terms, bounds: _Interval) -> PolicyEstimate:
    low, high = bounds(terms)
    return PolicyEstimate(
        estimator=name,
        value=terms.value,
        low=low,
        high=high,
        effective_sample_size=effective_sample_size(terms.weight),
        top_weight_share=top_weight_share(terms.weight),
    )


def _notes_of_rows(log: Log, terms: dict[str, Terms]) -> list[str]:
    """Of a single row on which everything hangs."""
    size = np.abs(terms["ips"].numerator)
    row, total = int(size.argmax()), float(size.sum())
    if len(size) < 2 or total == 0 or size[row] <= LARGEST_SHARE_OF_A_ROW * total:
        return []
    name = f"row {row + 1}" if log.decision_id is None else f"decision {log.decision_id[row]}"
    share = float(size[row]) / total
    return [f"{name} (reward {log.reward[row]:.6g}, weight {log.weight[row]:.4g}) is {share:.0%} of the ips estimate"]


def _notes_of_units(unit: NDArray[np.intp]) -> list[str]:
    rows, units = len(unit), int(unit.max()) + 1
    if units == rows:
        return []
    return [f"{rows} decisions of {units} customers: to the intervals each customer is one observation"]
