"""A message is sent once and answered by a human, whatever comes first, twice or never."""

from features.batching import to_batch
from features.events import Event, EventType
from features.facts import message_key
from features.instant import MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND, parse
from features.profile import fold
from features.profile_tables import Messages
from features.statistics import NEVER_FIRST

SENT = parse("2026-03-02T09:00:00.7")
KINDS = {"sent": EventType.MESSAGE_SENT, "opened": EventType.MESSAGE_OPENED, "clicked": EventType.MESSAGE_CLICKED}


def messages(*happened: tuple[str, int], **fields: object) -> Messages:
    """Of one customer in Moscow, from (what, hours after ``SENT``)."""
    events = [
        Event(event_id=str(n), type=KINDS[what], customer_id="anna", occurred_at=SENT + hours * MICROSECONDS_PER_HOUR,
              **({"channel": "push", "message_id": "m"} | fields))  # type: ignore[arg-type]
        for n, (what, hours) in enumerate(happened)
    ]  # fmt: skip
    return to_batch("anna", fold(events, "Europe/Moscow"), "Europe/Moscow").messages


def test_an_answer_is_booked_at_the_hour_of_the_sending() -> None:
    table = messages(("opened", 30), ("sent", 0), ("clicked", 31))

    assert table.key.tolist() == [message_key("m")]
    assert table.hour.tolist() == [12], "09:00 UTC on a Monday, in Moscow"
    assert [table.vocabulary[code] for code in table.code] == ["push"]
    assert table.answered_at - table.sent_at == 30 * MICROSECONDS_PER_HOUR


def test_times_are_kept_to_the_second() -> None:
    assert messages(("sent", 0)).sent_at.tolist() == [SENT - SENT % MICROSECONDS_PER_SECOND]


def test_of_two_sendings_the_first_counts() -> None:
    assert messages(("sent", 5), ("sent", 0)).hour.tolist() == messages(("sent", 0)).hour.tolist()


def test_what_a_machine_opened_is_not_answered() -> None:
    assert messages(("sent", 0), ("opened", 1), machine_open=True).answered_at.tolist() == [NEVER_FIRST]


def test_an_opening_without_a_sending_is_kept_until_the_sending_is_heard_of() -> None:
    table = messages(("opened", 3))

    assert (table.sent_at.tolist(), table.hour.tolist(), table.vocabulary) == ([NEVER_FIRST], [0], [""])


def test_a_message_without_an_id_cannot_be_tied_to_its_opening() -> None:
    assert messages(("sent", 0), ("opened", 1), message_id=None).key.size == 0
