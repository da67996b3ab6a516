"""What the statistics hear of an event: which facet of the customer it shows, and the keys that it falls under."""

from hashlib import md5

import msgspec

from features.events import NO_OFFER, Event, EventType
from features.instant import Instant, to_datetime
from features.money import Money
from features.zones import zone_named

MACHINE_OPENED = "machine_opened"
"""A message opened by a mail proxy, which says nothing of the customer."""
CONTROL = "control"
"""It was decided to show nothing."""
UNHEARD = frozenset({EventType.CUSTOMER_MERGED, EventType.CUSTOMER_ERASED})
"""Types that change who the customer is, not what is known of them."""


class Fact(msgspec.Struct, frozen=True):
    """An event as the statistics hear it.

    ``facet`` is the event's type, but for machine opens and controls; ``order_key`` and ``message_key`` are None where
    no order or message is concerned.
    """

    facet: str
    at: Instant
    amount: Money
    discount: Money
    order_key: int | None
    product_id: str | None
    offer_id: str | None
    is_own_decision: bool
    channel: str | None
    message_key: int | None
    event: Event


def facet_of(event: Event) -> str:
    if event.type is EventType.MESSAGE_OPENED and event.machine_open:
        return MACHINE_OPENED
    if event.type is EventType.OFFER_PRESENTED and event.offer_id == NO_OFFER:
        return CONTROL
    return event.type.value


def order_key_text(event: Event) -> str | None:
    """The text whose hash names the order: lines without ``order_id`` are orders of their own."""
    if event.order_id is not None:
        return f"order:{event.order_id}"
    return f"event:{event.source}:{event.event_id}" if event.type is EventType.PURCHASE else None


def order_key(text: str) -> int:
    return _key(text)


def message_key(message_id: str) -> int:
    return _key(f"message:{message_id}")


def _key(text: str) -> int:
    """The upper 64 bits of the text's MD5, as an unsigned number (a name, not a secret)."""
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[:8], "big")


def fact_of(event: Event) -> Fact:
    text = order_key_text(event)
    return Fact(
        facet=facet_of(event),
        at=event.occurred_at,
        amount=event.amount or 0,
        discount=event.discount_amount or 0,
        order_key=None if text is None else order_key(text),
        product_id=event.product_id,
        offer_id=event.offer_id,
        is_own_decision=event.decision_id is not None,
        channel=event.channel,
        message_key=None if event.message_id is None else message_key(event.message_id),
        event=event,
    )


def hour_of_week(at: Instant, timezone: str) -> int:
    """The local hour of the week, 0 (Monday 00:00) to 167, of one instant."""
    local = to_datetime(at).astimezone(zone_named(timezone))
    return local.weekday() * 24 + local.hour
