"""The whole log of a brand as one table: the lake's files that count and the store's events together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from features.event_fields import LAKE_COLUMNS
from features.event_json import event_of
from features.instant import Instant
from features.lake import DuckDB, columns_sql, files_sql, insert_rows, read_segments, row_of_event
from features.schema import events

_COLUMNS = ", ".join(LAKE_COLUMNS)
_CHUNK = 20_000


def make_log(
    duck: DuckDB,
    connection: Connection,
    lake: Path,
    brand: str,
    *,
    before: Instant | None = None,
    customer_ids: Sequence[str] | None = None,
    name: str = "log",
) -> None:
    """Make a temporary view of the brand's events, of all or of some customers, before an instant or all."""
    duck.execute(f"CREATE OR REPLACE TEMP TABLE {name}_recent ({columns_sql(LAKE_COLUMNS)})")
    for rows in _recent_events(connection, brand, before, customer_ids):
        insert_rows(duck, f"{name}_recent", LAKE_COLUMNS, rows)
    found = read_segments(connection, brand)
    parts = [f"SELECT {_COLUMNS} FROM {name}_recent"]
    if found:
        parts.append(f"SELECT {_COLUMNS} FROM read_parquet({files_sql(lake, found)})")
    conditions = [] if before is None else [f"occurred_at < {before}"]
    if customer_ids is not None:
        duck.execute(f"CREATE OR REPLACE TEMP TABLE {name}_customers AS SELECT unnest(?) AS id", [list(customer_ids)])
        conditions.append(f"customer_id IN (SELECT id FROM {name}_customers)")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    duck.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM ({' UNION ALL '.join(parts)}) {where}")


def _recent_events(
    connection: Connection, brand: str, before: Instant | None, customer_ids: Sequence[str] | None
) -> Any:
    query = select(events.c.body).where(events.c.brand == brand)
    if before is not None:
        query = query.where(events.c.occurred_at < before)
    if customer_ids is None:
        result = connection.execute(query, execution_options={"yield_per": _CHUNK})
        for bodies in result.scalars().partitions(_CHUNK):
            yield [row_of_event(event_of(body)) for body in bodies]
        return
    for start in range(0, len(customer_ids), 400):
        some = customer_ids[start : start + 400]
        found = connection.execute(query.where(events.c.customer_id.in_(some))).scalars()
        yield [row_of_event(event_of(body)) for body in found]
