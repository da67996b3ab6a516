"""The outbox on both databases: nothing is lost, nothing is claimed twice, what nobody takes is given up in the end."""

import json

import pytest
from sqlalchemy import select

from features.errors import FieldError
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND
from features.outgoing_schema import webhook_outbox
from features.store import Store
from serving.subscriptions import MOST_OF_A_BRAND, Subscription, active, checked_events, end, keep
from serving.told_events import Told
from serving.webhook_outbox import (
    DEAD,
    DEAD_KEPT_FOR,
    DELIVERED,
    LEASE,
    RETRIED,
    Attempted,
    Message,
    claim,
    count_dead,
    dead_letters,
    enqueue,
    finish,
    redeliver,
    sweep_dead,
    wait,
    waiting,
    whose_turn,
)

NOW = 1_700_000_000 * MICROSECONDS_PER_SECOND


def subscription(number: int = 1, *events: str, brand: str = "default") -> Subscription:
    return Subscription(f"sub_{number}", brand, "https://example.com/hook", events or ("*",), "print", NOW)


def told(number: int = 1, name: str = "decision.made", brand: str = "default") -> Told:
    return Told(name, f"m{number}", brand, "anna", NOW, {"customer_id": "anna"})


def subscribe(store: Store, *given: Subscription) -> None:
    with store.writing() as connection:
        for one in given:
            keep(connection, one)


def tell(store: Store, *given: Told) -> int:
    with store.writing() as connection:
        return enqueue(connection, given, NOW)


def claimed(store: Store, at: int = NOW, most: int = 10) -> list[Message]:
    with store.writing() as connection:
        return claim(connection, dict.fromkeys(whose_turn(connection, at), most), at)


def finished(store: Store, *attempted: Attempted, at: int = NOW) -> list[str]:
    with store.writing() as connection:
        return finish(connection, attempted, at, "seed")


def test_whoever_subscribed_to_it_is_told_once(store: Store) -> None:
    others = subscription(2, "trigger.*"), subscription(3, brand="other")
    subscribe(store, subscription(1), *others)

    assert tell(store, told(), told(2, "trigger.birthday")) == 3
    assert tell(store, told()) == 1  # counted, but the same message is there already

    with store.reading() as connection:
        assert waiting(connection, "default") == {"sub_1": 2, "sub_2": 1}


def test_a_message_is_a_cloud_event(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told(brand="default"))

    event = json.loads(claimed(store)[0].body)

    assert event == {
        "specversion": "1.0",
        "id": "m1",
        "source": "/lagniappe/default",
        "type": "lagniappe.decision.made",
        "time": "2023-11-14T22:13:20Z",
        "datacontenttype": "application/json",
        "data": {"customer_id": "anna"},
    }


def test_what_was_undone_is_not_told(store: Store) -> None:
    subscribe(store, subscription())

    def fail() -> None:
        with store.writing() as connection:
            enqueue(connection, [told()], NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert claimed(store) == []


def test_an_attempt_is_nobody_elses_until_its_lease_is_over(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told())

    first, second = claimed(store), claimed(store)
    after = claimed(store, NOW + LEASE)

    assert [len(first), len(second), len(after)] == [1, 0, 1]
    assert (after[0].attempts, after[0].first_attempt_at) == (2, NOW)


def test_of_each_subscription_only_so_many_are_claimed(store: Store) -> None:
    subscribe(store, subscription(1), subscription(2))
    tell(store, *(told(number) for number in range(5)))

    found = claimed(store, most=2)

    assert sorted(one.subscription.subscription_id for one in found) == ["sub_1", "sub_1", "sub_2", "sub_2"]


def test_what_was_delivered_is_gone(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told())

    assert finished(store, Attempted(claimed(store)[0])) == [DELIVERED]

    with store.reading() as connection:
        assert connection.execute(select(webhook_outbox)).all() == []


def test_what_fails_is_tried_for_a_day_and_then_dead(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told())

    attempts, at, outcome = 0, NOW, RETRIED
    while outcome == RETRIED:
        (message,) = claimed(store, at)
        attempts += 1
        (outcome,) = finished(store, Attempted(message, "status 500"), at=at)
        with store.reading() as connection:
            at = connection.execute(select(webhook_outbox.c.next_attempt_at)).scalar() or at

    assert (outcome, at) == (DEAD, NOW + MICROSECONDS_PER_DAY)
    assert 24 < attempts < 60
    with store.reading() as connection:
        (letter,) = dead_letters(connection, "default")
    assert (letter["attempts"], letter["last_error"], letter["died_at"]) == (attempts, "status 500", at)


def test_dead_letters_are_tried_again_for_another_day(store: Store) -> None:
    subscribe(store, subscription(1), subscription(2))
    tell(store, told(1), told(2))
    day = NOW + MICROSECONDS_PER_DAY
    claimed(store)
    finished(store, *(Attempted(one, "refused") for one in claimed(store, day)), at=day)

    with store.writing() as connection:
        end(connection, "default", "sub_2", NOW)
        counts = [redeliver(connection, "default", ["m1"]), redeliver(connection, "default")]
        counts.append(count_dead(connection, "default"))

    assert counts == [1, 1, 2]  # those of the subscription that ended stay
    again = claimed(store, day)
    assert {(one.message_id, one.attempts, one.first_attempt_at) for one in again} == {("m1", 1, day), ("m2", 1, day)}


def test_dead_letters_go_after_a_month(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told())
    claimed(store)
    day = NOW + MICROSECONDS_PER_DAY
    finished(store, Attempted(claimed(store, day)[0], "refused"), at=day)

    with store.writing() as connection:
        swept = [sweep_dead(connection, day + DEAD_KEPT_FOR - 1), sweep_dead(connection, day + DEAD_KEPT_FOR)]

    assert swept == [0, 1]


def test_a_subscription_that_ended_gets_nothing_more(store: Store) -> None:
    subscribe(store, subscription())
    tell(store, told())

    with store.writing() as connection:
        ended = [end(connection, brand, "sub_1", NOW) for brand in ("other", "default", "default")]

    assert ended == [False, True, False]
    assert (tell(store, told(2)), claimed(store)) == (0, [])


def test_waits_double_up_to_an_hour_and_differ_by_message() -> None:
    def waited(attempts: int, message_id: str = "m") -> float:
        message = Message(subscription(), message_id, "decision.made", "{}", attempts, NOW)
        return wait(message, "seed") / MICROSECONDS_PER_SECOND

    for attempts in range(1, 40):
        whole = min(5.0 * 2.0 ** (attempts - 1), MICROSECONDS_PER_HOUR / MICROSECONDS_PER_SECOND)
        assert whole / 2 <= waited(attempts) <= whole
    assert waited(3) == waited(3)
    assert len({waited(3, str(number)) for number in range(50)}) == 50


def test_a_brand_has_only_so_many_subscriptions(store: Store) -> None:
    subscribe(store, *(subscription(number) for number in range(MOST_OF_A_BRAND)))

    with pytest.raises(FieldError), store.writing() as connection:
        keep(connection, subscription(MOST_OF_A_BRAND))

    with store.reading() as connection:
        assert len(active(connection, "default")) == MOST_OF_A_BRAND


def test_events_that_cannot_be_are_refused() -> None:
    assert checked_events(["lagniappe.decision.made", "decision.made", "*"]) == ("decision.made", "*")
    for wrong in ([], ["purchase"], ["decision"], ["decision.made.*"], ["nothing.*"]):
        with pytest.raises(FieldError) as refused:
            checked_events(wrong)
        assert refused.value.field == "events"
