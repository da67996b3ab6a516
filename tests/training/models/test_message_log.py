"""Messages are learned from once their answer has been waited for."""

from dataclasses import replace

import numpy as np

from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, Instant
from features.profile_tables import Messages
from features.profiles import Profiles, empty
from features.statistics import NEVER_FIRST
from training.models.message_log import ANSWER_WINDOW_DAYS, message_log

DAY = MICROSECONDS_PER_DAY
NEVER = NEVER_FIRST


def profiles(*messages: tuple[Instant, Instant, str]) -> Profiles:
    """Of one customer, from (sent, answered, channel)."""
    names = sorted({channel for *_, channel in messages})
    table = Messages(
        np.array([0, len(messages)]),
        np.arange(len(messages), dtype=np.uint64),
        np.array([sent for sent, *_ in messages], dtype=np.int64),
        np.array([answered for _, answered, _ in messages], dtype=np.int64),
        np.array([sent // MICROSECONDS_PER_HOUR % 168 for sent, *_ in messages], dtype=np.uint8),
        np.array([names.index(channel) for *_, channel in messages], dtype=np.int32),
        names,
    )
    return replace(empty(["anna"]), messages=table)


def test_a_message_whose_answer_may_still_come_is_not_counted() -> None:
    known = profiles((0, NEVER, "push"), (DAY, DAY + 5, "push"))

    assert len(message_log(known, ANSWER_WINDOW_DAYS * DAY - 1, ()).hour) == 0
    assert message_log(known, ANSWER_WINDOW_DAYS * DAY, ()).is_answered.tolist() == [False]
    assert message_log(known, (ANSWER_WINDOW_DAYS + 1) * DAY, ()).is_answered.tolist() == [False, True]


def test_an_opening_after_the_window_is_no_answer() -> None:
    window = ANSWER_WINDOW_DAYS * DAY
    known = profiles((0, window, "push"), (0, window + 1, "push"))

    assert message_log(known, 100 * DAY, ()).is_answered.tolist() == [True, False]


def test_an_opening_whose_sending_is_not_known_is_left_out() -> None:
    assert len(message_log(profiles((NEVER, DAY, "push")), 100 * DAY, ()).hour) == 0


def test_channels_are_numbered_as_asked_and_all_others_come_last() -> None:
    known = profiles((0, NEVER, "sms"), (1, NEVER, "push"), (2, NEVER, "email"))

    assert message_log(known, 100 * DAY, ("email", "push")).channel.tolist() == [2, 1, 0]


def test_of_earlier_messages_there_are_none_when_later_ones_are_asked_for() -> None:
    known = profiles((0, NEVER, "sms"), (DAY, NEVER, "sms"))

    assert len(message_log(known, 100 * DAY, (), since=1).hour) == 1
