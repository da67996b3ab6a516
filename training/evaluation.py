"""What measuring a model gives."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a model on a held-out cutoff, and the same metrics of what it must beat, by the baseline's name."""

    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
