"""The estimators of an evaluated policy's mean reward.

Of each row: reward r, propensity p of the logged action, its probability π under the evaluated policy, the importance
weight w = π / p, and, where a reward model was logged, its value q for the logged action and its mean v under the
evaluated policy. The mean of w r is IPS (Horvitz and Thompson 1952), the sum of w r over that of w is SNIPS
(Swaminathan and Joachims 2015), the mean of v is the direct method, that of v + w (r - q) doubly robust (Dudík,
Langford and Li 2011), and the same with w only up to a threshold switch-DR (Wang, Agarwal and Dudík 2017).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_THRESHOLDS = 25


@dataclass(frozen=True, slots=True)
class Terms:
    """An estimator as sum(numerator) / sum(denominator) over rows.

    ``weight`` is what it multiplies with ``residual``, the part of a reward that no model foretold; ``bias`` the most
    by which it is taken to be off for what it leaves out.
    """

    numerator: Vector
    denominator: Vector
    weight: Vector
    residual: Vector
    bias: float = 0.0

    @property
    def value(self) -> float:
        return float(self.numerator.sum() / self.denominator.sum())

    def by_unit(self, unit: NDArray[np.intp]) -> "Terms":
        """The same sums over the rows of each unit; ``unit`` numbers the unit of each row, from 0.

        The residual of a unit is the mean of its rows', as they weigh.
        """
        weight, weighed = _sums(self.weight, unit), _sums(self.weight * self.residual, unit)
        plain = _sums(self.residual, unit) / np.bincount(unit)
        residual = np.divide(weighed, weight, out=plain, where=weight > 0)
        return Terms(_sums(self.numerator, unit), _sums(self.denominator, unit), weight, residual, self.bias)


def allowed(reward: Vector, weight: Vector, logged: Vector | None, target: Vector | None) -> dict[str, Terms]:
    """By name, those that the columns allow: without a model (``logged`` is q, ``target`` v) IPS and SNIPS."""
    found = {} if target is None else {"dm": direct_method(target)}
    found |= {"ips": inverse_propensity(reward, weight), "snips": self_normalised(reward, weight)}
    if logged is not None and target is not None:
        found["dr"] = doubly_robust(reward, weight, logged, target)
        found["switch-dr"] = switch_doubly_robust(reward, weight, logged, target)
    return found


def logged_policy(reward: Vector) -> Terms:
    """The mean reward of the policy that was logged itself."""
    ones = np.ones(len(reward))
    return Terms(reward, ones, ones, reward)


def direct_method(target: Vector) -> Terms:
    ones = np.ones(len(target))
    return Terms(target, ones, ones, np.zeros(len(target)))


def inverse_propensity(reward: Vector, weight: Vector) -> Terms:
    return Terms(weight * reward, np.ones(len(reward)), weight, reward)


def self_normalised(reward: Vector, weight: Vector) -> Terms:
    numerator = weight * reward
    return Terms(numerator, weight, weight, reward - numerator.sum() / weight.sum())


def doubly_robust(reward: Vector, weight: Vector, logged: Vector, target: Vector) -> Terms:
    return Terms(target + weight * (reward - logged), np.ones(len(reward)), weight, reward - logged)


def switch_doubly_robust(reward: Vector, weight: Vector, logged: Vector, target: Vector) -> Terms:
    residual = reward - logged
    threshold = switch_threshold(weight, residual, target)
    kept = np.where(weight <= threshold, weight, 0.0)
    return Terms(
        target + kept * residual, np.ones(len(reward)), kept, residual, _largest_bias(weight, residual, threshold)
    )


def switch_threshold(weight: Vector, residual: Vector, target: Vector) -> float:
    """The largest weight that switch-DR trusts: of some, the one with the least variance plus squared largest bias.

    Wang, Agarwal and Dudík (2017, section 4): the bias is bounded by how much of the evaluated policy lies above the
    threshold, times what the model may be off. They take the range of rewards for the latter, which spend does not
    have; here it is the mean absolute residual, which no mean residual exceeds. A bias that is estimated instead, from
    the few heavy rows themselves, is mostly their noise, and leads to intervals that miss.
    """
    correction, rows = weight * residual, len(weight)

    def squared_error(threshold: float) -> float:
        variance = float((target + np.where(weight <= threshold, correction, 0.0)).var()) / rows
        return variance + _largest_bias(weight, residual, threshold) ** 2

    tails = np.append(0.0, np.geomspace(1.0 / rows, 0.5, _THRESHOLDS))
    candidates = np.unique(np.quantile(weight, 1.0 - tails, method="higher"))
    return float(min(candidates[::-1], key=squared_error))


def _largest_bias(weight: Vector, residual: Vector, threshold: float) -> float:
    left_out = float(np.where(weight > threshold, weight, 0.0).mean())
    return left_out * float(np.abs(residual).mean())


def _sums(column: Vector, unit: NDArray[np.intp]) -> Vector:
    return np.bincount(unit, weights=column).astype(np.float64)
