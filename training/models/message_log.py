"""Messages whose answer has been waited for, by customer: what a model of the response to a sending hour sees."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profile_tables import Messages, without_rows_of
from features.profiles import Profiles
from features.statistics import NEVER_FIRST

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

    Of customers who refused the use of their messages there are none.
    """
    if not profiles.messages.key.size:
        return empty_log(len(profiles))
    messages = with_consent(profiles)
    sent = messages.sent_at
    is_over = sent <= as_of - WINDOW
    if since is not None:
        is_over &= sent >= since
    number = {channel: code for code, channel in enumerate(channels)}
    of_word = np.array([number.get(word, len(channels)) for word in messages.vocabulary], dtype=np.int64)
    counted = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(is_over)])
    answered_at = messages.answered_at[is_over]
    return MessageLog(
        counted[messages.offsets],
        messages.hour[is_over],
        of_word[messages.code[is_over]],
        (answered_at != NEVER_FIRST) & (answered_at - WINDOW <= sent[is_over]),
    )


@lru_cache
def empty_log(customers: int) -> MessageLog:
    """Nobody was ever written to."""
    nothing = np.zeros(0, dtype=np.int64)
    return MessageLog(
        np.zeros(customers + 1, dtype=np.int64), nothing.astype(np.uint8), nothing, nothing.astype(np.bool_)
    )


def with_consent(profiles: Profiles) -> Messages:
    """The messages but for those of customers who refused the use of their messages."""
    refused = [states.get("consent:messages", (0, ""))[1] == "refused" for states in profiles.states]
    return without_rows_of(profiles.messages, np.array(refused)) if any(refused) else profiles.messages
