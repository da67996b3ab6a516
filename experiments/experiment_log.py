"""The event log as an analysis reads it: before one instant, with the merges of identities known by then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from features import schema
from features.identity import roots
from features.instant import Instant
from features.store import Store


@dataclass(frozen=True, slots=True)
class ReadLog:
    """``events`` is an Ibis table of what happened before ``as_of``; ``roots`` says whom merged customers became."""

    events: Any
    roots: dict[str, str]
    as_of: Instant


@contextmanager
def opened_log(store: Store, brand: str, as_of: Instant | None) -> Iterator[ReadLog]:
    """The log before ``as_of``, by default just after the last event; an empty log ends at 0."""
    import ibis

    from features.event_log import log_table

    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")  # it would be drawn on standard output
    try:
        events = log_table(store, connection, brand, as_of)
        if as_of is None:
            last = events.occurred_at.max().to_pyarrow().as_py()
            as_of = 0 if last is None else last + 1
        table = schema.merges.c
        with store.reading() as reading:
            query = select(table.merged_customer_id, table.customer_id, table.occurred_at).where(table.brand == brand)
            merges = [(row[0], row[1], row[2]) for row in reading.execute(query)]
        yield ReadLog(events, roots(merges, as_of), as_of)
    finally:
        connection.disconnect()
