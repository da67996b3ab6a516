from features.batching import to_profile
from features.events import Event, EventType
from features.packing import pack, unpack_all
from features.profile import fold
from serving.customer_facts import with_consent


def events(*, refused: bool) -> list[Event]:
    bought = [
        Event(
            event_id=str(day), type=EventType.PURCHASE, occurred_at=day, customer_id="c", product_id=f"p{day}", amount=1
        )
        for day in (1, 2)
    ]
    word = Event(
        event_id="word",
        type=EventType.CONSENT_CHANGED,
        occurred_at=3,
        customer_id="c",
        purpose="purchases",
        granted=False,
    )
    return [*bought, word] if refused else bought


def test_who_refused_shows_no_purchases_and_the_others_all() -> None:
    folded = [fold(events(refused=refused), "UTC") for refused in (False, True, False)]
    batch = unpack_all(list("abc"), [pack(name, one, "UTC") for name, one in zip("abc", folded, strict=True)])

    shown = with_consent(batch)

    before, refusing, after = (to_profile(shown.take([row])) for row in range(3))
    assert (before, after) == (folded[0], folded[2])
    assert (refusing.orders, refusing.products) == ({}, {})
    assert refusing.states == folded[1].states
