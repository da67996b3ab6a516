"""The difference that a variant makes to a metric, with its intervals, from the moments of both samples.

Every metric is a ratio of two means over units; for a plain mean the denominator is 1 for every unit. Variances of
ratios are by the delta method (Deng, Knoblich and Lu 2018). Where the units have a past, the difference is adjusted by
CUPED (Deng, Xu, Kohavi and Walker 2013) with one coefficient from both samples together. Intervals of a difference are
Welch's; those of a relative difference are Welch's on the logarithm of the ratio.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.sequential import asymptotic_radius

Vector = NDArray[np.float64]

VALUE, PAST = (0, 1), (2, 3)
"""Where the numerator and the denominator stand among the columns, now and in the time before exposure."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of n units' [numerator, denominator, past numerator, past denominator]: means [4], covariances [4, 4]."""

    count: int
    mean: Vector
    covariance: Vector

    def ratio(self, columns: tuple[int, int]) -> float:
        numerator, denominator = columns
        return _divided(float(self.mean[numerator]), float(self.mean[denominator]))

    def ratio_covariance(self, left: tuple[int, int], right: tuple[int, int]) -> float:
        """Of the linearised ratios of single units: (numerator - ratio · denominator) / mean of the denominator."""
        weights_left = np.array([1.0, -self.ratio(left)])
        weights_right = np.array([1.0, -self.ratio(right)])
        block = self.covariance[np.ix_(left, right)]
        scale = float(self.mean[left[1]] * self.mean[right[1]])
        return _divided(float(weights_left @ block @ weights_right), scale)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of ``count`` units with the variance of a single one."""

    mean: float
    variance: float
    count: int

    @property
    def squared_error(self) -> float:
        return _divided(self.variance, self.count)


@dataclass(frozen=True, slots=True)
class Effect:
    """What cannot be said, for want of units or of variation, is ``None``."""

    control_mean: float | None
    variant_mean: float | None
    difference: float | None
    raw_difference: float | None
    low: float | None
    high: float | None
    relative_difference: float | None
    relative_low: float | None
    relative_high: float | None
    sequential_low: float | None
    sequential_high: float | None
    p_value: float | None
    variance_reduction: float | None


def moments(value: Vector, past: Vector, weight: Vector | None = None, past_weight: Vector | None = None) -> Moments:
    """Moments of a sample; ``weight`` and ``past_weight`` are denominators, 1 for every unit unless given."""
    ones = np.ones(len(value))
    columns = np.stack([value, ones if weight is None else weight, past, ones if past_weight is None else past_weight])
    if len(value) < 2:
        return Moments(len(value), columns.mean(axis=1) if len(value) else np.full(4, np.nan), np.full((4, 4), np.nan))
    return Moments(len(value), columns.mean(axis=1), np.cov(columns))


def pooled(first: Moments, second: Moments) -> Moments:
    """The moments of both samples together."""
    count = first.count + second.count
    mean = (first.count * first.mean + second.count * second.mean) / count
    gap = second.mean - first.mean
    between = np.outer(gap, gap) * (first.count * second.count / count)
    scatter = first.covariance * (first.count - 1) + second.covariance * (second.count - 1) + between
    return Moments(count, mean, scatter / (count - 1))


def effect(control: Moments, variant: Moments, planned_units: int, level: float = 0.95) -> Effect:
    """What ``variant`` changes against ``control``; ``planned_units`` is where the sequential interval is tightest."""
    raw = [Estimate(each.ratio(VALUE), each.ratio_covariance(VALUE, VALUE), each.count) for each in (control, variant)]
    adjusted = _adjusted(control, variant, raw)
    difference = adjusted[1].mean - adjusted[0].mean
    error = _standard_error(adjusted[0], adjusted[1])
    low, high, p_value = welch(adjusted[0], adjusted[1], level)
    relative, relative_low, relative_high = relative_difference(adjusted[0], adjusted[1], level)
    radius = asymptotic_radius(error, control.count + variant.count, planned_units, 1.0 - level)
    return Effect(
        control_mean=_known(raw[0].mean),
        variant_mean=_known(raw[1].mean),
        difference=_known(difference),
        raw_difference=_known(raw[1].mean - raw[0].mean),
        low=_known(low),
        high=_known(high),
        relative_difference=_known(relative),
        relative_low=_known(relative_low),
        relative_high=_known(relative_high),
        sequential_low=_known(difference - radius),
        sequential_high=_known(difference + radius),
        p_value=_known(p_value),
        variance_reduction=_known(1.0 - _divided(_squared_error(*adjusted), _squared_error(*raw))),
    )


def _adjusted(control: Moments, variant: Moments, raw: list[Estimate]) -> list[Estimate]:
    """CUPED, or the raw estimates where the past does not vary."""
    both = pooled(control, variant) if control.count and variant.count else control
    past_variance = both.ratio_covariance(PAST, PAST)
    if not past_variance > 0:
        return raw
    slope = both.ratio_covariance(VALUE, PAST) / past_variance
    if not math.isfinite(slope):
        return raw
    return [
        Estimate(
            estimate.mean - slope * (sample.ratio(PAST) - both.ratio(PAST)),
            estimate.variance
            + slope**2 * sample.ratio_covariance(PAST, PAST)
            - 2.0 * slope * sample.ratio_covariance(VALUE, PAST),
            estimate.count,
        )
        for estimate, sample in zip(raw, (control, variant), strict=True)
    ]


def welch(control: Estimate, variant: Estimate, level: float) -> tuple[float, float, float]:
    """Low and high end of the interval of the difference and its two-sided p-value; NaN where nothing varies."""
    difference = variant.mean - control.mean
    error = _standard_error(control, variant)
    if not error > 0:
        return math.nan, math.nan, math.nan
    from scipy.stats import t

    freedom = _degrees_of_freedom(control, variant)
    radius = error * float(t.ppf((1.0 + level) / 2.0, freedom))
    return difference - radius, difference + radius, 2.0 * float(t.sf(abs(difference) / error, freedom))


def relative_difference(control: Estimate, variant: Estimate, level: float) -> tuple[float, float, float]:
    """The difference as a share of the control's mean, with its interval; NaN unless both means are above 0."""
    if not (control.mean > 0 and variant.mean > 0):
        return _divided(variant.mean, control.mean) - 1.0 if control.mean > 0 else math.nan, math.nan, math.nan
    log_control, log_variant = (
        Estimate(math.log(each.mean), each.variance / each.mean**2, each.count) for each in (control, variant)
    )
    low, high, _ = welch(log_control, log_variant, level)
    return variant.mean / control.mean - 1.0, math.expm1(low), math.expm1(high)


def _standard_error(control: Estimate, variant: Estimate) -> float:
    return math.sqrt(max(_squared_error(control, variant), 0.0))


def _squared_error(control: Estimate, variant: Estimate) -> float:
    return control.squared_error + variant.squared_error


def _degrees_of_freedom(control: Estimate, variant: Estimate) -> float:
    parts = [(each.squared_error, each.count - 1) for each in (control, variant)]
    return sum(part for part, _ in parts) ** 2 / sum(part**2 / freedom for part, freedom in parts)


def _divided(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
