"""``/products``, ``/customers`` and ``/offers``: rows put in the places of those known by the same id."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from features.brand import read_brand
from features.catalogue import upsert_offers, upsert_products
from features.customer_intake import take_customers
from features.entities import Customer, Offer
from features.entity_border import parse_customer, parse_offer, parse_product, parse_rows
from features.errors import FieldError
from features.event_log import refold
from features.instant import Instant
from features.store import Store
from serving.application import Application, naming_what_is_missing
from serving.schemas import RejectedRow, RowsRequest, UpsertAnswer, decoded, renamed
from serving.trigger_arming import arm_for_customers, known_before
from serving.trigger_book import TriggerBook

_DECODER = msgspec.json.Decoder(RowsRequest)
Row = Mapping[str, Any]
Rejected = list[tuple[Row, FieldError]]


Refused = dict[int, FieldError]
Put = Callable[[Connection, Sequence[Any], Instant], tuple[int, Refused]]
"""Puts entities into the store; how many were put, and which were refused, by position."""


@dataclass(frozen=True, slots=True)
class _Upload:
    put: Put
    entities: Sequence[Any]
    now: Instant


async def products(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "products"))
    brand = application.brand_of(asked.brand)
    parsed = await asyncio.to_thread(parse_rows, asked.rows, partial(parse_product, brand=brand))
    return await _upserted(application, _all_by(upsert_products), "product_id", *parsed)


async def customers(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "customers"))
    brand = application.brand_of(asked.brand)
    parsed = await asyncio.to_thread(parse_rows, asked.rows, partial(parse_customer, brand=brand))
    return await _upserted(
        application, _customers_into(application.store.lake, application.triggers), "customer_id", *parsed
    )


async def offers(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, renamed(body, "offers"))
    brand = application.brand_of(asked.brand)
    parsed = await asyncio.to_thread(_parsed_offers, application.store, asked.rows, brand)
    return await _upserted(application, _all_by(upsert_offers), "offer_id", *parsed)


def _parsed_offers(store: Store, rows: Sequence[Row], brand: str) -> tuple[list[Offer], Rejected]:
    with store.reading() as connection:
        currency_of = cache(lambda name: read_brand(connection, name).currency)

        def parse(row: Row) -> Offer:
            offer = parse_offer(row, brand=brand)
            return parse_offer(row, brand=brand, accounting_currency=currency_of(offer.brand))

        return parse_rows(rows, parse)


def _all_by(upsert: Callable[[Connection, Sequence[Any], Instant], int]) -> Put:
    return lambda connection, entities, now: (upsert(connection, entities, now), {})


def _customers_into(lake: Path, triggers: TriggerBook) -> Put:
    """With their identifiers linked, their profiles folded anew where their time zone is another now, and looked at."""

    def put(connection: Connection, entities: Sequence[Customer], now: Instant) -> tuple[int, Refused]:
        count = 0
        refused: Refused = {}
        for brand in dict.fromkeys(customer.brand for customer in entities):
            mine = [position for position, customer in enumerate(entities) if customer.brand == brand]
            given = [entities[position] for position in mine]
            before = known_before(connection, triggers, brand, given)
            intake = take_customers(connection, brand, given, now)
            refold(connection, lake, brand, sorted(intake.stale))
            arm_for_customers(connection, triggers, brand, before, now)
            count += intake.accepted + intake.duplicates
            refused |= {mine[position]: error for position, error in intake.refused.items()}
        return count, refused

    return put


async def _upserted(application: Application, put: Put, id_column: str, good: Sequence[Any], bad: Rejected) -> bytes:
    upserted, rejected = 0, [RejectedRow(_id_of(row, id_column), error.field, str(error)) for row, error in bad]
    if good:
        upserted, refused = await application.writer.submit(_put, _Upload(put, good, application.clock()))
        rejected += [
            RejectedRow(getattr(good[position], id_column), error.field, str(error))
            for position, error in sorted(refused.items())
        ]
        await asyncio.to_thread(application.loader.refresh)  # so that the next decision here knows of it
    return msgspec.json.encode(UpsertAnswer(upserted=upserted, rejected=rejected))


def _put(connection: Connection, uploads: Sequence[_Upload]) -> list[tuple[int, Refused]]:
    with naming_what_is_missing():
        return [one.put(connection, one.entities, one.now) for one in uploads]


def _id_of(row: Row, column: str) -> str | None:
    value = row.get(column) if isinstance(row, Mapping) else None
    return None if value is None else str(value)
