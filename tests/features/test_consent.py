import pytest

from features.batching import to_profile
from features.consent import refusing, with_consent
from features.events import Event, EventType
from features.packing import pack, unpack_all
from features.profile import Profile, fold
from features.profiles import Profiles


def events(refused: str | None) -> list[Event]:
    bought = [
        Event(
            event_id=str(day), type=EventType.PURCHASE, occurred_at=day, customer_id="c", product_id=f"p{day}", amount=1
        )
        for day in (1, 2)
    ]
    sent = Event(
        event_id="s", type=EventType.MESSAGE_SENT, occurred_at=2, customer_id="c", message_id="m", channel="push"
    )
    seen = Event(event_id="v", type=EventType.VIEW, occurred_at=2, customer_id="c", product_id="p1")
    word = Event(
        event_id="word",
        type=EventType.CONSENT_CHANGED,
        occurred_at=3,
        customer_id="c",
        purpose=refused or "email",
        granted=False,
    )
    return [*bought, sent, seen, word]


def batch(*refused: str | None) -> tuple[list[Profile], Profiles]:
    folded = [fold(events(purpose), "UTC") for purpose in refused]
    names = [f"c{number}" for number in range(len(folded))]
    return folded, unpack_all(names, [pack(name, one, "UTC") for name, one in zip(names, folded, strict=True)])


def test_who_refused_shows_no_purchases_and_the_others_all() -> None:
    folded, profiles = batch(None, "purchases", None)

    shown = with_consent(profiles)

    before, refused, after = (to_profile(shown.take([row])) for row in range(3))
    assert (before, after) == (folded[0], folded[2])
    assert (refused.orders, refused.products) == ({}, {})
    assert (refused.states, refused.messages) == (folded[1].states, folded[1].messages)


def test_who_refused_messages_shows_none_and_keeps_the_purchases() -> None:
    folded, profiles = batch("messages", None)

    shown = with_consent(profiles)

    refused, other = (to_profile(shown.take([row])) for row in range(2))
    assert other == folded[1]
    assert (refused.messages, refused.orders) == ({}, folded[0].orders)
    assert shown.hours.sent.tolist()[: shown.hours.offsets[1]] == [0]


@pytest.mark.parametrize("purpose", ["browsing", "messages"])
def test_who_refused_what_they_engage_by_shows_no_hours_of_it(purpose: str) -> None:
    folded, profiles = batch(purpose, None)

    shown = with_consent(profiles)

    of_refused = shown.hours.offsets[1]
    assert profiles.hours.engaged[:of_refused].sum() == 1
    assert shown.hours.engaged[:of_refused].sum() == 0
    assert to_profile(shown.take([1])) == folded[1]


def test_the_word_on_another_purpose_is_no_refusal_of_this_one() -> None:
    _, profiles = batch("purchases", "messages", None)

    assert refusing(profiles, "purchases").tolist() == [True, False, False]
