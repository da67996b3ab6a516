"""What sending at our hours would have changed, estimated from messages that were sent at others.

The evaluated policy sends every message on the local day on which it went out, at the hour of that day that the model
holds to be best, among those at which the sender sends at all. Its mean response is estimated doubly robustly (Dudík,
Langford and Li 2011): of every message the response that the model expects at our hour, and where it went out at that
very hour, what the model missed there over the probability (propensity) of that hour. The lift over the sender's
habit is the difference to the responses as they were, with a bootstrap over customers.

Propensities are not logged; they are the shares of hours among the messages of that channel and weekday, drawn from
everybody's towards the customer's own habit by as much as makes the hours of earlier messages likeliest
(Dirichlet-multinomial, strength by maximum likelihood).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy import effective_sample_size
from training.models.message_log import MessageLog
from training.models.week_hours import DAYS_PER_WEEK, HOURS_PER_DAY, Floats
from training.ranking_metrics import mean_difference

LEAST_PROPENSITY = 0.005
"""An hour that the sender uses less often is none at which to try our luck: what is divided by it says nothing."""
FEWEST_EFFECTIVE_MESSAGES = 100
"""Of those that went out at our hour, counted as of equal weight; of fewer the interval would be no interval."""
_STRENGTHS = np.exp(np.linspace(0.0, 12.0, 49))


@dataclass(frozen=True, slots=True)
class Lift:
    """Responses a message; ``low`` and ``high`` bound the lift (95 %). ``refused`` says why there is no estimate."""

    habit: float
    ours: float
    low: float
    high: float
    effective_sample_size: float
    refused: str | None

    @property
    def lift(self) -> float:
        return self.ours - self.habit


def propensities(log: MessageLog, before: MessageLog, channels: int) -> Floats:
    """(messages, 24): how likely the sender was to send each of them at that hour of its day; rows sum to 1.

    ``before`` are earlier messages to the same customers.
    """
    everyone = _shares_by_day(log, channels)
    own = np.zeros((len(before.offsets) - 1, HOURS_PER_DAY))
    np.add.at(own, (before.customer, before.hour % HOURS_PER_DAY), 1.0)
    hours = np.bincount(log.hour % HOURS_PER_DAY, minlength=HOURS_PER_DAY).astype(np.float64)
    strength = _habit_strength(own, hours + 1.0)
    usual = everyone[log.channel, log.hour // HOURS_PER_DAY]
    mine = own[log.customer]
    result: Floats = (mine + strength * usual) / (mine.sum(axis=1, keepdims=True) + strength)
    return result


def _shares_by_day(log: MessageLog, channels: int) -> Floats:
    """(channels, 7, 24), each drawn to the channel's hours on all days by one message."""
    counts = np.zeros((channels, DAYS_PER_WEEK, HOURS_PER_DAY))
    np.add.at(counts, (log.channel, log.hour // HOURS_PER_DAY, log.hour % HOURS_PER_DAY), 1.0)
    of_channel = counts.sum(axis=1, keepdims=True) + 1.0 / HOURS_PER_DAY
    prior = of_channel / of_channel.sum(axis=2, keepdims=True)
    result: Floats = (counts + prior) / (counts.sum(axis=2, keepdims=True) + 1.0)
    return result


def _habit_strength(own: Floats, everyone: Floats) -> float:
    from scipy.special import gammaln

    share, total = everyone / everyone.sum(), own.sum(axis=1)

    def likelihood(strength: float) -> float:
        prior = strength * share
        cells = (gammaln(own + prior) - gammaln(prior)).sum()
        return float(cells - (gammaln(total + strength) - gammaln(strength)).sum())

    return float(max(_STRENGTHS, key=likelihood))


def best_hours(expected: Floats, propensity: Floats) -> NDArray[np.int64]:
    """Of each message the hour of its day at which the most is expected, among those at which the sender sends."""
    return np.asarray(np.where(propensity >= LEAST_PROPENSITY, expected, -1.0).argmax(axis=1), np.int64)


def estimate_lift(log: MessageLog, expected: Floats, propensity: Floats, generator: np.random.Generator) -> Lift:
    """``expected`` (messages, 24): the response that the model expects at each hour of the day of each message."""
    sent, rows = log.hour % HOURS_PER_DAY, np.arange(len(log.hour))
    ours = best_hours(expected, propensity)
    weight = np.where(sent == ours, 1.0 / np.maximum(propensity[rows, sent], LEAST_PROPENSITY), 0.0)
    answered = log.is_answered.astype(np.float64)
    habit = float(answered.mean()) if len(answered) else float("nan")
    effective = effective_sample_size(weight)
    if effective < FEWEST_EFFECTIVE_MESSAGES:
        refused = f"{effective:.0f} messages count that went out at our hours, {FEWEST_EFFECTIVE_MESSAGES} are needed"
        return Lift(habit, float("nan"), float("nan"), float("nan"), effective, refused)
    robust = expected[rows, ours] + weight * (answered - expected[rows, sent])
    messages = np.diff(log.offsets).astype(np.float64)
    means = [_mean_by_customer(log, values, messages) for values in (robust, answered)]
    difference = mean_difference(means[0], means[1], generator, weights=messages)
    return Lift(habit, habit + difference.value, difference.low, difference.high, effective, None)


def _mean_by_customer(log: MessageLog, values: Floats, messages: Floats) -> Floats:
    sums = np.bincount(log.customer, values, len(messages))
    return np.where(messages > 0, sums / np.maximum(messages, 1.0), np.nan)
