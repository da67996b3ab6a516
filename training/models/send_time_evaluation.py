"""How well a send time model did on a cutoff that it was not trained on: hours of orders, and answers to messages."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY
from training.evaluation import Evaluation
from training.models.message_log import WINDOW, MessageLog, message_log
from training.models.send_policy import estimate_lift, propensities
from training.models.send_response import SendResponse
from training.models.week_hours import HOURS_PER_DAY, Floats, activity_of, everyones_hours, orders_by_hour_of_day
from training.ranking_metrics import hour_log_loss, mean_difference, top_hours_hit

if TYPE_CHECKING:
    from features.history import Snapshot
    from training.models.send_time import SendTimeModel

BOOTSTRAP_SEED = 0
_HOURS = range(HOURS_PER_DAY)
FEWEST_MESSAGES = 200
"""Of messages of the horizon before the cutoff; of fewer nothing is measured."""


def evaluate_hours(model: "SendTimeModel", snapshot: "Snapshot") -> Evaluation:
    """Log loss (nats an order) and hits of the hours of orders after a cutoff, and what messages say.

    Where the model knows the response to messages: the log loss (nats a message) of the answers to those of the horizon
    before the cutoff, after it had learned, and the lift of sending at its hours over the sender's habit, from what was
    known of the customers before that horizon. See :mod:`training.models.send_policy`.
    """
    found = _of_orders(model, snapshot)
    messages = held_out_messages(model, snapshot)
    if messages is not None:
        _add_messages(found, messages)
    return found


def _of_orders(model: "SendTimeModel", snapshot: "Snapshot") -> Evaluation:
    offsets, hours = snapshot.purchase_hours
    ours = model.presence(snapshot.profiles, snapshot.as_of)
    known = np.bincount(snapshot.profiles.orders.hour, minlength=HOURS_PER_WEEK).astype(np.float64)
    everyones = np.tile(everyones_hours(known), (len(ours), 1))
    orders = np.diff(offsets).astype(np.float64)
    loss, baseline = hour_log_loss(ours, offsets, hours), hour_log_loss(everyones, offsets, hours)
    difference = mean_difference(loss, baseline, np.random.default_rng(BOOTSTRAP_SEED), weights=orders)
    return Evaluation(
        {
            "log_loss": _mean(loss, orders),
            "top_3_hit_rate": _mean(top_hours_hit(ours, offsets, hours), orders),
            "log_loss_difference": difference.value,
            "log_loss_difference_low": difference.low,
            "log_loss_difference_high": difference.high,
        },
        {
            "everyones_hours": {
                "log_loss": _mean(baseline, orders),
                "top_3_hit_rate": _mean(top_hours_hit(everyones, offsets, hours), orders),
            }
        },
    )


class HeldOutMessages(NamedTuple):
    """Messages of the horizon before a cutoff, and what a model said of them from what had been known before it.

    ``chance`` is of an answer, ``expected`` (messages, 24) that at each hour of the same day, ``propensity`` how likely
    the sender was to send then.
    """

    log: MessageLog
    chance: Floats
    expected: Floats
    propensity: Floats


def held_out_messages(model: "SendTimeModel", snapshot: "Snapshot") -> HeldOutMessages | None:
    """None where the model knows nothing of messages, or nearly none were sent since.

    Whenever models were learned, all are asked of the same messages from the same knowledge of the customers: that of a
    horizon before the cutoff, which a model that is held against it had not looked beyond.
    """
    response = model.response
    if not isinstance(response, SendResponse) or model.learned_until is None:
        return None
    known_until = snapshot.as_of - snapshot.horizon_days * MICROSECONDS_PER_DAY
    since = known_until - WINDOW + 1
    log = message_log(snapshot.profiles, snapshot.as_of, response.channels, since)
    if len(log.hour) < FEWEST_MESSAGES:
        return None
    before = message_log(snapshot.profiles, known_until, response.channels)
    activity = activity_of(snapshot.profiles, known_until)
    beliefs = response.beliefs(before, orders_by_hour_of_day(activity, model.strengths.half_life_days, since))
    midnight = log.hour // HOURS_PER_DAY * HOURS_PER_DAY
    by_hour = [response.at(beliefs, log._replace(hour=(midnight + hour).astype(np.uint8))) for hour in _HOURS]
    propensity = propensities(log, before, len(response.channels) + 1)
    return HeldOutMessages(log, response.at(beliefs, log), np.stack(by_hour, axis=1), propensity)


def _add_messages(found: Evaluation, messages: HeldOutMessages) -> None:
    log, rate = messages.log, messages.log.is_answered.mean()
    found.metrics["response_log_loss"] = _log_loss(messages.chance, log)
    found.baselines["everyones_rate"] = {"response_log_loss": _log_loss(np.full(len(log.hour), rate), log)}
    lift = estimate_lift(log, messages.expected, messages.propensity, np.random.default_rng(BOOTSTRAP_SEED))
    found.metrics["messages_held_out"] = float(len(log.hour))
    found.metrics["response_by_habit"] = lift.habit
    if lift.refused is None:
        found.metrics["response_lift"] = lift.lift
        found.metrics["response_lift_low"] = lift.low
        found.metrics["response_lift_high"] = lift.high
        found.metrics["response_lift_effective_messages"] = lift.effective_sample_size


def answer_losses(messages: HeldOutMessages) -> Floats:
    """Each customer's mean negative log likelihood of the answers; NaN where no message was held out."""
    log = messages.log
    counts = np.diff(log.offsets)
    sums = np.bincount(log.customer, _losses(messages.chance, log), len(counts))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _log_loss(chance: Floats, log: MessageLog) -> float:
    return float(_losses(chance, log).mean())


def _losses(chance: Floats, log: MessageLog) -> Floats:
    result: Floats = -np.log(np.where(log.is_answered, chance, 1.0 - chance))
    return result


def _mean(values: Floats, weights: Floats) -> float:
    known = weights > 0
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
