"""How likely a message is answered, by the hour at which it is sent: the best hour of a customer is a hidden variable.

Each customer is of one of a few kinds and has a best hour of the day, both unknown; z numbers the pairs. The log odds
of an answer to a message sent by channel c at hour h of weekday d are

    shape[kind, h - best hour] + weekday[kind, d] + hour[c, h].

What a customer's own messages say of z is weighed against how common each pair is (a mixing distribution by maximum
likelihood: Kiefer and Wolfowitz 1956, Laird 1978) and against the hours of the customer's orders: how often customers
order so many hours after their best one is learned, and what share of an order counts. As the likelihood is that of
answers *given* the hours of the sendings, it does not matter how often the sender used which hour, as long as the
sender chose it by nothing that is unknown here.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from features.compiled import compiled
from features.instant import HOURS_PER_WEEK
from training.models.message_log import MessageLog
from training.models.week_hours import HOURS_PER_DAY, Floats

NEGLIGIBLE = 1e-5
"""A pair believed in less than that is left out of a prediction."""
_HOURS = np.arange(HOURS_PER_DAY)
DISTANCE = (_HOURS[None, :] - _HOURS[:, None]) % HOURS_PER_DAY
"""[best hour, hour] in hours after the best."""


class Coefficients(NamedTuple):
    """Log odds: ``shape`` (kinds, 24) by hours after the best one, ``weekday`` (kinds, 7), ``hour`` (channels + 1, 24).

    The last row of ``hour`` is of any other channel. ``log_prior`` (kinds, 24) is how common each pair of kind and best
    hour is; ``share`` (channels + 1) is of messages. ``orders`` (24) is the share of orders that are placed so many
    hours after the best one because it is, the rest being placed when everybody's are; ``order_weight`` is the share
    of an order that counts.
    """

    shape: Floats
    weekday: Floats
    hour: Floats
    log_prior: Floats
    share: Floats
    orders: Floats
    order_weight: float


@dataclass(frozen=True)
class SendResponse:
    """``channels`` are those that were learned; ``everyone`` (24) is the share of orders by hour of the day.

    Wherever ``orders`` are asked for, they are (n, 24): how many by hour of the day, each customer's.
    """

    coefficients: Coefficients
    channels: tuple[str, ...]
    everyone: Floats

    @cached_property
    def _likelihood(self) -> Floats:
        return log_likelihoods(log_odds(self.coefficients))

    @cached_property
    def _said_by_orders(self) -> Floats:
        """(24, 24): what an order at that hour adds to the log belief in each best hour."""
        known = self.coefficients
        return known.order_weight * log_order_ratio(known.orders, self.everyone)

    @cached_property
    def _log_prior(self) -> Floats:
        return self.coefficients.log_prior.ravel()

    @cached_property
    def _chance(self) -> Floats:
        """(channels + 2, pairs, 168); the last is of all channels together."""
        chance = (1.0 / (1.0 + np.exp(-log_odds(self.coefficients)))).transpose(0, 2, 1)
        together = np.tensordot(self.coefficients.share, chance, axes=1)[None]
        return np.ascontiguousarray(np.concatenate([chance, together]))

    def expected(self, log: MessageLog, orders: Floats, channel: str | None = None) -> Floats:
        """(n, 168): the chance that a message sent then is answered.

        Without a channel, or by one that was not learned: by the channels together, as they were used.
        """
        number = self.channels.index(channel) if channel in self.channels else len(self.channels) + 1
        return _mixed(self.beliefs(log, orders), self._chance[number : number + 1])[:, 0]

    def expected_by_each(self, log: MessageLog, orders: Floats) -> Floats:
        """(n, channels + 2, 168): by each of the channels, by any other that was learned from, and by all together."""
        return _mixed(self.beliefs(log, orders), self._chance)

    def at(self, beliefs: Floats, log: MessageLog) -> Floats:
        """The chance that each message of a log is answered, of customers of whom that is believed."""
        return _chances_at(beliefs, log, self._chance)

    def beliefs(self, log: MessageLog, orders: Floats) -> Floats:
        """(n, kinds * 24): how likely each pair of kind and best hour is."""
        return _beliefs(log, orders, self._said_by_orders, self._log_prior, self._likelihood)


def log_order_ratio(orders: Floats, everyone: Floats) -> Floats:
    """(hour, best hour): the logarithm of how many times as often as everybody who has it orders then."""
    result: Floats = np.log(1.0 - orders.sum() + orders[DISTANCE.T] / everyone[:, None])
    return result


def log_odds(known: Coefficients) -> Floats:
    """(channels + 1, 168, pairs)."""
    kinds = len(known.shape)
    by_hour = known.shape[:, DISTANCE].transpose(2, 0, 1)  # hour, kind, best
    by_day = known.weekday.T
    odds = by_day[None, :, None, :, None] + by_hour[None, None] + known.hour[:, None, :, None, None]
    result: Floats = odds.reshape(len(known.hour), HOURS_PER_WEEK, kinds * HOURS_PER_DAY)
    return result


def log_likelihoods(odds: Floats) -> Floats:
    """(channels + 1, 168, 2, pairs): the logarithm of the chance of no answer, and of one."""
    return np.ascontiguousarray(np.stack([-np.logaddexp(0.0, odds), -np.logaddexp(0.0, -odds)], axis=2))


@compiled
def likelihoods_of(log: MessageLog, likelihood: Floats) -> Floats:
    """(n, pairs): the logarithm of how likely each customer's answers are."""
    customers, pairs = log.offsets.shape[0] - 1, likelihood.shape[3]
    result = np.zeros((customers, pairs))
    for i in range(customers):
        total = result[i]
        for j in range(log.offsets[i], log.offsets[i + 1]):
            row = likelihood[log.channel[j], log.hour[j], 1 if log.is_answered[j] else 0]
            for z in range(pairs):
                total[z] += row[z]
    return result


@compiled
def _beliefs(log: MessageLog, orders: Floats, said: Floats, log_prior: Floats, likelihood: Floats) -> Floats:
    result = likelihoods_of(log, likelihood)
    pairs = log_prior.shape[0]
    tilt = np.empty(HOURS_PER_DAY)
    for i in range(result.shape[0]):
        tilt[:] = 0.0
        for hour in range(HOURS_PER_DAY):
            if orders[i, hour] > 0.0:
                for best in range(HOURS_PER_DAY):
                    tilt[best] += orders[i, hour] * said[hour, best]
        most = -np.inf
        for z in range(pairs):
            result[i, z] += log_prior[z] + tilt[z % HOURS_PER_DAY]
            most = max(most, result[i, z])
        total = 0.0
        for z in range(pairs):
            result[i, z] = np.exp(result[i, z] - most)
            total += result[i, z]
        for z in range(pairs):
            result[i, z] /= total
    return result


@compiled
def _mixed(beliefs: Floats, chance: Floats) -> Floats:
    """(n, channels, 168); row by row, so that one customer alone gets the very digits that many together get."""
    result = np.zeros((beliefs.shape[0], chance.shape[0], HOURS_PER_WEEK))
    for i in range(beliefs.shape[0]):
        for z in range(beliefs.shape[1]):
            belief = beliefs[i, z]
            if belief > NEGLIGIBLE:
                for channel in range(chance.shape[0]):
                    mixed, by_hour = result[i, channel], chance[channel, z]
                    for hour in range(HOURS_PER_WEEK):
                        mixed[hour] += belief * by_hour[hour]
    return result


@compiled
def _chances_at(beliefs: Floats, log: MessageLog, chance: Floats) -> Floats:
    result = np.zeros(log.hour.shape[0])
    for i in range(beliefs.shape[0]):
        for j in range(log.offsets[i], log.offsets[i + 1]):
            for z in range(beliefs.shape[1]):
                result[j] += beliefs[i, z] * chance[log.channel[j], z, log.hour[j]]
    return result
