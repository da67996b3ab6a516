"""Which rows of a file are new: told apart from repeats within it and from what the lake and the log already hold.

Speaks of ``offered`` (good rows of a file, by ``position``) and of ``refused(position, field, reason)``; makes
``repeats(position)``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from features.event_fields import LAKE_COLUMNS
from features.event_json import event_of
from features.event_log import CONFLICT
from features.lake import DuckDB, event_of_row, files_sql, read_segments
from features.schema import events

_FIELDS = ", ".join(LAKE_COLUMNS)
_CHUNK = 10_000


def find_repeats(duck: DuckDB, connection: Connection, lake: Path) -> None:
    """Fill ``repeats`` with the rows that say nothing new, and refuse those that contradict what came before."""
    _within_the_file(duck)
    for brand, source in duck.execute("SELECT DISTINCT brand, source FROM offered ORDER BY ALL").fetchall():
        _in_the_lake(duck, connection, lake, brand, source)
        _in_the_log(duck, connection, brand, source)


def remaining() -> str:
    """The rows that are neither refused nor repeats, as an SQL query."""
    return "SELECT * FROM offered ANTI JOIN refused USING (position) ANTI JOIN repeats USING (position)"


def _within_the_file(duck: DuckDB) -> None:
    duck.execute(f"""
        CREATE OR REPLACE TABLE keys AS SELECT position, hash(brand, source, event_id) AS key FROM offered;
        CREATE OR REPLACE TABLE suspects AS SELECT position FROM keys
            WHERE key IN (SELECT key FROM keys GROUP BY key HAVING count(*) > 1);
        CREATE OR REPLACE TABLE repeated AS
            SELECT position, content = first_value(content) OVER first_first AS is_same
            FROM (SELECT position, brand, source, event_id, hash({_FIELDS}) AS content
                  FROM offered SEMI JOIN suspects USING (position))
            WINDOW first_first AS (PARTITION BY brand, source, event_id ORDER BY position)
            QUALIFY position <> first_value(position) OVER first_first;
        CREATE OR REPLACE TABLE repeats AS SELECT position FROM repeated WHERE is_same;
        INSERT INTO refused SELECT position, 'event_id', '{CONFLICT}' FROM repeated WHERE NOT is_same;
        DROP TABLE keys; DROP TABLE suspects; DROP TABLE repeated""")


def _in_the_lake(duck: DuckDB, connection: Connection, lake: Path, brand: str, source: str) -> None:
    found = read_segments(connection, brand, source)
    if not found:
        return
    files = f"read_parquet({files_sql(lake, found)}, filename = true, file_row_number = true)"
    duck.execute(
        f"""
        CREATE OR REPLACE TABLE met AS SELECT position, filename, file_row_number
            FROM {files} AS known JOIN ({remaining()}) AS new USING (brand, source, event_id)
            WHERE new.brand = ? AND new.source = ?""",
        [brand, source],
    )
    if not duck.execute("SELECT count(*) FROM met").fetchone()[0]:
        return
    new, known = (", ".join(f"{table}.{name}" for name in LAKE_COLUMNS) for table in ("new", "known"))
    duck.execute(f"""
        CREATE OR REPLACE TABLE compared AS SELECT position, hash({new}) = hash({known}) AS is_same
            FROM {files} AS known JOIN met USING (filename, file_row_number) JOIN offered AS new USING (position);
        INSERT INTO repeats SELECT position FROM compared WHERE is_same;
        INSERT INTO refused SELECT position, 'event_id', '{CONFLICT}' FROM compared WHERE NOT is_same""")


def _in_the_log(duck: DuckDB, connection: Connection, brand: str, source: str) -> None:
    for known in _known_keys(connection, brand, source):
        duck.execute(
            f"CREATE OR REPLACE TABLE met AS SELECT * FROM ({remaining()}) "
            "WHERE brand = ? AND source = ? AND event_id IN (SELECT unnest(?))",
            [brand, source, known],
        )
        rows = duck.execute(f"SELECT position, {_FIELDS} FROM met").fetchall()
        _compare(duck, connection, brand, source, rows)


def _known_keys(connection: Connection, brand: str, source: str) -> Iterator[list[str]]:
    mine = (events.c.brand == brand) & (events.c.source == source)
    result = connection.execute(select(events.c.event_id).where(mine).order_by(events.c.event_id))
    for rows in result.scalars().partitions(_CHUNK):
        yield list(rows)


def _compare(duck: DuckDB, connection: Connection, brand: str, source: str, rows: Sequence[Any]) -> None:
    mine = (events.c.brand == brand) & (events.c.source == source)
    for start in range(0, len(rows), 500):
        new = {row[1]: (row[0], event_of_row(row[1:])) for row in rows[start : start + 500]}
        known = connection.execute(select(events.c.event_id, events.c.body).where(mine, events.c.event_id.in_(new)))
        for event_id, body in known:
            position, event = new[event_id]
            if event == event_of(body):
                duck.execute("INSERT INTO repeats VALUES (?)", [position])
            else:
                duck.execute("INSERT INTO refused VALUES (?, 'event_id', ?)", [position, CONFLICT])
