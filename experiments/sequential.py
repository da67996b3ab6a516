"""An interval that may be looked at every day: it holds at all sample sizes at once."""

import math


def asymptotic_radius(standard_error: float, count: int, planned_count: int, alpha: float = 0.05) -> float:
    """Half the width of an asymptotic confidence sequence around an estimate from ``count`` independent units.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021, "Time-uniform central limit theory and asymptotic confidence
    sequences", theorem 2.2): σ √(2 (t ρ² + 1) / (t² ρ²) · log(√(t ρ² + 1) / α)), where t is ``count`` and σ / √t is
    ``standard_error``. With ρ² = (-2 log α + log(1 - 2 log α)) / t* it is about the tightest at t* = ``planned_count``,
    which has to be fixed before the first look. Each unit has to enter with its outcome complete. NaN without units.

    >>> round(asymptotic_radius(1.0, 10_000, 10_000), 3)
    3.035
    """
    if count < 2 or not standard_error > 0:
        return math.nan
    spread = count * squared_mixing(planned_count, alpha)
    return standard_error * math.sqrt(2.0 * (spread + 1.0) / spread * (0.5 * math.log1p(spread) - math.log(alpha)))


def squared_mixing(planned_count: int, alpha: float) -> float:
    """ρ², the variance of the normal mixture for which the interval is about the tightest at ``planned_count``."""
    return (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / planned_count
