"""Who is told of what: subscriptions of a brand, each with a URL and the events that go there."""

import secrets
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from features.errors import FieldError
from features.instant import Instant
from features.outgoing_schema import webhook_outbox, webhook_subscriptions
from serving.told_events import EVERYTHING, NAMES, PREFIX

MOST_OF_A_BRAND = 100
_decode_events = msgspec.json.Decoder(tuple[str, ...]).decode


class Subscription(Struct, frozen=True):
    subscription_id: str
    brand: str
    url: str
    events: tuple[str, ...]
    secret_print: str
    created_at: Instant
    ended_at: Instant | None = None

    def wants(self, name: str) -> bool:
        return any(matches(pattern, name) for pattern in self.events)


def matches(pattern: str, name: str) -> bool:
    """
    >>> matches("trigger.*", "trigger.birthday"), matches("*", "decision.made"), matches("trigger", "trigger.birthday")
    (True, True, False)
    """
    return pattern in (EVERYTHING, name) or (pattern.endswith(".*") and name.startswith(pattern[:-1]))


def checked_events(given: Sequence[str]) -> tuple[str, ...]:
    """The events, each once and without the prefix of their CloudEvents type.

    Raises
    ------
    FieldError
        If there is none, or nothing could ever match one of them.
    """
    events = tuple(dict.fromkeys(name.removeprefix(PREFIX) for name in given))
    if not events:
        raise FieldError("events", list(given), "at least one event, or * for all of them")
    for name in events:
        if not any(matches(name, known) for known in NAMES):
            raise FieldError("events", name, f"some of {', '.join(NAMES)}, trigger.*, *")
    return events


def new_subscription_id() -> str:
    return f"sub_{secrets.token_hex(12)}"


def keep(connection: Connection, subscription: Subscription) -> None:
    """
    Raises
    ------
    FieldError
        If the brand has as many as it may.
    """
    mine = (webhook_subscriptions.c.brand == subscription.brand) & webhook_subscriptions.c.ended_at.is_(None)
    count = connection.execute(select(func.count()).select_from(webhook_subscriptions).where(mine)).scalar_one()
    if count >= MOST_OF_A_BRAND:
        raise FieldError("url", subscription.url, f"at most {MOST_OF_A_BRAND} subscriptions of a brand: end another")
    events = msgspec.json.encode(subscription.events).decode()
    row = {**msgspec.structs.asdict(subscription), "events": events}
    connection.execute(insert(webhook_subscriptions), row)


def active(connection: Connection, brand: str | None = None) -> list[Subscription]:
    """Those that have not ended, the oldest first; of all brands where none is named."""
    of = webhook_subscriptions.c
    query = select(webhook_subscriptions).where(of.ended_at.is_(None)).order_by(of.created_at, of.subscription_id)
    if brand is not None:
        query = query.where(of.brand == brand)
    return [_of_row(row) for row in connection.execute(query)]


def end(connection: Connection, brand: str, subscription_id: str, now: Instant) -> bool:
    """End a subscription; what was still to be delivered to it is dropped. Whether there was one to end."""
    of = webhook_subscriptions.c
    mine = (of.subscription_id == subscription_id) & (of.brand == brand) & of.ended_at.is_(None)
    found = connection.execute(update(webhook_subscriptions).where(mine).values(ended_at=now)).rowcount
    if found:
        connection.execute(delete(webhook_outbox).where(webhook_outbox.c.subscription_id == subscription_id))
    return bool(found)


def _of_row(row: Row[tuple[object, ...]]) -> Subscription:
    values = dict(row._mapping)
    return Subscription(**{**values, "events": _decode_events(str(values["events"]))})
