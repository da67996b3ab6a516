"""Products, customers and offers in the store: a row whose key is known takes the former one's place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Select, Table, func, select

from features import schema
from features.entities import Customer, Offer, Product
from features.instant import Instant
from features.store import upsert

Entity = TypeVar("Entity")

_CHUNK = 10_000
_encode = msgspec.json.Encoder().encode
_product = msgspec.json.Decoder(Product)
_customer = msgspec.json.Decoder(Customer)
_offer = msgspec.json.Decoder(Offer)


def upsert_products(connection: Connection, products: Sequence[Product], now: Instant) -> int:
    version = next_version(connection, schema.products.c.updated_at, now)
    return _upsert(connection, schema.products, [(row.brand, row.product_id, row) for row in products], version)


def upsert_customers(connection: Connection, customers: Sequence[Customer], now: Instant) -> int:
    return _upsert(connection, schema.customers, [(row.brand, row.customer_id, row) for row in customers], now)


def upsert_offers(connection: Connection, offers: Sequence[Offer], now: Instant) -> int:
    version = next_version(connection, schema.offers.c.updated_at, now)
    return _upsert(connection, schema.offers, [(row.brand, row.offer_id, row) for row in offers], version)


def read_products(connection: Connection, *brands: str) -> list[Product]:
    """The products of a brand in order of id; of several brands, the first that has an id gives its product."""
    return _read_all(connection, schema.products, brands, _product.decode)


def read_offers(connection: Connection, *brands: str) -> list[Offer]:
    """The offers of a brand in order of id; of several brands, the first that has an id gives its offer."""
    return _read_all(connection, schema.offers, brands, _offer.decode)


def read_customers(connection: Connection, brand: str, customer_ids: Iterable[str] | None = None) -> Iterator[Customer]:
    """The customers of a brand, or some of them, one after another; the connection must stay open meanwhile."""
    query = select(schema.customers.c.body).where(schema.customers.c.brand == brand)
    for wanted in _some_at_a_time(query, customer_ids):
        for body in connection.execute(wanted, execution_options={"yield_per": _CHUNK}).scalars():
            yield _customer.decode(body)


def _some_at_a_time(query: Select[Any], customer_ids: Iterable[str] | None) -> Iterator[Select[Any]]:
    if customer_ids is None:
        yield query
        return
    remaining = iter(customer_ids)
    while some := list(islice(remaining, _CHUNK)):
        yield query.where(schema.customers.c.customer_id.in_(some))


def read_customer(connection: Connection, brand: str, customer_id: str) -> Customer | None:
    table = schema.customers.c
    query = select(table.body).where(table.brand == brand, table.customer_id == customer_id)
    body = connection.execute(query).scalar()
    return None if body is None else _customer.decode(body)


def catalogue_version(connection: Connection) -> tuple[int, int, int]:
    """Three numbers of which one grows whenever a product, an offer or a brand is written."""
    latest = [
        select(func.coalesce(func.max(column), 0)).scalar_subquery()
        for column in (schema.products.c.updated_at, schema.offers.c.updated_at, schema.brands.c.applied_at)
    ]
    products, offers, brands = connection.execute(select(*latest)).one()
    return products, offers, brands


def next_version(connection: Connection, column: Column[int], now: Instant) -> int:
    """``now``, or just above the highest so far: grows with each write even where the clock stands still."""
    highest: int = connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
    return max(now, highest + 1)


def _upsert(
    connection: Connection, table: Table, rows: Sequence[tuple[str, str, msgspec.Struct]], updated_at: int
) -> int:
    _, key = table.primary_key.columns.keys()
    values = [
        {"brand": brand, key: entity_id, "body": _encode(entity).decode(), "updated_at": updated_at}
        for brand, entity_id, entity in rows
    ]
    if values:
        connection.execute(upsert(connection, table), values)
    return len(values)


def _read_all(
    connection: Connection, table: Table, brands: Sequence[str], decode: Callable[[str], Entity]
) -> list[Entity]:
    key = table.primary_key.columns.values()[1]
    found: dict[str, str] = {}
    for brand in brands:
        query = select(key, table.c.body).where(table.c.brand == brand)
        found = dict(connection.execute(query).all()) | found
    return [decode(found[entity_id]) for entity_id in sorted(found)]
