"""Whether a version tells more than the simple rule that is measured beside it, on the cutoff that was held out."""

from collections.abc import Mapping
from dataclasses import dataclass

_IS_LOWER_BETTER = {"send-time"}
_JUDGED = {
    "churn": {"auc_difference": "days_since_last_purchase"},
    "lifetime-value": {"normalised_gini_difference": "decayed_spend"},
    "favourite-product": {
        "recall_at_10_difference": "personal_frequency",
        "recall_at_10_most_popular_difference": "most_popular",
    },
    "send-time": {"log_loss_difference": "everyones_hours"},
}
"""By model: the differences that are judged, of its first metric, and which baseline each is to."""


@dataclass(frozen=True, slots=True)
class Advantage:
    """Over a baseline, in units of the metric: above 0 is better. The interval is of 95 %."""

    metric: str
    baseline: str
    value: float
    low: float
    high: float

    @property
    def is_beyond_chance(self) -> bool:
        return self.low > 0

    @property
    def is_lost(self) -> bool:
        """Whether the baseline is better beyond chance."""
        return self.high < 0

    def __str__(self) -> str:
        return (
            f"{self.metric.replace('_', ' ')} {self.value:+.4g} against {self.baseline.replace('_', ' ')} "
            f"(95 % from {self.low:+.4g} to {self.high:+.4g})"
        )


def advantages(model: str, metrics: Mapping[str, float | None]) -> list[Advantage]:
    """From the metrics of a version; without those that it was not measured by.

    >>> [found] = advantages("send-time", {f"log_loss_difference{end}": by for end, by in
    ...                                    {"": -0.2, "_low": -0.3, "_high": -0.1}.items()})
    >>> print(found)
    log loss +0.2 against everyones hours (95 % from +0.1 to +0.3)
    """
    found = []
    for difference, baseline in _JUDGED.get(model, {}).items():
        value, low, high = (metrics.get(f"{difference}{end}") for end in ("", "_low", "_high"))
        if value is None or low is None or high is None:
            continue
        metric = difference.removesuffix("_difference").removesuffix(f"_{baseline}")
        ends = (-value, -high, -low) if model in _IS_LOWER_BETTER else (value, low, high)
        found.append(Advantage(metric, baseline, *ends))
    return found


def warnings(model: str, metrics: Mapping[str, float | None]) -> tuple[str, ...]:
    """Of each baseline that the version is not better than beyond chance."""
    found = (one for one in advantages(model, metrics) if not one.is_beyond_chance)
    return tuple(f"{'worse' if one.is_lost else 'no better'} than its baseline: {one}" for one in found)
