"""How well a model does on customers whose labels have not come yet, from what its own chances say.

Confidence-based performance estimation (CBPE; Kivimäki, Białek, Kuberski & Nurminen 2025, "Performance Estimation in
Binary Classification Using Calibrated Confidence"): a calibrated chance says how often it will be wrong. It sees other
customers, not other behaviour of like customers.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.profiles import Profiles

Floats = NDArray[np.float64]
_LEAST = 1e-12


def expected_log_loss(chance: Floats) -> float:
    """Of yes-or-no chances, in nats.

    >>> round(expected_log_loss(np.array([0.5])), 4)
    0.6931
    """
    p = np.clip(chance, _LEAST, 1 - _LEAST)
    return float(-np.mean(p * np.log(p) + (1 - p) * np.log1p(-p)))


def expected_area_under_curve(chance: Floats) -> float:
    """The chance that of two customers with different outcomes the one with the higher chance is the positive one.

    Sums over pairs of different customers of p_i (1 - p_j), where p_i > p_j and half where they are equal.

    >>> expected_area_under_curve(np.array([1.0, 0.0])), expected_area_under_curve(np.array([0.5, 0.5]))
    (1.0, 0.5)
    """
    values, group = np.unique(chance, return_inverse=True)
    positive = np.bincount(group, chance)
    negative = np.bincount(group, 1 - chance)
    own = np.bincount(group, chance * (1 - chance))
    under = np.cumsum(negative) - negative
    right = float(positive @ under + 0.5 * (positive @ negative - own.sum()))
    pairs = float(positive.sum() * negative.sum() - own.sum())
    return right / pairs if pairs > 0 and len(values) else float("nan")


def expected_hour_log_loss(shares: Floats) -> float:
    """Of rows of 168 chances, in nats an event."""
    p = np.clip(shares, _LEAST, 1.0)
    return float(-np.mean((p * np.log(p)).sum(axis=1)))


def expected_hits(scores: list[list[float]]) -> float:
    """How many of the products of a list are in the next order, in the mean."""
    return float(np.mean([sum(row) for row in scores])) if scores else float("nan")


IS_BETTER_HIGHER = {"log_loss": False, "auc": True, "hits_at_10": True}


def estimates(model: str, answer: Any) -> dict[str, float]:
    """By metric; nothing for lifetime value, whose quantiles do not say what its mean misses.

    ``answer`` is what the model's ``predict``, ``presence`` or ``rank`` gave.
    """
    if model == "churn":
        return {"log_loss": expected_log_loss(answer), "auc": expected_area_under_curve(answer)}
    if model == "send-time":
        return {"log_loss": expected_hour_log_loss(answer)}
    if model == "favourite-product":
        return {"hits_at_10": expected_hits([scores for _, scores in answer])}
    return {}


def estimates_of(model: Any, given: Any, profiles: Profiles, as_of: Instant) -> dict[str, float]:
    """:func:`estimates` from what the metrics are of: with send time the hours of orders, not of answers to messages.

    ``given`` is what the model said of these customers then.
    """
    return estimates(model.name, model.presence(profiles, as_of) if model.name == "send-time" else given)


def score_of(model: str, answer: Any, profiles: Profiles) -> Floats:
    """One number a customer, whose distribution stands for the model's: what decisions hang on most.

    Missing where no order is known: all of these are told the same, and where that number moves by next to nothing the
    whole of them would pass from one part of the distribution to another.
    """
    return np.where(np.diff(profiles.orders.offsets) > 0, _score_of(model, answer), np.nan)


def _score_of(model: str, answer: Any) -> Floats:
    if model == "lifetime-value":
        return np.asarray(answer.mean, dtype=np.float64)
    if model == "send-time":
        return np.asarray(answer.max(axis=1), dtype=np.float64)
    if model == "favourite-product":
        return np.array([scores[0] if scores else np.nan for _, scores in answer], dtype=np.float64)
    return np.asarray(answer, dtype=np.float64)
