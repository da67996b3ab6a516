"""Which events and rows of customers have which triggers looked at, noted in the transaction that takes them in.

Nothing is decided here: what was taken in says only who is to be looked at. So whatever comes twice, late or in another
order leads to one more look at most, and a crash between taking in and looking loses none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from features.customer_links import present_ids
from features.entities import Customer
from features.event_log import AppendResult
from features.events import Event, EventType
from features.instant import Instant
from features.schema import customers
from features.trigger_settings import MICROSECONDS_PER_MINUTE, Trigger, TriggerKind
from serving.trigger_book import BrandTriggers, TriggerBook
from serving.trigger_rules import is_near
from serving.trigger_store import Look, ask, note_below

_SOON = (TriggerKind.PURCHASE, TriggerKind.FIRST_PURCHASE)
_OF_BALANCE = (TriggerKind.POINTS_THRESHOLD, TriggerKind.POINTS_EXPIRING)
_OF_ROW = (*_OF_BALANCE, TriggerKind.TIER_NEAR, TriggerKind.ANNIVERSARY, TriggerKind.BIRTHDAY)
_TAKEN = (EventType.POINTS_SPENT, EventType.POINTS_EXPIRED)
Known = Mapping[str, Customer | None]


def arm_for_events(
    connection: Connection, book: TriggerBook, events: Sequence[Event], result: AppendResult, now: Instant
) -> None:
    """``result`` is what became of the events: those that were rejected have nobody looked at."""
    rejected = {event_id for event_id, _, _ in result.rejected}
    for brand in dict.fromkeys(event.brand for event in events):
        ours = book.of(brand)
        if not ours.triggers:
            continue
        mine = [event for event in events if event.brand == brand and event.event_id not in rejected]
        ask(connection, dict.fromkeys(look for event in mine for look in _looks(ours, event, now)))
        below = [pair for event in mine for pair in _was_below(ours, event)]
        if below:
            present = present_ids(connection, brand, [customer_id for customer_id, _ in below])
            note_below(connection, brand, [(present[customer_id], name) for customer_id, name in below])


def _looks(ours: BrandTriggers, event: Event, now: Instant) -> Iterator[Look]:
    for name, trigger in ours.triggers.items():
        due_at = _due_at(trigger, event, now)
        if due_at is not None:
            yield Look(event.brand, name, event.customer_id, due_at)


def _due_at(trigger: Trigger, event: Event, now: Instant) -> Instant | None:
    """When the customer of the event is to be looked at, if at all."""
    if event.type is EventType.PURCHASE:
        if trigger.kind in _SOON and event.occurred_at > now - trigger.within:
            return now
        if trigger.kind is TriggerKind.REPLENISHMENT:
            return now
    if event.type is EventType.CART_ADD and trigger.kind is TriggerKind.ABANDONED_BASKET:
        return event.occurred_at + int((trigger.after_minutes or 0.0) * MICROSECONDS_PER_MINUTE)
    tells_points = event.points_balance is not None or event.points_expire_at is not None
    return now if tells_points and trigger.kind in _OF_BALANCE else None


def _was_below(ours: BrandTriggers, event: Event) -> Iterator[tuple[str, str]]:
    """The (customer, trigger) whose line the event itself tells to have been above the balance before it."""
    if event.points_balance is None or event.points is None:
        return
    before = event.points_balance + (event.points if event.type in _TAKEN else -event.points)
    for name, trigger in ours.triggers.items():
        if trigger.kind is TriggerKind.POINTS_THRESHOLD and before < (trigger.points or 0.0):
            yield event.customer_id, name


def known_before(connection: Connection, book: TriggerBook, brand: str, given: Sequence[Customer]) -> Known:
    """The rows of these customers before they are taken in, where triggers ask for them."""
    if not any(trigger.kind in _OF_ROW for trigger in book.of(brand).triggers.values()):
        return {}
    ids = [customer.customer_id for customer in given]
    of = customers.c
    found: dict[str, Customer | None] = dict.fromkeys(ids)
    for start in range(0, len(ids), 400):
        mine = (of.brand == brand) & of.customer_id.in_(ids[start : start + 400])
        for row in connection.execute(select(of.customer_id, of.body).where(mine)):
            found[row.customer_id] = msgspec.json.decode(row.body, type=Customer)
    return found


def arm_for_customers(connection: Connection, book: TriggerBook, brand: str, before: Known, now: Instant) -> None:
    """``before`` is what :func:`known_before` gave: ``None`` of whoever is new, who so far was below every line."""
    if not before:
        return
    triggers = book.of(brand).triggers
    names = [name for name, trigger in triggers.items() if trigger.kind in _OF_ROW]
    present = present_ids(connection, brand, list(before))
    ask(connection, [Look(brand, name, one, now) for name in names for one in dict.fromkeys(present.values())])
    below = [
        (present[customer_id], name) for customer_id, row in before.items() for name in _lines_above(triggers, row)
    ]
    note_below(connection, brand, below)


def _lines_above(triggers: Mapping[str, Trigger], row: Customer | None) -> Iterable[str]:
    for name, trigger in triggers.items():
        if trigger.kind is TriggerKind.TIER_NEAR:
            if row is None or (row.tier_progress is not None and not is_near(trigger, row.tier_progress)):
                yield name
        elif trigger.kind is TriggerKind.POINTS_THRESHOLD and (
            row is None or (row.points_balance is not None and row.points_balance < (trigger.points or 0.0))
        ):
            yield name
