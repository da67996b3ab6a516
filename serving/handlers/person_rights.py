"""``/forget`` and ``/export``: what is held on one person goes, or is handed out."""

import asyncio
from typing import Any

import msgspec

from features.errors import FieldError
from features.person import held_on
from serving.application import Application, naming_what_is_missing
from serving.errors import NotFoundError
from serving.forgetting import Receipt
from serving.forgetting import forget as forgotten
from serving.schemas import PersonRequest, decoded

_DECODER = msgspec.json.Decoder(PersonRequest)


async def forget(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    brand, now = application.brand_of(asked.brand), application.clock()
    try:
        receipt: Receipt = await asyncio.to_thread(_forgotten, application, brand, asked.customer_id, now)
    except FieldError as error:
        raise NotFoundError("nothing is known of this customer", field=error.field) from None
    return msgspec.json.encode(receipt)


async def export(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    brand = application.brand_of(asked.brand)
    found = await asyncio.to_thread(_held, application, brand, asked.customer_id)
    if not found:
        raise NotFoundError("nothing is known of this customer", field="customer_id")
    return msgspec.json.encode({"customer_id": asked.customer_id, "brand": brand, "held": found})


def _forgotten(application: Application, brand: str, customer_id: str, now: int) -> Receipt:
    with naming_what_is_missing():
        return forgotten(application.store, brand, customer_id, now)


def _held(application: Application, brand: str, customer_id: str) -> dict[str, list[dict[str, Any]]]:
    with naming_what_is_missing(), application.store.reading() as connection:
        return held_on(application.store, connection, brand, customer_id)
