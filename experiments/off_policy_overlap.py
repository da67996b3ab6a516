"""How much of the evaluated policy the log has seen, and when that is too little to say anything."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

TOP_SHARE_OF_ROWS = 0.01
"""``top_weight_share`` is what the heaviest hundredth of the rows (at least one) has of all weight."""
LEAST_EFFECTIVE_ROWS = 5
LEAST_EFFECTIVE_SHARE = 0.01
ENOUGH_EFFECTIVE_ROWS = 100
LARGEST_TOP_WEIGHT_SHARE = 0.5
"""Where fewer rows than are enough count."""
FEWEST_ROWS_TO_JUDGE = 20
LARGEST_WEIGHT_GAP = 0.1
"""By how much the mean weight may miss 1, where it misses it by more than chance does."""
NOTED_WEIGHT_GAP = 0.02
BEYOND_CHANCE = 4.0
"""Standard errors."""


@dataclass(frozen=True, slots=True)
class Overlap:
    rows: int
    effective_sample_size: float
    top_weight_share: float
    mean_weight: float
    mean_weight_error: float
    """One standard error; the mean weight is 1 where the propensities are right and the log has seen every action."""
    largest_weight: float


@dataclass(frozen=True, slots=True)
class ActionOverlap:
    """Of one action: its share of the log and of the evaluated policy, as the weights have it."""

    action: str
    rows: int
    logged_share: float
    target_share: float
    mean_weight: float
    largest_weight: float
    effective_sample_size: float
    mean_reward: float
    share_by_propensity: float
    """Its rows, each counted as 1 / propensity, by all rows: about 1 or less where the propensities are right."""


def overlap_of(weight: Vector) -> Overlap:
    return Overlap(
        rows=len(weight),
        effective_sample_size=effective_sample_size(weight),
        top_weight_share=top_weight_share(weight),
        mean_weight=float(weight.mean()),
        mean_weight_error=float(weight.std()) / math.sqrt(len(weight)),
        largest_weight=float(weight.max()),
    )


def overlap_refusal(weight: Vector) -> str | None:
    """Why these weights allow no estimate, if so."""
    rows, effective, top = len(weight), effective_sample_size(weight), top_weight_share(weight)
    if effective == 0:
        return "the evaluated policy never takes an action that was logged"
    if rows < FEWEST_ROWS_TO_JUDGE:
        return None
    needed = max(LEAST_EFFECTIVE_ROWS, min(LEAST_EFFECTIVE_SHARE * rows, ENOUGH_EFFECTIVE_ROWS))
    if effective < needed:
        return f"overlap is too thin: {rows} rows count as {effective:.1f}, at least {needed:.0f} are needed"
    if top > LARGEST_TOP_WEIGHT_SHARE and effective < ENOUGH_EFFECTIVE_ROWS:
        return f"overlap is too thin: the heaviest {TOP_SHARE_OF_ROWS:.0%} of rows carry {top:.0%} of all weight"
    gap, error = float(weight.mean()) - 1.0, float(weight.std()) / math.sqrt(rows)
    if abs(gap) <= max(LARGEST_WEIGHT_GAP, BEYOND_CHANCE * error):
        return None
    return f"the weights average {1.0 + gap:.2f}, not 1: {_cause(gap)}"


def overlap_notes(overlap: Overlap, actions: list[ActionOverlap]) -> list[str]:
    """What does not forbid an estimate and should be known with it."""
    notes = []
    if overlap.rows < FEWEST_ROWS_TO_JUDGE:
        notes.append(f"{overlap.rows} rows: overlap is not judged below {FEWEST_ROWS_TO_JUDGE}")
    gap = overlap.mean_weight - 1.0
    if abs(gap) > max(NOTED_WEIGHT_GAP, BEYOND_CHANCE * overlap.mean_weight_error):
        average = f"the weights average {overlap.mean_weight:.3f} ± {overlap.mean_weight_error:.3f}, not 1"
        notes.append(f"{average}: {_cause(gap)}")
    wrong = [one for one in actions if _is_logged_too_often(one)]
    if wrong:
        named = ", ".join(f"{one.action} ({one.share_by_propensity:.2f} times)" for one in wrong[:5])
        notes.append(f"logged more often than the propensities say: {named}; are those propensities right?")
    return notes


def by_action(action: NDArray[np.object_], reward: Vector, propensity: Vector, weight: Vector) -> list[ActionOverlap]:
    """The most frequent of the evaluated policy first."""
    names, codes = np.unique(action.astype(str), return_inverse=True)
    counts, weights = np.bincount(codes), np.bincount(codes, weights=weight)
    rewards, inverses = np.bincount(codes, weights=reward), np.bincount(codes, weights=1.0 / propensity)
    order = np.argsort(codes, kind="stable")
    parts = np.split(weight[order], np.cumsum(counts)[:-1])
    rows = len(reward)
    found = [
        ActionOverlap(
            action=str(name),
            rows=int(counts[code]),
            logged_share=float(counts[code]) / rows,
            target_share=float(weights[code]) / rows,
            mean_weight=float(weights[code] / counts[code]),
            largest_weight=float(parts[code].max()),
            effective_sample_size=effective_sample_size(parts[code]),
            mean_reward=float(rewards[code] / counts[code]),
            share_by_propensity=float(inverses[code]) / rows,
        )
        for code, name in enumerate(names)
    ]
    return sorted(found, key=lambda one: (-one.target_share, one.action))


def effective_sample_size(weight: Vector) -> float:
    """How many rows of equal weight would say as much (Kish): (Σ w)² / Σ w²; 0 when all weights are."""
    largest = float(weight.max())
    if largest <= 0:
        return 0.0
    part = weight / largest
    return float(part.sum()) ** 2 / float(part @ part)


def top_weight_share(weight: Vector) -> float:
    total = float(weight.sum())
    count = max(1, math.ceil(TOP_SHARE_OF_ROWS * len(weight)))
    return float(np.partition(weight, len(weight) - count)[-count:].sum()) / total if total > 0 else 0.0


def _cause(gap: float) -> str:
    if gap < 0:
        return "the evaluated policy takes actions that the log never takes, or propensities are too large"
    return "propensities are too small, or the probabilities of the evaluated policy add up to more than 1"


def _is_logged_too_often(one: ActionOverlap) -> bool:
    """Beyond chance, if each row's propensity were the same."""
    excess = one.share_by_propensity - 1.0
    return one.rows > 1 and excess > max(LARGEST_WEIGHT_GAP, BEYOND_CHANCE * one.share_by_propensity / one.rows**0.5)
