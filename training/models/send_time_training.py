"""From snapshots to a send time model: segments from before the cutoffs, strengths from the orders after them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.profile_tables import ranges
from training.errors import NotEnoughData
from training.models.message_response import learn_response
from training.models.send_time import SendTimeModel
from training.models.week_hours import (
    Activity,
    Floats,
    Integers,
    Segments,
    Strengths,
    activity_of,
    all_counts,
    all_hours,
    everyones_hours,
    find_segments,
)
from training.ranking_metrics import SMALLEST_PROBABILITY

if TYPE_CHECKING:
    from features.history import Snapshot

DEFAULTS: Mapping[str, float | int] = {"segments": 8}
STRENGTH_CUTOFFS = 2
MOST_CUSTOMERS = 3_000
FEWEST_ORDERS = 200
MOST_TRIALS = 180
START = Strengths(250.0, 50.0, 50.0, 0.5, 120.0, 0.3, 0.1)
"""Where the search for strengths begins; what the data cannot tell stays there."""
LARGEST_BLUR = 1 / 3
"""There an hour counts no more than its neighbours."""


def fit(snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> SendTimeModel:
    """See :meth:`SendTimeModel.fit`."""
    chosen = {**DEFAULTS, **parameters}
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    newest = ordered[-1]
    _check(ordered)
    generator = np.random.default_rng(seed)
    activity = activity_of(newest.profiles, newest.as_of)
    strengths = learn_strengths(ordered[-STRENGTH_CUTOFFS:], int(chosen["segments"]), generator)
    counts = all_counts(activity, strengths)
    segments = find_segments(counts, int(chosen["segments"]), generator)
    everyone = everyones_hours(counts.sum(axis=0))
    response = learn_response(newest.profiles, all_hours(activity, segments, strengths), everyone)
    return SendTimeModel(segments, strengths, everyone, response, newest.horizon_days)


def _check(snapshots: "Sequence[Snapshot]") -> None:
    before = len(snapshots[-1].profiles.orders.hour)
    after = sum(len(snapshot.hours) for snapshot in snapshots[-STRENGTH_CUTOFFS:])
    if min(before, after) < FEWEST_ORDERS:
        found = f"{before} before and {after} after the last cutoffs"
        raise NotEnoughData("orders", found, f"at least {FEWEST_ORDERS} of each")
    hours = np.unique(snapshots[-1].profiles.orders.hour % 24)
    if len(hours) == 1:
        raise NotEnoughData("orders", f"all of them at {hours[0]}:00", "times of day beside the dates")


def learn_strengths(snapshots: "Sequence[Snapshot]", kinds: int, generator: np.random.Generator) -> Strengths:
    """Those under which the hours of the orders after the cutoffs are likeliest (Nelder & Mead 1965)."""
    from scipy.optimize import minimize

    cases = [_case(snapshot, kinds, generator) for snapshot in snapshots]
    found = minimize(
        lambda point: float(np.mean([_loss(_strengths(point), *case) for case in cases])),
        _point(START),
        method="Nelder-Mead",
        options={"maxfev": MOST_TRIALS, "xatol": 0.02, "fatol": 1e-5},
    )
    strengths = _strengths(found.x)
    is_engagement_seen = any(case[0].engaged.any() for case in cases)
    return strengths if is_engagement_seen else strengths._replace(engagement=START.engagement)


def _loss(strengths: Strengths, activity: Activity, segments: Segments, customer: Integers, hour: Integers) -> float:
    chance = all_hours(activity, segments, strengths)[customer, hour]
    return float(-np.log(np.maximum(chance, SMALLEST_PROBABILITY)).mean())


def _case(
    snapshot: "Snapshot", kinds: int, generator: np.random.Generator
) -> tuple[Activity, Segments, Integers, Integers]:
    """A sample of those who ordered after the cutoff: what was known of them, and the hours of these orders."""
    counts = all_counts(activity_of(snapshot.profiles, snapshot.as_of), START)
    segments = find_segments(counts, kinds, generator)
    offsets, hours = snapshot.purchase_hours
    ordered = np.flatnonzero(np.diff(offsets))
    rows = np.sort(generator.choice(ordered, min(MOST_CUSTOMERS, len(ordered)), replace=False))
    lengths = np.diff(offsets)[rows]
    activity = activity_of(snapshot.profiles.take(rows), snapshot.as_of)
    hour = hours[ranges(offsets[:-1][rows], lengths)].astype(np.int64)
    return activity, segments, np.repeat(np.arange(len(rows)), lengths), hour


def _point(strengths: Strengths) -> Floats:
    """Strengths as unbounded numbers: logarithms, log odds of the two that are shares."""
    unbounded = strengths._replace(
        membership=strengths.membership / (1.0 - strengths.membership),
        blur=strengths.blur / (LARGEST_BLUR - strengths.blur),
    )
    return np.log(np.array(unbounded, dtype=np.float64))


def _strengths(point: Floats) -> Strengths:
    positive = Strengths(*np.exp(np.clip(point, -20.0, 20.0)).tolist())
    return positive._replace(
        membership=positive.membership / (1.0 + positive.membership),
        blur=LARGEST_BLUR * positive.blur / (1.0 + positive.blur),
    )
