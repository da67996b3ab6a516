"""``/events``: what happened, durable before it is acknowledged and known to the next decision."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from features.errors import FieldError
from features.event_border import parse_event
from features.events import Event
from features.instant import Instant
from serving.application import Application, EventBatch
from serving.schemas import EventsAnswer, EventsRequest, RejectedEvent, decoded

SOURCE = "api"
_PARSED_AT_ONCE = 50
"""More events than that would hold up the decisions that wait meanwhile."""
_DECODER = msgspec.json.Decoder(EventsRequest)


async def events(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    received_at = application.clock()
    brand = application.brand_of(asked.brand)
    if len(asked.events) <= _PARSED_AT_ONCE:
        good, bad = _parsed(asked.events, brand, received_at)
    else:
        good, bad = await asyncio.to_thread(_parsed, asked.events, brand, received_at)
    answer = EventsAnswer(accepted=0, duplicates=0, rejected=bad)
    if good:
        result = await application.writer.submit(application.append, EventBatch(good, received_at))
        conflicts = [RejectedEvent(*rejected) for rejected in result.rejected]
        answer = EventsAnswer(accepted=result.accepted, duplicates=result.duplicates, rejected=[*bad, *conflicts])
    return msgspec.json.encode(answer)


def _parsed(rows: Sequence[Any], brand: str, received_at: Instant) -> tuple[list[Event], list[RejectedEvent]]:
    good: list[Event] = []
    bad: list[RejectedEvent] = []
    for row in rows:
        try:
            good.append(parse_event(row, default_source=SOURCE, received_at=received_at, brand=brand))
        except FieldError as error:
            event_id = row.get("event_id") if isinstance(row, dict) else None
            bad.append(RejectedEvent(None if event_id is None else str(event_id), error.field, str(error)))
    return good, bad
