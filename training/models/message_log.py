"""Messages whose answer has been waited for, by customer: what a model of the response to a sending hour sees."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.statistics import NEVER_FIRST, NEVER_LAST

Integers = NDArray[np.int64]

ANSWER_WINDOW_DAYS = 3
"""An opening or click later than that after the sending is no answer to the hour of the sending."""
WINDOW = ANSWER_WINDOW_DAYS * MICROSECONDS_PER_DAY


class MessageLog(NamedTuple):
    """Compressed sparse rows, one a customer; ``hour`` is the local hour of the week of the sending.

    ``channel`` is a number among the channels that :func:`message_log` was given, or the one after them for any other.
    """

    offsets: Integers
    hour: NDArray[np.uint8]
    channel: Integers
    is_answered: NDArray[np.bool_]

    @property
    def customer(self) -> Integers:
        """Of each message."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def message_log(
    profiles: Profiles, as_of: Instant, channels: tuple[str, ...], since: Instant | None = None
) -> MessageLog:
    """The messages sent at least the window before ``as_of`` (and not before ``since``), answered in it or not.

    Who refused the use of their messages must have been left out (:func:`features.consent.with_consent`).
    """
    if not profiles.messages.key.size:
        return empty_log(len(profiles))
    messages = profiles.messages
    number = {channel: code for code, channel in enumerate(channels)}
    of_word = np.array([number.get(word, len(channels)) for word in messages.vocabulary], dtype=np.int64)
    first = NEVER_LAST if since is None else since
    columns = messages.offsets, messages.sent_at, messages.answered_at, messages.hour, messages.code
    return MessageLog(*_waited_for(*columns, of_word, first, as_of - WINDOW))


@compiled
def _waited_for(
    offsets: Integers,
    sent_at: Integers,
    answered_at: Integers,
    hour: NDArray[np.uint8],
    code: NDArray[np.int32],
    of_word: Integers,
    first: Instant,
    last: Instant,
) -> tuple[Integers, NDArray[np.uint8], Integers, NDArray[np.bool_]]:
    """Of the messages sent from ``first`` to ``last`` the fields of a :class:`MessageLog`."""
    kept = np.empty(sent_at.shape[0], dtype=np.int64)
    left = np.zeros(offsets.shape[0], dtype=np.int64)
    count = 0
    for i in range(offsets.shape[0] - 1):
        for j in range(offsets[i], offsets[i + 1]):
            if first <= sent_at[j] <= last:
                kept[count] = j
                count += 1
        left[i + 1] = count
    hours, channel, is_answered = np.empty(count, np.uint8), np.empty(count, np.int64), np.empty(count, np.bool_)
    for at in range(count):
        j = kept[at]
        hours[at], channel[at] = hour[j], of_word[code[j]]
        is_answered[at] = answered_at[j] != NEVER_FIRST and answered_at[j] - WINDOW <= sent_at[j]
    return left, hours, channel, is_answered


@lru_cache
def empty_log(customers: int) -> MessageLog:
    """Nobody was ever written to."""
    nothing = np.zeros(0, dtype=np.int64)
    return MessageLog(
        np.zeros(customers + 1, dtype=np.int64), nothing.astype(np.uint8), nothing, nothing.astype(np.bool_)
    )
