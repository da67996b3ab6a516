"""How well a send time model did on a cutoff that it was not trained on: hours of orders, and answers to messages."""

from typing import TYPE_CHECKING

import numpy as np

from features.instant import HOURS_PER_WEEK, Instant
from training.evaluation import Evaluation
from training.models.message_log import WINDOW, MessageLog, message_log
from training.models.send_policy import Lift, estimate_lift, propensities
from training.models.send_response import SendResponse
from training.models.week_hours import HOURS_PER_DAY, Floats, activity_of, everyones_hours, orders_by_hour_of_day
from training.ranking_metrics import hour_log_loss, mean_difference, top_hours_hit

if TYPE_CHECKING:
    from features.history import Snapshot
    from training.models.send_time import SendTimeModel

BOOTSTRAP_SEED = 0
FEWEST_MESSAGES = 200
"""Of messages that were sent after the model had been learned; of fewer nothing is measured."""


def evaluate(model: "SendTimeModel", snapshot: "Snapshot") -> Evaluation:
    """Log loss (nats an order) and hits of the hours of orders after a cutoff, and what messages say.

    Where the model knows the response to messages: the log loss (nats a message) of the answers to messages that were
    sent after it had learned, and the lift of sending at its hours over the sender's habit, from what was known of the
    customers when it had learned. See :mod:`training.models.send_policy`.
    """
    found = _of_orders(model, snapshot)
    if isinstance(model.response, SendResponse) and model.learned_until is not None:
        _add_messages(found, model, model.response, model.learned_until, snapshot)
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


def _add_messages(
    found: Evaluation, model: "SendTimeModel", response: SendResponse, learned_until: Instant, snapshot: "Snapshot"
) -> None:
    since = learned_until - WINDOW + 1
    log = message_log(snapshot.profiles, snapshot.as_of, response.channels, since)
    if len(log.hour) < FEWEST_MESSAGES:
        return
    before = message_log(snapshot.profiles, learned_until, response.channels)
    activity = activity_of(snapshot.profiles, learned_until)
    beliefs = response.beliefs(before, orders_by_hour_of_day(activity, model.strengths.half_life_days, since))
    lift = lift_of(response, log, before, beliefs)
    rate = log.is_answered.mean()
    found.metrics["response_log_loss"] = _log_loss(response.at(beliefs, log), log)
    found.baselines["everyones_rate"] = {"response_log_loss": _log_loss(np.full(len(log.hour), rate), log)}
    found.metrics["messages_held_out"] = float(len(log.hour))
    found.metrics["response_by_habit"] = lift.habit
    if lift.refused is None:
        found.metrics["response_lift"] = lift.lift
        found.metrics["response_lift_low"] = lift.low
        found.metrics["response_lift_high"] = lift.high
        found.metrics["response_lift_effective_messages"] = lift.effective_sample_size


def lift_of(response: SendResponse, log: MessageLog, before: MessageLog, beliefs: Floats) -> Lift:
    """The lift on the messages of a log, of customers of whom that is believed from those ``before``."""
    expected = np.empty((len(log.hour), HOURS_PER_DAY))
    for hour in range(HOURS_PER_DAY):
        at = (log.hour // HOURS_PER_DAY * HOURS_PER_DAY + hour).astype(np.uint8)
        expected[:, hour] = response.at(beliefs, log._replace(hour=at))
    propensity = propensities(log, before, len(response.channels) + 1)
    return estimate_lift(log, expected, propensity, np.random.default_rng(BOOTSTRAP_SEED))


def _log_loss(chance: Floats, log: MessageLog) -> float:
    return float(-np.log(np.where(log.is_answered, chance, 1.0 - chance)).mean())


def _mean(values: Floats, weights: Floats) -> float:
    known = weights > 0
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
