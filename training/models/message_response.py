"""How the response to a message depends on the hour in which it is sent."""

from typing import NamedTuple

import numpy as np

from features.instant import HOURS_PER_WEEK
from features.profiles import Profiles
from training.models.purchase_histories import customer_of
from training.models.week_hours import Floats

FEWEST_MESSAGES = 500
FEWEST_HOURS = 3
"""Messages must have gone out in that many hours of the week, or hours cannot be compared."""


class MessageResponse(NamedTuple):
    """``rate`` (168) is everyone's response by sending hour; ``closeness`` says how much it follows a customer's
    presence: the response odds are in proportion to (own presence / everyone's) to that power.
    """

    rate: Floats
    closeness: float


def times_response(presence: Floats, everyone: Floats, response: MessageResponse) -> Floats:
    """(n, 168): the response to be expected by sending hour, scaled to sum to 1."""
    expected = response.rate * (presence / everyone) ** response.closeness
    result: Floats = expected / expected.sum(axis=1, keepdims=True)
    return result


def learn_response(profiles: Profiles, presence: Floats, everyone: Floats) -> MessageResponse | None:
    """None where too few messages were logged, or in too few hours.

    A response is an engagement in the very hour of the week in which a message went out to that customer, at most one a
    message: profiles keep no closer tie.
    """
    hours = profiles.hours
    hour = hours.hour.astype(np.int64)
    sent = hours.sent.astype(np.float64)
    answered = np.minimum(hours.engaged, sent)
    sent_by_hour = np.bincount(hour, sent, HOURS_PER_WEEK).astype(np.float64)
    if sent_by_hour.sum() < FEWEST_MESSAGES or np.count_nonzero(sent_by_hour) < FEWEST_HOURS or not answered.any():
        return None
    rate = shrunken_rates(np.bincount(hour, answered, HOURS_PER_WEEK).astype(np.float64), sent_by_hour)
    ratio = np.log(presence[customer_of(hours.offsets), hour] / everyone[hour])
    return MessageResponse(rate, _closeness(answered, sent, np.log(rate / (1.0 - rate))[hour], ratio))


def shrunken_rates(successes: Floats, trials: Floats) -> Floats:
    """Empirical Bayes: beta-binomial rates, the prior's mean the overall rate, its strength by maximum likelihood.

    >>> shrunken_rates(np.array([5.0, 0.0, 50.0]), np.array([10.0, 0.0, 100.0])).round(2)
    array([0.5, 0.5, 0.5])
    """
    from scipy.special import betaln

    mean = (successes.sum() + 0.5) / (trials.sum() + 1.0)

    def likelihood(strength: float) -> float:
        a, b = mean * strength, (1.0 - mean) * strength
        return float(np.sum(betaln(successes + a, trials - successes + b) - betaln(a, b)))

    strength = max(np.exp(np.linspace(0.0, 12.0, 49)), key=likelihood)
    rates: Floats = (successes + mean * strength) / (trials + strength)
    return rates


def _closeness(answered: Floats, sent: Floats, log_odds: Floats, ratio: Floats) -> float:
    """The power, of 0 to 2, under which the answers are likeliest."""

    def likelihood(closeness: float) -> float:
        odds = log_odds + closeness * ratio
        return float(np.sum(answered * odds - sent * np.logaddexp(0.0, odds)))

    return float(max(np.linspace(0.0, 2.0, 41), key=likelihood))
