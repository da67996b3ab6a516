"""What tuning may try: each model declares the ranges of its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """Values from ``low`` to ``high``; whole numbers if both are."""

    low: float | int
    high: float | int
    is_log: bool = False


SearchSpace = Mapping[str, Range]
