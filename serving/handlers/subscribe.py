"""``/subscribe``, ``/subscriptions`` and ``/unsubscribe``: who is told of what by webhooks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from features.errors import FieldError
from features.instant import Instant
from serving.application import Application
from serving.errors import BadRequestError, NotFoundError
from serving.schemas import (
    SubscribeAnswer,
    SubscribeRequest,
    SubscriptionAnswer,
    SubscriptionsAnswer,
    SubscriptionsRequest,
    UnsubscribeAnswer,
    UnsubscribeRequest,
    decoded,
    shown_instant,
)
from serving.subscriptions import Subscription, active, checked_events, end, keep, new_subscription_id
from serving.webhook_address import checked_url, read_allowed
from serving.webhook_signature import print_of, secret_of, webhook_key

_SUBSCRIBE = msgspec.json.Decoder(SubscribeRequest)
_LIST = msgspec.json.Decoder(SubscriptionsRequest)
_END = msgspec.json.Decoder(UnsubscribeRequest)


@dataclass(frozen=True, slots=True)
class _Ending:
    brand: str
    subscription_id: str
    now: Instant


async def subscribe(application: Application, body: bytes) -> bytes:
    asked = decoded(_SUBSCRIBE, body)
    brand = application.brand_of(asked.brand)
    try:
        url, events = checked_url(asked.url, read_allowed()), checked_events(asked.events)
        subscription, secret = await asyncio.to_thread(_new, application, brand, url, events)
        await application.writer.submit(_keep, subscription)
    except FieldError as error:
        raise BadRequestError(str(error), field=error.field) from None
    await asyncio.to_thread(application.listeners.refresh)
    return msgspec.json.encode(SubscribeAnswer(**_shown(subscription), secret=secret))


async def subscriptions(application: Application, body: bytes) -> bytes:
    asked = decoded(_LIST, body)
    brand = application.brand_of(asked.brand)
    found = await asyncio.to_thread(_active, application, brand)
    return msgspec.json.encode(SubscriptionsAnswer([SubscriptionAnswer(**_shown(one)) for one in found]))


async def unsubscribe(application: Application, body: bytes) -> bytes:
    asked = decoded(_END, body)
    brand = application.brand_of(asked.brand)
    ending = _Ending(brand, asked.subscription_id, application.clock())
    if not await application.writer.submit(_end, ending):
        raise NotFoundError("there is no such subscription", field="subscription_id")
    await asyncio.to_thread(application.listeners.refresh)
    return msgspec.json.encode(UnsubscribeAnswer(asked.subscription_id))


def _new(application: Application, brand: str, url: str, events: tuple[str, ...]) -> tuple[Subscription, str]:
    subscription_id = new_subscription_id()
    secret = secret_of(webhook_key(application.store.workspace), subscription_id)
    return Subscription(subscription_id, brand, url, events, print_of(secret), application.clock()), secret


def _keep(connection: Connection, given: Sequence[Subscription]) -> list[None]:
    for one in given:
        keep(connection, one)
    return [None] * len(given)


def _end(connection: Connection, given: Sequence[_Ending]) -> list[bool]:
    return [end(connection, one.brand, one.subscription_id, one.now) for one in given]


def _active(application: Application, brand: str) -> list[Subscription]:
    with application.store.reading() as connection:
        return active(connection, brand)


def _shown(one: Subscription) -> dict[str, Any]:
    return {
        "subscription_id": one.subscription_id,
        "url": one.url,
        "events": list(one.events),
        "created_at": shown_instant(one.created_at),
    }
