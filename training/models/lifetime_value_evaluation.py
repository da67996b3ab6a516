"""Predicted against actual spend."""

import numpy as np
from numpy.typing import NDArray

from training.evaluation import Evaluation
from training.metrics import (
    absolute_error,
    coverage,
    normalised_gini,
    paired_bootstrap,
    pinball_loss,
    spearman,
    squared_error,
    total_ratio,
)
from training.models.lifetime_value import HIGH, LEAST_SPEND, LOW, LifetimeValue

Floats = NDArray[np.float64]
BOOTSTRAP_SEED = 0
RESAMPLES = 200
METRICS = {
    "normalised_gini": normalised_gini,
    "spearman": spearman,
    "squared_error_of_mean": squared_error,
}


def evaluate_spend(
    predicted: LifetimeValue, baseline: Floats, actual: Floats, total_interval: tuple[float, float]
) -> Evaluation:
    """Differences are ours minus the decayed spend's, with a 95 % interval: above zero is better, of errors below.

    ``total_interval`` is what the model says of the total; its ends, too, are told over the actual one, so that the
    interval holds the actual total where they enclose 1.
    """
    total = max(float(actual.sum()), LEAST_SPEND)
    metrics = {name: metric(actual, predicted.mean) for name, metric in METRICS.items()}
    metrics |= {
        "absolute_error_of_median": absolute_error(actual, predicted.median),
        "total_predicted_over_actual": total_ratio(actual, predicted.mean),
        "total_interval_low_over_actual": total_interval[0] / total,
        "total_interval_high_over_actual": total_interval[1] / total,
        "coverage_of_80_percent_band": coverage(actual, predicted.low, predicted.high),
        "pinball_loss_low": pinball_loss(actual, predicted.low, LOW),
        "pinball_loss_high": pinball_loss(actual, predicted.high, HIGH),
    }
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    pairs = [(name, metric, predicted.mean) for name, metric in METRICS.items()]
    for name, metric, ours in [*pairs, ("absolute_error_of_median", absolute_error, predicted.median)]:
        difference = paired_bootstrap(metric, actual, ours, baseline, generator, resamples=RESAMPLES)
        metrics |= {
            f"{name}_difference": difference.value,
            f"{name}_difference_low": difference.low,
            f"{name}_difference_high": difference.high,
        }
    beside = {name: metric(actual, baseline) for name, metric in METRICS.items()}
    beside |= {
        "absolute_error_of_median": absolute_error(actual, baseline),
        "total_predicted_over_actual": total_ratio(actual, baseline),
    }
    return Evaluation(metrics, {"decayed_spend": beside})
