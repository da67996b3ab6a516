"""Whether the customers of now are still those that the champions learned from.

Each champion is asked about a sample of today's customers; their features and its scores are compared with what the
version kept of its own time, and its performance is estimated from its own chances. What a history changes anyway by
growing longer is measured at training and allowed for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.consent import refusing_any
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.vector import FEATURES, FINGERPRINT, vector
from training.drift_reference import LIST_LENGTH, Reference
from training.estimated_performance import IS_BETTER_HIGHER, estimates_of, score_of
from training.prediction_latency import answer
from training.registry import Deployment
from training.sketch import Difference, differences
from training.version_record import VersionRecord

NONE, WATCH, RETRAIN = "none", "watch", "retrain"
VERDICTS = (NONE, WATCH, RETRAIN)
"""From the best to the worst."""
SHIFTING, SHIFTED = 0.1, 0.25
"""Stability index, beyond what is usual: the customary bounds of some change, and of another population."""
WATCHED_SHARE, LARGEST_SHARE = 0.1, 0.3
"""Of what the trees gain: by features that have shifted."""
WATCHED_WORSENING, LARGEST_WORSENING = 0.05, 0.15
"""Of the estimated performance, as a share of what it was at training, beyond what is usual."""
MOST_USUAL = 2.0
"""However long ago a version was trained, no more than so many times its usual difference is allowed for."""
WATCHED_REFUSING = 0.1
"""Of all customers, more than refused at training: what the model says of them is told from less."""
SHOWN_FEATURES = 10
NAMED_FEATURES = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """``usual`` is the stability index that such a time makes anyway."""

    name: str
    psi: float
    usual: float
    distance: float
    p_value: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """``measured`` on the held-out cutoff, where there were labels; ``estimated`` for now, from the model's chances."""

    metric: str
    measured: float | None
    estimated: float
    worsening: float
    """Share of what it was, beyond what is usual; above 0 is worse."""


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """``shifted_share`` is of the trees' gain, by features that have shifted; ``features`` are those that did most."""

    model: str
    version: str
    verdict: str
    reasons: list[str]
    score: Shift | None = None
    shifted_share: float = 0.0
    features: list[Shift] = field(default_factory=list)
    estimates: list[Estimate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """``sampled`` of ``customers`` were looked at."""

    brand: str
    as_of: str
    verdict: str
    customers: int
    sampled: int
    models: list[ModelDrift]


def drift_of(
    deployed: Deployment,
    record: VersionRecord,
    reference: Reference | None,
    model: Any,
    everybody: Profiles,
    as_of: Instant,
) -> ModelDrift:
    """How far customers as of now are from those of the version's reference: those who refuse nothing from those who
    refused nothing. ``everybody`` shows of the others only what may be used."""
    if record.fingerprint != FINGERPRINT:
        return ModelDrift(deployed.model, deployed.version, RETRAIN, ["trained on features that are not computed now"])
    if reference is None:
        reason = "trained before versions kept what drift is told from"
        return ModelDrift(deployed.model, deployed.version, WATCH, [reason])
    refusing = refusing_any(everybody)
    if refusing.all():
        return ModelDrift(deployed.model, deployed.version, WATCH, ["everybody who was looked at refuses some use"])
    profiles = everybody.take(np.flatnonzero(~refusing))
    features = vector(profiles, as_of)
    given = answer(model, profiles, features, as_of, LIST_LENGTH)
    allowance = _allowance(reference, as_of)
    [of_score] = differences(reference.score, score_of(model.name, given, profiles)[:, None])
    score = _shift("score", of_score, reference.usual_score * allowance)
    shifts = [
        _shift(name, one, float(usual) * allowance)
        for name, one, usual in zip(
            FEATURES, differences(reference.features, features), reference.usual_features, strict=True
        )
    ]
    share = shifted_share(shifts, getattr(model, "importance", {}))
    now = estimated(reference, estimates_of(model, given, profiles, as_of), record.metrics, allowance)
    more_refusing = float(refusing.mean()) - reference.refusing
    verdict, reasons = _verdict(score, share, shifts, now, more_refusing)
    worst = sorted(shifts, key=lambda one: one.psi - one.usual, reverse=True)[:SHOWN_FEATURES]
    return ModelDrift(deployed.model, deployed.version, verdict, reasons, score, share, worst, now)


def worst_of(verdicts: Sequence[str]) -> str:
    """
    >>> worst_of(["none", "retrain", "watch"])
    'retrain'
    """
    return max(verdicts, key=VERDICTS.index, default=NONE)


def _allowance(reference: Reference, as_of: Instant) -> float:
    """How many times what is usual is usual by now."""
    days = (as_of - reference.as_of) / MICROSECONDS_PER_DAY
    return float(np.clip(days / max(reference.usual_days, 1.0), 1.0, MOST_USUAL))


def _shift(name: str, found: Difference, usual: float) -> Shift:
    beyond = found.psi - usual
    is_real = found.psi > found.psi_by_chance and beyond > 0
    verdict = NONE
    if is_real and beyond >= SHIFTING:
        verdict = RETRAIN if beyond >= SHIFTED else WATCH
    return Shift(name, found.psi, usual, found.distance, found.p_value, verdict)


def shifted_share(shifts: Sequence[Shift], importance: Mapping[str, float]) -> float:
    """Nothing where the trees see something else than customers, as those that rank candidates do."""
    if not importance.keys() <= set(FEATURES):
        return 0.0
    total = sum(importance.get(shift.name, 0.0) for shift in shifts)
    moved = sum(importance.get(shift.name, 0.0) for shift in shifts if shift.verdict == RETRAIN)
    return moved / total if total else 0.0


def estimated(
    reference: Reference, now: Mapping[str, float], metrics: Mapping[str, float | None], allowance: float
) -> list[Estimate]:
    """What was measured, moved by as much as the estimate has moved since; without what is not defined then or now."""
    found = []
    for metric, value in now.items():
        then, measured = reference.estimates.get(metric, np.nan), metrics.get(metric)
        if not (np.isfinite(then) and np.isfinite(value)):
            continue
        change = value - then
        loss = -change if IS_BETTER_HIGHER[metric] else change
        usual = abs(float(np.nan_to_num(reference.usual_estimates.get(metric, 0.0)))) * allowance
        worsening = max(loss - usual, 0.0) / abs(then) if then else 0.0
        found.append(Estimate(metric, measured, value if measured is None else measured + change, worsening))
    return found


def _verdict(
    score: Shift, share: float, shifts: Sequence[Shift], estimated: Sequence[Estimate], more_refusing: float
) -> tuple[str, list[str]]:
    """The worst of what each look says, with the reasons of all that is not well."""
    judged = [
        (score.verdict, f"scores: stability index {score.psi:.2f}, usual {score.usual:.2f}"),
        (
            _level(share, WATCHED_SHARE, LARGEST_SHARE),
            f"features with {share:.0%} of the gain shifted: {_named(shifts)}",
        ),
        *(
            (
                _level(one.worsening, WATCHED_WORSENING, LARGEST_WORSENING),
                f"{one.metric.replace('_', ' ')} is estimated at {one.estimated:.4g}, {one.worsening:.0%} worse",
            )
            for one in estimated
        ),
        (
            WATCH if more_refusing >= WATCHED_REFUSING else NONE,
            f"{more_refusing:.0%} more of the customers refuse some use: of them the model is told less",
        ),
    ]
    return worst_of([verdict for verdict, _ in judged]), [reason for verdict, reason in judged if verdict != NONE]


def _named(shifts: Sequence[Shift]) -> str:
    moved = sorted((one for one in shifts if one.verdict == RETRAIN), key=lambda one: one.usual - one.psi)
    further = f" and {len(moved) - NAMED_FEATURES} more" if len(moved) > NAMED_FEATURES else ""
    return ", ".join(one.name for one in moved[:NAMED_FEATURES]) + further


def _level(amount: float, watched: float, largest: float) -> str:
    if amount >= largest:
        return RETRAIN
    return WATCH if amount >= watched else NONE
