"""What another policy would have earned, from decisions logged with their propensities.

Each row is a logged decision: reward r, propensity p of the logged action, its probability π under the evaluated
policy, the importance weight w = π / p, and, where a reward model was logged, its value q for the logged action and its
mean v under the evaluated policy. The mean of w r is IPS (Horvitz and Thompson 1952), the sum of w r over that of w is
SNIPS (Swaminathan and Joachims 2015), the mean of v is the direct method, that of v + w (r - q) doubly robust (Dudík,
Langford and Li 2011), and the same with w only up to a threshold switch-DR (Wang, Agarwal and Dudík 2017).
"""

import math
from collections.abc import Callable
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
FEWEST_ROWS_TO_JUDGE = 20
LARGEST_WEIGHT_GAP = 0.2
"""By how much the mean weight may miss 1, where it misses it by more than chance does."""
_BLOCKS = 4_000
_THRESHOLDS = 20


@dataclass(frozen=True, slots=True)
class Log:
    """Columns of one length; the last two are both there or both ``None``."""

    reward: Vector
    propensity: Vector
    target_probability: Vector
    expected_reward_logged: Vector | None = None
    expected_reward_target: Vector | None = None

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
    """``refused`` says why there are no estimates."""

    estimates: list[PolicyEstimate]
    refused: str | None


@dataclass(frozen=True, slots=True)
class _Terms:
    """An estimator as sum(numerator) / sum(denominator) over rows, and the weights that it puts on rewards."""

    numerator: Vector
    denominator: Vector
    weight: Vector


def evaluate(log: Log, seed: int, level: float = 0.95, replicates: int = 1_000) -> PolicyEvaluation:
    """The mean reward of the evaluated policy by every estimator that the columns allow, unless overlap is too thin."""
    if len(log.reward) == 0:
        return PolicyEvaluation([], "the log has no rows")
    reason = overlap_refusal(log.weight)
    if reason is not None:
        return PolicyEvaluation([], reason)
    multiplicities = _multiplicities(len(log.reward), seed, replicates)
    return PolicyEvaluation(
        [_estimate(name, terms(log), multiplicities, level) for name, terms in _allowed(log).items()], None
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
    if top > LARGEST_TOP_WEIGHT_SHARE:
        return f"overlap is too thin: the heaviest {TOP_SHARE_OF_ROWS:.0%} of rows carry {top:.0%} of all weight"
    gap, error = float(weight.mean()) - 1.0, float(weight.std()) / math.sqrt(rows)
    if abs(gap) > max(LARGEST_WEIGHT_GAP, 4.0 * error):
        return f"the weights average {1.0 + gap:.2f}, not 1: actions that the log never takes, or wrong propensities"
    return None


def effective_sample_size(weight: Vector) -> float:
    """How many rows of equal weight would say as much (Kish): (Σ w)² / Σ w²; 0 when all weights are."""
    squares = float(weight @ weight)
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def top_weight_share(weight: Vector) -> float:
    total = float(weight.sum())
    count = max(1, math.ceil(TOP_SHARE_OF_ROWS * len(weight)))
    return float(np.partition(weight, len(weight) - count)[-count:].sum()) / total if total > 0 else 0.0


def _allowed(log: Log) -> dict[str, Callable[[Log], _Terms]]:
    without_model: dict[str, Callable[[Log], _Terms]] = {"ips": _ips, "snips": _snips}
    if log.expected_reward_target is None:
        return without_model
    return {"dm": _dm, **without_model, "dr": _dr, "switch-dr": _switch_dr}


def _ips(log: Log) -> _Terms:
    return _Terms(log.weight * log.reward, np.ones(len(log.reward)), log.weight)


def _snips(log: Log) -> _Terms:
    return _Terms(log.weight * log.reward, log.weight, log.weight)


def _dm(log: Log) -> _Terms:
    _, target = _model(log)
    return _Terms(target, np.ones(len(target)), np.ones(len(target)))


def _dr(log: Log) -> _Terms:
    return _doubly_robust(log, log.weight)


def _switch_dr(log: Log) -> _Terms:
    threshold = switch_threshold(log)
    return _doubly_robust(log, np.where(log.weight <= threshold, log.weight, 0.0))


def _doubly_robust(log: Log, weight: Vector) -> _Terms:
    logged, target = _model(log)
    return _Terms(target + weight * (log.reward - logged), np.ones(len(target)), weight)


def _model(log: Log) -> tuple[Vector, Vector]:
    if log.expected_reward_logged is None or log.expected_reward_target is None:
        raise ValueError("expected_reward_logged: got None, expected a reward model's values")
    return log.expected_reward_logged, log.expected_reward_target


def switch_threshold(log: Log) -> float:
    """The largest weight that switch-DR trusts: of some quantiles, the one with the least estimated squared error.

    Variance plus squared bias, the bias being what the rows above the threshold would have corrected.
    """
    logged, target = _model(log)
    weight, rows = log.weight, len(log.reward)
    correction = weight * (log.reward - logged)

    def squared_error(threshold: float) -> float:
        trusted = weight <= threshold
        variance = float((target + np.where(trusted, correction, 0.0)).var()) / rows
        return variance + (float(correction[~trusted].sum()) / rows) ** 2

    candidates = np.unique(np.quantile(weight, np.linspace(0.5, 1.0, _THRESHOLDS), method="higher"))
    return float(min(candidates[::-1], key=squared_error))


def _estimate(name: str, terms: _Terms, multiplicities: Vector, level: float) -> PolicyEstimate:
    blocks = multiplicities.shape[1]
    numerator = multiplicities @ _block_sums(terms.numerator, blocks)
    denominator = multiplicities @ _block_sums(terms.denominator, blocks)
    replicates = numerator[denominator > 0] / denominator[denominator > 0]
    low, high = np.quantile(replicates, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return PolicyEstimate(
        estimator=name,
        value=float(terms.numerator.sum() / terms.denominator.sum()),
        low=float(low),
        high=float(high),
        effective_sample_size=effective_sample_size(terms.weight),
        top_weight_share=top_weight_share(terms.weight),
    )


def _multiplicities(rows: int, seed: int, replicates: int) -> Vector:
    """How often each block is drawn in each replicate of the bootstrap [replicate, block].

    A block is one row, or in a long log every so many-th row: estimators are ratios of sums, and the spread of sums
    over so many blocks is that over rows.
    """
    blocks = min(rows, _BLOCKS)
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1.0 / blocks), size=replicates)
    return drawn.astype(np.float64)


def _block_sums(column: Vector, blocks: int) -> Vector:
    sums: Vector = np.bincount(np.arange(len(column)) % blocks, weights=column, minlength=blocks).astype(np.float64)
    return sums
