"""How many units it takes to see an effect, and how small an effect can be seen with so many.

Normal approximation of the two-sided test of two means; ``variance_reduction`` is what CUPED takes away (0 to 1).
"""

import math
from statistics import NormalDist


def units_needed(
    deviation: float,
    difference: float,
    *,
    variant_share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    variance_reduction: float = 0.0,
) -> int:
    """Units in control and variant together; ``variant_share`` of them are the variant's.

    >>> units_needed(deviation=1.0, difference=0.1)
    3140
    """
    squared = (_quantiles(alpha, power) * deviation / difference) ** 2 * (1.0 - variance_reduction)
    return math.ceil(squared / (variant_share * (1.0 - variant_share)))


def detectable_difference(
    deviation: float,
    units: int,
    *,
    variant_share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    variance_reduction: float = 0.0,
) -> float:
    """The true difference that so many units, control and variant together, find with chance ``power``."""
    if units < 2:
        return math.inf
    squared = (1.0 - variance_reduction) / (units * variant_share * (1.0 - variant_share))
    return _quantiles(alpha, power) * deviation * math.sqrt(squared)


def _quantiles(alpha: float, power: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1.0 - alpha / 2.0) + normal.inv_cdf(power)
