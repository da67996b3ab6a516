"""What the hours that are told of a customer rest on: own messages, own orders, customers alike, or everybody."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.models.week_hours import HOURS_PER_DAY, Floats

LEVELS = ("own messages", "own purchases", "segment", "everyone")
MESSAGES, PURCHASES, SEGMENT, EVERYONE = range(len(LEVELS))


@dataclass(frozen=True, slots=True)
class Evidence:
    """``level`` (n) indexes ``LEVELS``; with ``has_response`` own messages could have been learned from."""

    level: NDArray[np.uint8]
    has_response: bool

    @property
    def is_less_than_own(self) -> NDArray[np.bool_]:
        """(n): whether something less than the best there is serves the customer."""
        best = MESSAGES if self.has_response else PURCHASES
        result: NDArray[np.bool_] = self.level != best
        return result


def level_of_presence(own: Floats, strength: float) -> NDArray[np.uint8]:
    """By own decayed orders and engagements: own where they weigh as much as the prior, worth ``strength`` orders."""
    level = np.where(own >= strength, PURCHASES, np.where(own > 0.0, SEGMENT, EVERYONE))
    return level.astype(np.uint8)


def level_of_response(
    everyone: Floats, by_orders: Floats, by_messages: Floats, is_known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """By beliefs (n, kinds * 24) from nothing, from own orders alone, from own messages alone.

    These count as enough where they leave at most half of the best hours that are possible without them (perplexity).
    Anybody of whom something ``is_known`` belongs at least to customers alike.
    """
    prior, orders, messages = (best_hours_left(beliefs) for beliefs in (everyone, by_orders, by_messages))
    level = np.where(is_known, SEGMENT, EVERYONE)
    level[orders <= prior / 2] = PURCHASES
    level[messages <= prior / 2] = MESSAGES
    return level.astype(np.uint8)


def best_hours_left(beliefs: Floats) -> Floats:
    """The perplexity of the best hour of the day: 24 where all are as likely, 1 where it is certain.

    >>> best_hours_left(np.full((1, 48), 1 / 48)).round(6)
    array([24.])
    """
    hour = beliefs.reshape(len(beliefs), -1, HOURS_PER_DAY).sum(axis=1)
    result: Floats = np.exp(-(hour * np.log(np.maximum(hour, 1e-300))).sum(axis=1))
    return result
