"""``/products``, ``/customers`` and ``/offers``: rows put in the places of those known by the same id."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection

from features.brand import read_brand
from features.catalogue import upsert_customers, upsert_offers, upsert_products
from features.entities import Offer
from features.entity_border import parse_customer, parse_offer, parse_product, parse_rows
from features.errors import FieldError
from features.instant import Instant
from features.store import Store
from serving.application import Application
from serving.schemas import RejectedRow, RowsRequest, UpsertAnswer, decoded, renamed

_DECODER = msgspec.json.Decoder(RowsRequest)
Row = Mapping[str, Any]
Rejected = list[tuple[Row, FieldError]]


@dataclass(frozen=True, slots=True)
class _Upload:
    upsert: Callable[[Connection, Sequence[Any], Instant], int]
    entities: Sequence[Any]
    now: Instant


async def products(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "products"))
    brand = asked.brand or application.brand
    parsed = parse_rows(asked.rows, lambda row: parse_product(row, brand=brand))
    return await _upserted(application, upsert_products, "product_id", *parsed)


async def customers(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "customers"))
    brand = asked.brand or application.brand
    parsed = parse_rows(asked.rows, lambda row: parse_customer(row, brand=brand))
    return await _upserted(application, upsert_customers, "customer_id", *parsed)


async def offers(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "offers"))
    parsed = await asyncio.to_thread(_parsed_offers, application.store, asked.rows, asked.brand or application.brand)
    return await _upserted(application, upsert_offers, "offer_id", *parsed)


def _parsed_offers(store: Store, rows: Sequence[Row], brand: str) -> tuple[list[Offer], Rejected]:
    with store.reading() as connection:
        currency_of = cache(lambda name: read_brand(connection, name).currency)

        def parse(row: Row) -> Offer:
            offer = parse_offer(row, brand=brand)
            return parse_offer(row, brand=brand, accounting_currency=currency_of(offer.brand))

        return parse_rows(rows, parse)


async def _upserted(
    application: Application, upsert: Callable[..., int], id_column: str, good: Sequence[Any], bad: Rejected
) -> bytes:
    upserted = 0
    if good:
        upserted = await application.writer.submit(_put, _Upload(upsert, good, application.clock()))
        await asyncio.to_thread(application.loader.refresh)  # so that the next decision here knows of it
    rejected = [RejectedRow(_id_of(row, id_column), error.field, str(error)) for row, error in bad]
    return msgspec.json.encode(UpsertAnswer(upserted=upserted, rejected=rejected))


def _put(connection: Connection, uploads: Sequence[_Upload]) -> list[int]:
    return [one.upsert(connection, one.entities, one.now) for one in uploads]


def _id_of(row: Row, column: str) -> str | None:
    value = row.get(column) if isinstance(row, Mapping) else None
    return None if value is None else str(value)
