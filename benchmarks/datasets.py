"""The data that models are measured on, each in a store of its own, loaded as a user would load it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb

from features.entity_files import ingest_entities
from features.event_files import ingest_events
from features.events import DEFAULT_BRAND
from features.instant import parse
from features.source_files import reading_of
from features.store import Store, open_store

NOW = parse("2026-01-01")
ENTITIES = ("products", "customers", "offers")
ENDINGS = ("parquet", "csv", "jsonl", "ndjson", "json")

# Times are days; orders of one customer and day are one order.
_CDNOW = """
select row_number() over () || '' as event_id, 'cdnow' as source, 'purchase' as type, column0 as customer_id,
    strptime(column1, '%Y%m%d') + interval 12 hour as occurred_at, 'web' as channel,
    column2::double as quantity, column3::decimal(12, 2) as amount, 'USD' as currency,
    column0 || '-' || column1 as order_id
from read_csv($path, delim = ' ', header = false, skip = 1, columns = {
    'column0': 'varchar', 'column1': 'varchar', 'column2': 'varchar', 'column3': 'varchar'})
"""


class NoDataError(Exception):
    """What was asked for is not there."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A history under a brand of a store."""

    name: str
    store: Store
    brand: str = DEFAULT_BRAND


@contextmanager
def complete_journey() -> Iterator[DataSet]:
    from training.datasets.complete_journey import write_complete_journey

    with _workspace() as (folder, store):
        files = write_complete_journey(folder / "files")
        ingest_events(store, [files.events], now=NOW)
        for what, path in (("products", files.products), ("customers", files.customers)):
            ingest_entities(store, what, [path], reading_of("UTC"), brand=DEFAULT_BRAND, now=NOW)
        yield DataSet("Complete Journey", store)


@contextmanager
def cdnow() -> Iterator[DataSet]:
    """Purchases of 23,570 customers who first bought in the first quarter of 1997, until June 1998.

    Raises
    ------
    NoDataError
        If the package that carries the file is not installed.
    """
    found = find_spec("lifetimes")
    if found is None or found.origin is None:
        raise NoDataError("the package lifetimes is not installed")
    source = Path(found.origin).parent / "datasets" / "CDNOW_master.txt"
    with _workspace() as (folder, store):
        lines = [" ".join(line.split()) for line in source.read_text().splitlines()]
        (folder / "lines.txt").write_text("\n".join(lines))
        with duckdb.connect() as connection:
            relation = connection.sql(_CDNOW, params={"path": str(folder / "lines.txt")})
            relation.write_parquet(str(folder / "events.parquet"))
        ingest_events(store, [folder / "events.parquet"], now=NOW)
        yield DataSet("CDNOW", store)


@contextmanager
def contract_folder(path: Path) -> Iterator[DataSet]:
    """Files named events, products, customers and offers, in any form that ``ingest`` reads.

    Raises
    ------
    NoDataError
        If there are no events.
    """
    with _workspace() as (_, store):
        events = _files(path, "events")
        if not events:
            raise NoDataError(f"{path}: no file of events (expected events.parquet, events.csv or events.jsonl)")
        ingest_events(store, events, now=NOW)
        for what in ENTITIES:
            if found := _files(path, what):
                ingest_entities(store, what, found, reading_of("UTC"), brand=DEFAULT_BRAND, now=NOW)
        yield DataSet(path.resolve().name, store)


def _files(folder: Path, what: str) -> list[Path]:
    return sorted(path for ending in ENDINGS for path in folder.glob(f"{what}*.{ending}"))


@contextmanager
def _workspace() -> Iterator[tuple[Path, Store]]:
    with tempfile.TemporaryDirectory(prefix="lagniappe-benchmark-") as scratch:
        store = open_store(Path(scratch) / "workspace")
        try:
            yield Path(scratch), store
        finally:
            store.close()
