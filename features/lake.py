"""Bulk history as Parquet: one folder a brand, one file a load. A file counts once its ``segments`` row is committed.

DuckDB is imported only by the functions that read or write: a service without bulk history needs none.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, delete, insert, select

from features.event_fields import LAKE_COLUMNS
from features.events import Event
from features.instant import Instant
from features.schema import segments
from features.source_files import quoted

DuckDB = Any
MEMORY_LIMIT = "2GB"
_COLUMNS = ", ".join(LAKE_COLUMNS)
_LOCK = ".lock"
_SCRATCH = ".scratch-"
_REWRITTEN = ".rewritten.parquet"
_LONGEST_FOLDER = 255
"""Bytes that a file system has for one name."""
_BEGINNING = 100
_HOUR_SECONDS = 3_600
_ARROW_TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "double", "BOOLEAN": "bool", "BLOB": "binary"}
_OBJECTS = ("identifiers", "properties")


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of one brand's events; ``path`` is relative to the lake."""

    segment_id: str
    path: str
    rows: int
    first_at: Instant
    last_at: Instant
    sources: tuple[str, ...]
    brand: str


def open_duckdb(scratch: Path) -> DuckDB:
    """A connection whose tables lie in ``scratch``, so that they need not fit in memory."""
    import duckdb

    connection = duckdb.connect(str(scratch / "work.duckdb"))
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = {quoted(str(scratch / 'spill'))}")
    # DuckDB would draw its own progress on standard output, where only answers belong.
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def columns_sql(columns: Mapping[str, str]) -> str:
    """Columns with their SQL types, as ``CREATE TABLE`` has them."""
    return ", ".join(f"{name} {type_}" for name, type_ in columns.items())


def insert_rows(duck: DuckDB, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Put rows into a table of these columns, given with their SQL types."""
    import pyarrow

    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    types = [_ARROW_TYPES[type_] for type_ in columns.values()]
    arrays = [pyarrow.array(column, type_) for column, type_ in zip(values, types, strict=True)]
    duck.register("arriving", pyarrow.table(arrays, names=list(columns)))
    duck.execute(f"INSERT INTO {table} SELECT * FROM arriving")
    duck.unregister("arriving")


@contextmanager
def workbench(lake: Path) -> Iterator[Path]:
    """A folder for unfinished work, while no one else writes to the lake; what others left unfinished is removed."""
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in lake.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        scratch = lake / f"{_SCRATCH}{uuid4().hex}"
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def remove_orphans(lake: Path, connection: Connection, now: float) -> None:
    """Delete files that no row of ``segments`` names; only inside a ``workbench``. ``now`` is in seconds since 1970.

    A rewritten file gets an hour to be counted: it is made in another's transaction, without a workbench.
    """
    counted = {lake / path for path in connection.execute(select(segments.c.path)).scalars()}
    for file in lake.glob("[!.]*/*.parquet"):
        is_young = file.name.endswith(_REWRITTEN) and file.stat().st_mtime > now - _HOUR_SECONDS
        if file not in counted and not is_young:
            file.unlink()


def write_segment(duck: DuckDB, lake: Path, scratch: Path, brand: str, events: str) -> Segment:
    """Write the rows of an SQL query of one brand's events; the file does not count yet."""
    return _write(duck, lake, scratch, brand, events, ".parquet")


def rewrite_without(lake: Path, segment: Segment, customer_ids: Sequence[str], until: Instant) -> Segment | None:
    """The file without some customers' events up to an instant: itself where it holds none, None if nothing is left."""
    import duckdb

    file = f"read_parquet({quoted(str(lake / segment.path))})"
    with duckdb.connect() as duck:
        duck.execute("SET enable_progress_bar = false")
        duck.execute("CREATE TABLE erased AS SELECT unnest(?) AS customer_id", [list(customer_ids)])
        condition = f"customer_id IN (FROM erased) AND occurred_at <= {until}"
        counted: Any = duck.execute(f"SELECT count(*) FROM {file} WHERE {condition}").fetchone()
        held = counted[0]
        if held in (0, segment.rows):
            return segment if held == 0 else None
        kept = f"SELECT * FROM {file} WHERE NOT ({condition})"
        return _write(duck, lake, lake / folder_of(segment.brand), segment.brand, kept, _REWRITTEN)


def _write(duck: DuckDB, lake: Path, scratch: Path, brand: str, events: str, ending: str) -> Segment:
    segment_id = uuid4().hex
    unfinished = scratch / f".{segment_id}"
    duck.execute(
        f"COPY (SELECT {_COLUMNS} FROM ({events}) ORDER BY customer_id, occurred_at, event_id) "
        f"TO {quoted(str(unfinished))} (FORMAT parquet, COMPRESSION zstd)"
    )
    rows, first_at, last_at, sources = duck.execute(
        "SELECT count(*), min(occurred_at), max(occurred_at), list(DISTINCT source) "
        f"FROM read_parquet({quoted(str(unfinished))})"
    ).fetchone()
    path = f"{folder_of(brand)}/{segment_id}{ending}"
    _move_durably(unfinished, lake / path)
    return Segment(segment_id, path, rows, first_at, last_at, tuple(sorted(sources)), brand)


def folder_of(brand: str) -> str:
    """A folder's name for any brand; of a long one the beginning and a hash.

    >>> folder_of("default"), folder_of("../a b")
    ('default', '%2E%2E%2Fa%20b')
    """
    name = quote(brand, safe="").replace(".", "%2E")
    if len(name) <= _LONGEST_FOLDER:
        return name
    return f"{name[:_BEGINNING]}-{sha256(brand.encode()).hexdigest()}"


def _move_durably(unfinished: Path, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    for path, flags in ((unfinished, os.O_RDWR), (file.parent, os.O_RDONLY)):
        descriptor = os.open(path, flags)
        os.fsync(descriptor)
        os.close(descriptor)
        if path == unfinished:
            unfinished.rename(file)


def count_segments(connection: Connection, new: Iterable[Segment], now: Instant) -> None:
    """Let the files count from this transaction on."""
    for segment in new:
        connection.execute(
            insert(segments).values(
                segment_id=segment.segment_id,
                path=segment.path,
                rows=segment.rows,
                first_at=segment.first_at,
                last_at=segment.last_at,
                sources=json.dumps(segment.sources),
                brands=json.dumps([segment.brand]),
                loaded_at=now,
            )
        )


def discount_segments(connection: Connection, segment_ids: Sequence[str]) -> None:
    connection.execute(delete(segments).where(segments.c.segment_id.in_(segment_ids)))


def read_segments(connection: Connection, brand: str, source: str | None = None) -> list[Segment]:
    """The files of a brand that count, oldest first; of ``source`` those alone that hold events of it."""
    found = []
    for row in connection.execute(select(segments).order_by(segments.c.loaded_at, segments.c.segment_id)):
        sources = tuple(json.loads(row.sources))
        if brand in json.loads(row.brands) and (source is None or source in sources):
            found.append(Segment(row.segment_id, row.path, row.rows, row.first_at, row.last_at, sources, brand))
    return found


def files_sql(lake: Path, found: Sequence[Segment]) -> str:
    """The list of files as an SQL literal."""
    return "[" + ", ".join(quoted(str(lake / segment.path)) for segment in found) + "]"


def events_of_customers(lake: Path, found: Sequence[Segment], customer_ids: Sequence[str]) -> list[Event]:
    """All that the files hold of some customers."""
    return _query(lake, found, "customer_id IN (SELECT unnest(?))", [list(customer_ids)])


def events_by_key(lake: Path, found: Sequence[Segment], source: str, event_ids: Sequence[str]) -> list[Event]:
    return _query(lake, found, "source = ? AND event_id IN (SELECT unnest(?))", [source, list(event_ids)])


def _query(lake: Path, found: Sequence[Segment], condition: str, parameters: list[Any]) -> list[Event]:
    if not found:
        return []
    import duckdb

    with duckdb.connect() as connection:
        query = f"SELECT {_COLUMNS} FROM read_parquet({files_sql(lake, found)}) WHERE {condition}"
        return [event_of_row(row) for row in connection.execute(query, parameters).fetchall()]


def event_of_row(row: Sequence[Any]) -> Event:
    """The event of a row of the lake, in the order of its columns."""
    values = {name: value for name, value in zip(LAKE_COLUMNS, row, strict=True) if value is not None}
    for name in _OBJECTS:
        if name in values:
            values[name] = msgspec.json.decode(values[name])
    return msgspec.convert(values, Event)


def row_of_event(event: Event) -> tuple[Any, ...]:
    """The other way round."""
    values = [getattr(event, name) for name in LAKE_COLUMNS]
    return tuple(msgspec.json.encode(value).decode() if isinstance(value, dict) else value for value in values)
