"""The response to sending hours, learned: expectation maximisation over each customer's kind and best hour.

In turn: how likely each pair of kind and best hour is for each customer (Dempster, Laird and Rubin 1977), then a
logistic regression on the answers so weighed, by Newton steps, block after block. How strongly shapes are smoothed, and
weekdays and channels drawn to nothing, is learned too: a penalty is set to what makes the penalised coefficients
likeliest (MacKay 1992: the well-determined coefficients over their sum of squares). So is the share of an order that
counts, by the likelihood of the answers given the orders.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import HOURS_PER_WEEK
from training.models.message_log import MessageLog
from training.models.send_response import (
    DISTANCE,
    Coefficients,
    SendResponse,
    likelihoods_of,
    log_likelihoods,
    log_odds,
    log_order_ratio,
)
from training.models.week_hours import DAYS_PER_WEEK, HOURS_PER_DAY, Floats

ROUNDS = 40
SWEEPS = 2
"""Of Newton steps in each round."""
FIRST_ROUND_WITH_ORDERS = 10
"""Before it, what the best hour is must follow from answers alone."""
ORDERS_EVERY = 5
ORDER_WEIGHTS = np.linspace(0.0, 1.5, 31)
LARGEST_PENALTY = 1e6
LEAST_SHARE_TRIED = 0.001
"""Of messages; an hour of the day at which fewer went out is taken for nobody's best one, as nothing speaks for it."""
LARGEST_STEP = 1.0
IMPOSSIBLE = 1e-300
TINY = 1e-9
_ROUGHNESS = 2 * np.eye(HOURS_PER_DAY) - np.roll(np.eye(HOURS_PER_DAY), 1, 0) - np.roll(np.eye(HOURS_PER_DAY), -1, 0)
_AFTER, _BEFORE = np.arange(13), np.array([0, *range(23, 12, -1)])
"""The hours from the best one on, and back from it."""


class Penalties(NamedTuple):
    shape: float
    weekday: float
    hour: float


class _Counts(NamedTuple):
    """Expected messages and answers by (channel, weekday, hour, kind, best hour)."""

    sent: Floats
    answered: Floats


def learn_send_response(
    log: MessageLog, orders: Floats, everyone: Floats, channels: tuple[str, ...], kinds: int
) -> SendResponse:
    """``orders`` (n, 24) are of the customers of the log by hour of the day, ``everyone`` (24) is the share of each."""
    known, penalties = _start(log, len(channels), kinds), Penalties(1.0, 1.0, 1.0)
    sent = np.bincount(log.hour % HOURS_PER_DAY, minlength=HOURS_PER_DAY)
    is_tried = sent >= max(LEAST_SHARE_TRIED * sent.sum(), 1.0)
    for number in range(ROUNDS):
        likelihood = likelihoods_of(log, log_likelihoods(log_odds(known)))
        said = orders @ log_order_ratio(known.orders, everyone)
        if number >= FIRST_ROUND_WITH_ORDERS and number % ORDERS_EVERY == 0:
            known = known._replace(order_weight=_order_weight(likelihood, known.log_prior, said))
        belief, _ = _posterior(likelihood, known.log_prior, known.order_weight * said)
        nearby = _orders(known.orders, belief, orders, everyone)
        known = known._replace(log_prior=_log_prior(belief, is_tried), orders=nearby)
        counts = _counts(log, belief, len(channels) + 1, kinds)
        for _ in range(SWEEPS):
            known, penalties = _newton(known, penalties, counts)
    return SendResponse(known, channels, everyone)


def _start(log: MessageLog, channels: int, kinds: int) -> Coefficients:
    """Kinds from flat to pointed, around the overall rate; no best hour is commoner than another."""
    rate = (log.is_answered.sum() + 0.5) / (len(log.is_answered) + 1.0)
    level = np.log(rate / (1.0 - rate))
    height = np.linspace(0.0, 3.0, kinds)[:, None]
    bump = np.exp(4.0 * (np.cos(2.0 * np.pi * np.arange(HOURS_PER_DAY) / HOURS_PER_DAY) - 1.0))
    share = np.bincount(log.channel, minlength=channels + 1) / max(len(log.channel), 1)
    return Coefficients(
        level + height * (bump - bump.mean()),
        np.zeros((kinds, DAYS_PER_WEEK)),
        np.zeros((channels + 1, HOURS_PER_DAY)),
        np.full((kinds, HOURS_PER_DAY), -np.log(kinds * HOURS_PER_DAY)),
        share,
        np.full(HOURS_PER_DAY, 0.5 / HOURS_PER_DAY),
        0.0,
    )


def _posterior(likelihood: Floats, log_prior: Floats, tilt: Floats) -> tuple[Floats, float]:
    """(n, pairs) beliefs, and the mean marginal log likelihood of a customer."""
    kinds = len(log_prior)
    prior = log_prior.ravel() + np.tile(tilt, (1, kinds))
    joint = likelihood + prior
    most = joint.max(axis=1, keepdims=True)
    belief = np.exp(joint - most)
    total = belief.sum(axis=1, keepdims=True)
    common = np.log(np.exp(prior).sum(axis=1))
    return belief / total, float(np.mean(most[:, 0] + np.log(total[:, 0]) - common))


def _order_weight(likelihood: Floats, log_prior: Floats, said: Floats) -> float:
    return float(max(ORDER_WEIGHTS, key=lambda weight: _posterior(likelihood, log_prior, weight * said)[1]))


def _orders(former: Floats, belief: Floats, orders: Floats, everyone: Floats) -> Floats:
    """The shares of orders that are so many hours after the best one because of it, and not as everybody's are."""
    best = belief.reshape(len(belief), -1, HOURS_PER_DAY).sum(axis=1)
    happened = (best.T @ orders).T
    near = former[DISTANCE.T] / everyone[:, None]
    because = happened * near / (1.0 - former.sum() + near)
    result: Floats = np.bincount(DISTANCE.T.ravel(), because.ravel(), HOURS_PER_DAY) / (happened.sum() + 1.0)
    return result


def _log_prior(belief: Floats, is_tried: NDArray[np.bool_]) -> Floats:
    """Each kind and hour as often as believed, and one more customer of each kind at any hour that was tried."""
    counts = (belief.sum(axis=0).reshape(-1, HOURS_PER_DAY) + 1.0 / HOURS_PER_DAY) * is_tried
    result: Floats = np.log(np.maximum(counts / counts.sum(), IMPOSSIBLE))
    return result


def _counts(log: MessageLog, belief: Floats, channels: int, kinds: int) -> _Counts:
    counts = _expected_counts(log, belief, channels)
    shape = (2, channels, DAYS_PER_WEEK, HOURS_PER_DAY, kinds, HOURS_PER_DAY)
    unanswered, answered = counts.reshape(shape)
    return _Counts(unanswered + answered, answered)


@compiled
def _expected_counts(log: MessageLog, belief: Floats, channels: int) -> Floats:
    """(2, channels, 168, pairs): without an answer, and with one."""
    counts = np.zeros((2, channels, HOURS_PER_WEEK, belief.shape[1]))
    for i in range(belief.shape[0]):
        for j in range(log.offsets[i], log.offsets[i + 1]):
            into = counts[1 if log.is_answered[j] else 0, log.channel[j], log.hour[j]]
            for z in range(belief.shape[1]):
                into[z] += belief[i, z]
    return counts


def _newton(known: Coefficients, penalties: Penalties, counts: _Counts) -> tuple[Coefficients, Penalties]:
    """One step of each block, given the others, and the penalties that follow."""
    gradient, curvature = _slopes(known, counts)
    slope, bend = (_by_distance(part.sum(axis=(0, 1))) for part in (gradient, curvature))
    shape, for_shape = _smooth_step(known.shape, slope, bend, penalties.shape)
    known = known._replace(shape=shape)
    gradient, curvature = _slopes(known, counts)
    weekday, for_weekday = _step(
        known.weekday, gradient.sum(axis=(0, 2, 4)).T, curvature.sum(axis=(0, 2, 4)).T, penalties.weekday
    )
    known = known._replace(weekday=weekday)
    gradient, curvature = _slopes(known, counts)
    hour, for_hour = _step(known.hour, gradient.sum(axis=(1, 3, 4)), curvature.sum(axis=(1, 3, 4)), penalties.hour)
    return known._replace(hour=hour), Penalties(for_shape, for_weekday, for_hour)


def _slopes(known: Coefficients, counts: _Counts) -> tuple[Floats, Floats]:
    chance = (1.0 / (1.0 + np.exp(-log_odds(known)))).reshape(counts.sent.shape)
    return counts.answered - counts.sent * chance, counts.sent * chance * (1.0 - chance)


def _by_distance(values: Floats) -> Floats:
    """(hour, kind, best hour) summed to (kind, hours after the best)."""
    kinds = values.shape[1]
    result = np.zeros((kinds, HOURS_PER_DAY))
    for kind in range(kinds):
        result[kind] = np.bincount(DISTANCE.T.ravel(), values[:, kind, :].ravel(), HOURS_PER_DAY)
    return result


def _smooth_step(at: Floats, gradient: Floats, curvature: Floats, penalty: float) -> tuple[Floats, float]:
    """Newton's step of each kind's shape under a penalty on the squared differences from hour to hour.

    Shapes fall on both sides of the best hour, at a pace of their own: else the best one could be any hour.
    """
    result, determined, size = np.empty_like(at), 0.0, 0.0
    for kind in range(len(at)):
        precision = np.diag(curvature[kind] + TINY) + penalty * _ROUGHNESS
        step = np.linalg.solve(precision, gradient[kind] - penalty * _ROUGHNESS @ at[kind])
        result[kind] = _falling(at[kind] + np.clip(step, -LARGEST_STEP, LARGEST_STEP), curvature[kind] + TINY)
        determined += HOURS_PER_DAY - 1 - penalty * float(np.trace(np.linalg.solve(precision, _ROUGHNESS)))
        size += float(result[kind] @ _ROUGHNESS @ result[kind])
    return result, _penalty(determined, size)


def _falling(shape: Floats, weights: Floats) -> Floats:
    """The nearest that falls on both sides (isotonic regression: Barlow, Bartholomew, Bremner and Brunk 1972)."""
    from scipy.optimize import isotonic_regression

    result = shape.copy()
    after, before = (
        isotonic_regression(shape[side], weights=weights[side], increasing=False).x for side in (_AFTER, _BEFORE)
    )
    result[_AFTER], result[_BEFORE[1:]] = after, before[1:]
    result[0] = max(after[0], before[0])
    return result


def _step(at: Floats, gradient: Floats, curvature: Floats, penalty: float) -> tuple[Floats, float]:
    step = (gradient - penalty * at) / (curvature + penalty)
    result = at + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    return result, _penalty(float((curvature / (curvature + penalty)).sum()), float((result**2).sum()))


def _penalty(determined: float, size: float) -> float:
    return float(np.clip(determined / max(size, 1e-12), 1e-3, LARGEST_PENALTY))
