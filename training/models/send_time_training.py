"""From snapshots to a send time model: segments from before the cutoffs, strengths from the orders after them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.instant import HOURS_PER_WEEK
from features.profile_tables import ranges
from training.errors import NotEnoughData
from training.models.message_log import message_log
from training.models.message_response import MessageResponse, learn_response
from training.models.send_response import SendResponse
from training.models.send_response_training import learn_send_response
from training.models.send_time import SendTimeModel
from training.models.week_hours import (
    DAYS_PER_WEEK,
    HOURS_PER_DAY,
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
    orders_by_hour_of_day,
)
from training.ranking_metrics import SMALLEST_PROBABILITY

if TYPE_CHECKING:
    from features.history import Snapshot

DEFAULTS: Mapping[str, float | int] = {"segments": 8, "response_kinds": 4}
FEWEST_MESSAGES = 500
FEWEST_ANSWERS = 50
FEWEST_HOURS_OF_DAY = 3
"""Messages must have gone out at that many hours of the day, or hours cannot be compared."""
FEWEST_OF_CHANNEL = 200
"""Messages; channels with fewer are one."""
MOST_WRITTEN_TO = 20_000
STRENGTH_CUTOFFS = 2
MOST_CUSTOMERS = 3_000
FEWEST_ORDERS = 200
FEWEST_TIMES_OF_DAY = 2
"""Where all orders are at one time of day, only their dates are known."""
MOST_TRIALS = 180
START = Strengths(250.0, 50.0, 50.0, 0.5, 120.0, 0.3, 0.1)
"""Where the search for strengths begins; what the data cannot tell stays there."""
SHORTEST_HALF_LIFE_DAYS = 30.0
"""Where customers do not differ in their hours nothing else would keep their orders from being forgotten at once."""
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
    kinds, strengths = _learned(ordered[-STRENGTH_CUTOFFS:], int(chosen["segments"]), generator)
    longest = max(strengths.half_life_days, START.half_life_days)
    counts = all_counts(activity, strengths._replace(half_life_days=longest))
    segments = find_segments(counts, kinds, generator)
    everyone = everyones_hours(counts.sum(axis=0))
    response: SendResponse | MessageResponse | None
    response = _send_response(newest, strengths, everyone, int(chosen["response_kinds"]), generator)
    if response is None:
        response = learn_response(newest.profiles, all_hours(activity, segments, strengths), everyone)
    return SendTimeModel(segments, strengths, everyone, response, newest.horizon_days, newest.as_of)


def _send_response(
    snapshot: "Snapshot", strengths: Strengths, everyone: Floats, kinds: int, generator: np.random.Generator
) -> SendResponse | None:
    """None where too few messages have an id, were answered, or differ in their hours."""
    rows = np.flatnonzero(np.diff(snapshot.profiles.messages.offsets))
    profiles = snapshot.profiles.take(np.sort(generator.choice(rows, min(MOST_WRITTEN_TO, len(rows)), replace=False)))
    named = tuple(name for name in sorted(set(profiles.messages.vocabulary)) if name)
    log = message_log(profiles, snapshot.as_of, named)
    hours = np.unique(log.hour % HOURS_PER_DAY)
    if len(log.hour) < FEWEST_MESSAGES or log.is_answered.sum() < FEWEST_ANSWERS or len(hours) < FEWEST_HOURS_OF_DAY:
        return None
    sent = np.bincount(log.channel, minlength=len(named))
    channels = tuple(name for name, count in zip(named, sent, strict=False) if count >= FEWEST_OF_CHANNEL)
    log = message_log(profiles, snapshot.as_of, channels)
    orders = orders_by_hour_of_day(activity_of(profiles, snapshot.as_of), strengths.half_life_days, snapshot.as_of)
    of_day = everyone.reshape(DAYS_PER_WEEK, HOURS_PER_DAY).sum(axis=0)
    return learn_send_response(log, orders, of_day, channels, kinds)


def _check(snapshots: "Sequence[Snapshot]") -> None:
    before = len(snapshots[-1].profiles.orders.hour)
    after = sum(len(snapshot.hours) for snapshot in snapshots[-STRENGTH_CUTOFFS:])
    if min(before, after) < FEWEST_ORDERS:
        found = f"{before} before and {after} after the last cutoffs"
        raise NotEnoughData("orders", found, f"at least {FEWEST_ORDERS} of each")
    hours = np.unique(snapshots[-1].profiles.orders.hour % HOURS_PER_DAY)
    if len(hours) < FEWEST_TIMES_OF_DAY:
        raise NotEnoughData("orders", f"all of them at {hours[0]}:00", "times of day beside the dates")


def _learned(snapshots: "Sequence[Snapshot]", kinds: int, generator: np.random.Generator) -> tuple[int, Strengths]:
    """The strengths, and how many segments: one where no segment tells more than everybody together."""
    strengths, loss = learn_strengths(snapshots, kinds, generator)
    if kinds > 1 and loss >= _everyones_loss(snapshots):
        return 1, learn_strengths(snapshots, 1, generator)[0]
    return kinds, strengths


def _everyones_loss(snapshots: "Sequence[Snapshot]") -> float:
    losses = []
    for snapshot in snapshots:
        known = np.bincount(snapshot.profiles.orders.hour, minlength=HOURS_PER_WEEK).astype(np.float64)
        losses.append(float(-np.log(everyones_hours(known)[snapshot.purchase_hours[1].astype(np.int64)]).mean()))
    return float(np.mean(losses))


def learn_strengths(
    snapshots: "Sequence[Snapshot]", kinds: int, generator: np.random.Generator
) -> tuple[Strengths, float]:
    """Those under which the hours of the orders after the cutoffs are likeliest (Nelder & Mead 1965), and the loss."""
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
    if not is_engagement_seen:
        strengths = strengths._replace(engagement=START.engagement)
    return strengths, float(found.fun)


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
        half_life_days=max(positive.half_life_days, SHORTEST_HALF_LIFE_DAYS),
        membership=positive.membership / (1.0 + positive.membership),
        blur=LARGEST_BLUR * positive.blur / (1.0 + positive.blur),
    )
