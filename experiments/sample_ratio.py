"""Whether the variants got the units that their weights promise; if not, nothing else about them can be trusted."""

import math
from collections.abc import Sequence

SUSPICIOUS_BELOW = 0.001


def sample_ratio_p_value(counts: Sequence[int], weights: Sequence[float]) -> float | None:
    """Pearson's χ² test of counts against weights; ``None`` when there are no units.

    >>> round(sample_ratio_p_value([5050, 4950], [0.5, 0.5]), 4)
    0.3173
    """
    total = sum(counts)
    if total == 0:
        return None
    whole = math.fsum(weights)
    expected = [total * weight / whole for weight in weights]
    statistic = math.fsum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))
    from scipy.special import gammaincc

    return float(gammaincc((len(counts) - 1) / 2.0, statistic / 2.0))
