"""Everything that is held on one person, table by table: to be handed out, or to be counted before it goes."""

import json
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, func, select

from features.customer_links import members
from features.event_json import body_of
from features.instant import to_iso
from features.lake import events_of_customers, read_segments
from features.schema import assignments, metadata
from features.store import Store

EVENTS_IN_BULK = "events_in_bulk"


def held_on(store: Store, connection: Connection, brand: str, customer_id: str) -> dict[str, list[dict[str, Any]]]:
    """By table the rows on a person, under all their ids; and the events of bulk history.

    JSON is decoded, instants are ISO 8601 in UTC, and what no one could read is said by its size in bytes.

    Raises
    ------
    ModuleNotFoundError
        If bulk history has to be read and what reads it is not installed.
    """
    people = sorted(members(connection, brand, [customer_id]))
    found: dict[str, list[dict[str, Any]]] = {}
    for table, column in _tables():
        query = select(table).where(table.c.brand == brand, table.c[column].in_(people))
        rows = [_told(table, dict(row)) for row in connection.execute(query).mappings()]
        if rows:
            found[table.name] = rows
    bulk = events_of_customers(store.lake, read_segments(connection, brand), people)
    if bulk:
        found[EVENTS_IN_BULK] = [json.loads(body_of(event)) for event in bulk]
    return found


def count_held(store: Store, connection: Connection, brand: str, customer_id: str) -> dict[str, int]:
    """How many rows :func:`held_on` would hand out, by table."""
    people = sorted(members(connection, brand, [customer_id]))
    counts = {}
    for table, column in _tables():
        query = select(func.count()).select_from(table).where(table.c.brand == brand, table.c[column].in_(people))
        counts[table.name] = connection.execute(query).scalar_one()
    counts[EVENTS_IN_BULK] = len(events_of_customers(store.lake, read_segments(connection, brand), people))
    return {name: count for name, count in counts.items() if count}


def _tables() -> list[tuple[Table, str]]:
    """The tables that know persons, each with the column that names them."""
    named = [
        (table, "customer_id") for table in metadata.sorted_tables if {"brand", "customer_id"} <= set(table.c.keys())
    ]
    return [*named, (assignments, "unit_id")]


def _told(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(table.c[name].type, LargeBinary):
            told[name] = None if value is None else f"{len(value)} bytes"
        elif name.endswith("_at") and isinstance(value, int):
            told[name] = to_iso(value)
        elif name == "body" and isinstance(value, str):
            told[name] = json.loads(value)
        else:
            told[name] = value
    return told
