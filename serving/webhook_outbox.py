"""The messages that are still to be delivered, and those that could not be.

A message stands here from the transaction of what it tells of until somebody answered it with a success: it cannot be
lost, and may be delivered twice. Times here are the real ones, also of a service whose clock stands still.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, Instant
from features.outgoing_schema import webhook_dead, webhook_outbox
from features.store import insert_new
from serving.subscriptions import Subscription, active
from serving.told_events import Told

RETRIED_FOR: Instant = MICROSECONDS_PER_DAY
"""From the first attempt on."""
DEAD_KEPT_FOR: Instant = 30 * MICROSECONDS_PER_DAY
LEASE: Instant = 30 * MICROSECONDS_PER_SECOND
"""How long an attempt is nobody else's; whoever made it may have been killed."""
FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 3_600.0
LONGEST_ERROR = 300
_KEPT_OF_DEAD = ("subscription_id", "message_id", "brand", "type", "customer_id", "body", "queued_at")


class Message(Struct, frozen=True):
    """A message whose attempt is ours; ``attempts`` counts this one too."""

    subscription: Subscription
    message_id: str
    type: str
    body: str
    attempts: int
    first_attempt_at: Instant


class Attempted(Struct, frozen=True):
    """``error`` is ``None`` where it was delivered."""

    message: Message
    error: str | None = None


DELIVERED, RETRIED, DEAD = "delivered", "retried", "dead"


def enqueue(connection: Connection, told: Iterable[Told], now: Instant) -> int:
    """Have everybody told who wants to be, once this transaction is durable; how many messages that makes."""
    rows = []
    by_brand: dict[str, list[Subscription]] = {}
    for one in told:
        if one.brand not in by_brand:
            by_brand[one.brand] = active(connection, one.brand)
        wanting = [subscription for subscription in by_brand[one.brand] if subscription.wants(one.name)]
        rows += [_row(one, subscription, now) for subscription in wanting]
    if rows:
        connection.execute(insert_new(connection, webhook_outbox), rows)
    return len(rows)


def _row(told: Told, subscription: Subscription, now: Instant) -> dict[str, object]:
    return {
        "subscription_id": subscription.subscription_id,
        "message_id": told.message_id,
        "brand": told.brand,
        "type": told.name,
        "customer_id": told.customer_id,
        "body": told.body(),
        "queued_at": now,
        "attempts": 0,
        "first_attempt_at": None,
        "next_attempt_at": 0,
        "last_error": None,
    }


def whose_turn(connection: Connection, now: Instant) -> list[Subscription]:
    """The subscriptions with messages whose time has come."""
    of = webhook_outbox.c
    has_due = select(of.message_id).where(of.next_attempt_at <= now)
    return [
        one
        for one in active(connection)
        if connection.execute(has_due.where(of.subscription_id == one.subscription_id).limit(1)).first()
    ]


def claim(connection: Connection, room: Mapping[Subscription, int], now: Instant) -> list[Message]:
    """Messages whose time has come, of each subscription as many as there is room for; nobody else gets them now."""
    of = webhook_outbox.c
    claimed = []
    for subscription, most in room.items():
        mine = (of.subscription_id == subscription.subscription_id) & (of.next_attempt_at <= now)
        query = select(webhook_outbox).where(mine).order_by(of.next_attempt_at, of.queued_at).limit(most)
        for row in connection.execute(query).all():
            first = now if row.first_attempt_at is None else row.first_attempt_at
            values = {"attempts": row.attempts + 1, "first_attempt_at": first, "next_attempt_at": now + LEASE}
            connection.execute(update(webhook_outbox).where(_is(subscription, row.message_id)).values(values))
            claimed.append(Message(subscription, row.message_id, row.type, row.body, row.attempts + 1, first))
    return claimed


def finish(connection: Connection, attempted: Sequence[Attempted], now: Instant, seed: str) -> list[str]:
    """Note what came of attempts: each is ``DELIVERED``, to be ``RETRIED``, or ``DEAD``, in order."""
    return [_finish_one(connection, one, now, seed) for one in attempted]


def _finish_one(connection: Connection, one: Attempted, now: Instant, seed: str) -> str:
    this = _is(one.message.subscription, one.message.message_id)
    if one.error is None:
        connection.execute(delete(webhook_outbox).where(this))
        return DELIVERED
    ends = one.message.first_attempt_at + RETRIED_FOR
    if now < ends:
        following = min(now + wait(one.message, seed), ends)
        values = {"next_attempt_at": following, "last_error": one.error[:LONGEST_ERROR]}
        connection.execute(update(webhook_outbox).where(this).values(values))
        return RETRIED
    row = connection.execute(select(webhook_outbox).where(this)).first()
    if row is not None:
        kept = {name: row._mapping[name] for name in (*_KEPT_OF_DEAD, "attempts")}
        dead = {**kept, "last_error": one.error[:LONGEST_ERROR], "died_at": now}
        connection.execute(insert_new(connection, webhook_dead), dead)
        connection.execute(delete(webhook_outbox).where(this))
    return DEAD


def wait(message: Message, seed: str) -> Instant:
    """Until the attempt after this one: doubled each time, less up to a half, so that not all come at once."""
    whole = min(FIRST_WAIT_SECONDS * 2.0 ** min(message.attempts - 1, 20), LONGEST_WAIT_SECONDS)
    key = f"{seed}\x1f{message.subscription.subscription_id}\x1f{message.message_id}\x1f{message.attempts}"
    share = int.from_bytes(sha256(key.encode()).digest()[:8], "big") / 2.0**64
    return int(whole * (1.0 - share / 2.0) * MICROSECONDS_PER_SECOND)


def dead_letters(connection: Connection, brand: str, limit: int = 1_000) -> list[dict[str, Any]]:
    """What could not be delivered, the latest first, without the bodies."""
    of = webhook_dead.c
    columns = (of.message_id, of.subscription_id, of.type, of.attempts, of.queued_at, of.died_at, of.last_error)
    query = select(*columns).where(of.brand == brand).order_by(of.died_at.desc(), of.message_id).limit(limit)
    return [dict(row._mapping) for row in connection.execute(query)]


def waiting(connection: Connection, brand: str) -> dict[str, int]:
    """How many messages are still to be delivered, by subscription."""
    of = webhook_outbox.c
    query = select(of.subscription_id, func.count()).where(of.brand == brand).group_by(of.subscription_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def count_dead(connection: Connection, brand: str) -> int:
    query = select(func.count()).select_from(webhook_dead).where(webhook_dead.c.brand == brand)
    return int(connection.execute(query).scalar_one())


def redeliver(connection: Connection, brand: str, message_ids: Sequence[str] | None = None) -> int:
    """Try dead letters once more, for another day: those of these ids, or all. How many there were.

    Those whose subscription has ended stay dead.
    """
    going = {subscription.subscription_id for subscription in active(connection, brand)}
    query = select(webhook_dead).where(webhook_dead.c.brand == brand)
    found = [row for row in connection.execute(query).all() if row.subscription_id in going]
    if message_ids is not None:
        found = [row for row in found if row.message_id in set(message_ids)]
    for row in found:
        again = {name: row._mapping[name] for name in _KEPT_OF_DEAD}
        connection.execute(insert(webhook_outbox), again)
        this = (webhook_dead.c.subscription_id == row.subscription_id) & (webhook_dead.c.message_id == row.message_id)
        connection.execute(delete(webhook_dead).where(this))
    return len(found)


def sweep_dead(connection: Connection, now: Instant) -> int:
    """Let go of dead letters whose month is over."""
    return connection.execute(delete(webhook_dead).where(webhook_dead.c.died_at <= now - DEAD_KEPT_FOR)).rowcount


def _is(subscription: Subscription, message_id: str) -> Any:
    of = webhook_outbox.c
    return (of.subscription_id == subscription.subscription_id) & (of.message_id == message_id)
