"""Files of products, customers and offers: each row parsed, the good ones kept, the others quarantined."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from sqlalchemy import Connection, Table, select

from features import schema
from features.catalogue import upsert_offers, upsert_products
from features.customer_intake import take_customers
from features.entities import Customer, Offer, Product
from features.entity_border import offer_rows, parse_customer, parse_offer, parse_product
from features.errors import FieldError
from features.ingest_report import IngestReport, Progress
from features.instant import Instant
from features.lake import DuckDB, columns_sql, insert_rows, open_duckdb, workbench
from features.quarantine import write_quarantine
from features.source_files import Column, Reading, Source, UnreadableFileError, look_at
from features.source_rows import read
from features.store import Store

Row = Mapping[str, object]
Entity = Product | Customer | Offer
_YAML = (".yaml", ".yml")
_CHUNK = 5_000
_PARSED = {"position": "BIGINT", "brand": "VARCHAR", "body": "VARCHAR"}
_TEXTS = frozenset(("name", "brand", "category", "department", "maker", "kind", "language", "tier"))
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9][0-9 \u00a0\u202f]*,[0-9]+")


@dataclass(frozen=True, slots=True)
class EntityKind:
    """How one kind of entity is parsed and kept."""

    key: str
    table: Table
    type: type[Entity]
    parse: Callable[..., Entity]


KINDS = {
    "products": EntityKind("product_id", schema.products, Product, parse_product),
    "customers": EntityKind("customer_id", schema.customers, Customer, parse_customer),
    "offers": EntityKind("offer_id", schema.offers, Offer, parse_offer),
}


def ingest_entities(
    store: Store,
    what: str,
    paths: Sequence[Path],
    reading: Reading,
    *,
    brand: str,
    now: Instant,
    dry_run: bool = False,
    progress: Progress = lambda _, __: None,
) -> IngestReport:
    """Take in files of ``products``, ``customers`` or ``offers``; ``brand`` is that of rows without one.

    Raises
    ------
    UnreadableFileError
        If a file cannot be read or lacks the column of the id.
    """
    report = IngestReport(0, 0, 0)
    with workbench(store.lake) as scratch:
        for number, path in enumerate(paths):
            progress(f"reading {path.name}", number / len(paths))
            (scratch / "work.duckdb").unlink(missing_ok=True)
            with open_duckdb(scratch) as duck:
                source = _open(duck, path, KINDS[what], reading, scratch)
                report += _Intake(store, duck, KINDS[what], source, reading, brand, now, dry_run).run()
        progress("done", 1.0)
    return report


def _open(duck: DuckDB, path: Path, kind: EntityKind, reading: Reading, scratch: Path) -> Source:
    """The file as the table ``raw``; a YAML file becomes one of JSON lines first."""
    if path.name.lower().endswith(_YAML):
        path = _as_json_lines(path, scratch)
    source = look_at(duck, path, reading)
    meanings = [column.meaning for column in source.columns]
    if meanings and kind.key not in meanings:
        expected = f"a column of that name among {', '.join(meanings)[:300]}"
        raise UnreadableFileError(kind.key, None, expected, "missing")
    read(duck, source, reading, scratch)
    return source


def _as_json_lines(path: Path, scratch: Path) -> Path:
    try:
        rows = offer_rows(yaml.safe_load(path.read_bytes()))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnreadableFileError("file", path.name, f"YAML ({' '.join(str(error).split())[:300]})") from error
    lines = scratch / f"{path.stem}.jsonl"
    lines.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows) or b"{}")
    return lines


@dataclass(slots=True)
class _Intake:
    store: Store
    duck: DuckDB
    kind: EntityKind
    source: Source
    reading: Reading
    brand: str
    now: Instant
    dry_run: bool

    def run(self) -> IngestReport:
        self.duck.execute("CREATE OR REPLACE TABLE refused (position BIGINT, field VARCHAR, reason VARCHAR)")
        self._parse()
        with self.store.writing() as connection:
            accepted, duplicates = self._keep_all(connection)
            if self.dry_run:
                connection.rollback()
        counts = "SELECT (SELECT count(*) FROM refused) + (SELECT count(*) FROM malformed)"
        rejected = self.duck.execute(counts).fetchone()[0]
        path = None if self.dry_run else write_quarantine(self.duck, self.source, self.store.quarantine, self.now)
        return IngestReport(accepted, duplicates, rejected, path, (self.source,))

    def _parse(self) -> None:
        """Put the good rows into ``parsed``, so that the store's writer need not wait for it; refuse the others."""
        self.duck.execute(f"CREATE OR REPLACE TABLE parsed ({columns_sql(_PARSED)})")
        for rows in _rows(self.duck, self.source, self.reading):
            good = []
            for position, row in rows:
                try:
                    entity = self.kind.parse(row, timezone=self.reading.timezone, brand=self.brand)
                    good.append((position, entity.brand, msgspec.json.encode(entity).decode()))
                except FieldError as error:
                    self._refuse(position, error)
            insert_rows(self.duck, "parsed", _PARSED, good)

    def _keep_all(self, connection: Connection) -> tuple[int, int]:
        accepted = duplicates = 0
        for (brand,) in self.duck.execute("SELECT DISTINCT brand FROM parsed ORDER BY brand").fetchall():
            for positions, entities in self._parsed(brand):
                new, old = self._keep(connection, brand, entities, positions)
                accepted, duplicates = accepted + new, duplicates + old
        return accepted, duplicates

    def _parsed(self, brand: str) -> Iterator[tuple[list[int], list[Entity]]]:
        """The entities of a brand with their positions, in the order of the file, some thousands at a time."""
        cursor = self.duck.cursor()
        cursor.execute("SELECT position, body FROM parsed WHERE brand = ? ORDER BY position", [brand])
        decode = msgspec.json.Decoder(self.kind.type).decode
        while rows := cursor.fetchmany(_CHUNK):
            yield [position for position, _ in rows], [decode(body) for _, body in rows]

    def _refuse(self, position: int, error: FieldError) -> None:
        self.duck.execute("INSERT INTO refused VALUES (?, ?, ?)", [position, error.field, error.reason])

    def _keep(self, connection: Connection, brand: str, entities: list[Any], positions: list[int]) -> tuple[int, int]:
        """How many were new or changed, and how many there already as they are."""
        if self.kind.table is not schema.customers:
            return _keep_in_catalogue(connection, self.kind, brand, entities, self.now)
        intake = take_customers(connection, brand, entities, self.now)
        for position, error in intake.refused.items():
            self._refuse(positions[position], error)
        if intake.stale:
            from features.bulk_profiles import fold_anew

            fold_anew(connection, self.duck, self.store.lake, brand, intake.stale)
        return intake.accepted, intake.duplicates


def _keep_in_catalogue(
    connection: Connection, kind: EntityKind, brand: str, entities: list[Any], now: Instant
) -> tuple[int, int]:
    key = kind.table.c[kind.key]
    ids = sorted({getattr(entity, kind.key) for entity in entities})
    known: dict[str, Any] = {}
    for start in range(0, len(ids), 400):
        query = select(key, kind.table.c.body).where(kind.table.c.brand == brand, key.in_(ids[start : start + 400]))
        known |= dict(connection.execute(query).all())
    new = {}
    duplicates = 0
    for entity in entities:
        name, body = getattr(entity, kind.key), msgspec.json.encode(entity).decode()
        if known.get(name) == body:
            duplicates += 1
        else:
            known[name], new[name] = body, entity
    upsert = upsert_products if kind.table is schema.products else upsert_offers
    upsert(connection, list(new.values()), now)
    return len(entities) - duplicates, duplicates


def _rows(duck: DuckDB, source: Source, reading: Reading) -> Iterator[list[tuple[int, Row]]]:
    """Rows by our names, with their positions, some thousands at a time."""
    cursor = duck.cursor()
    cursor.execute("SET TimeZone = 'UTC'")
    names = ", ".join(column.raw for column in source.columns) if source.form != "json" else "line"
    cursor.execute(f"SELECT rowid, {names} FROM raw ORDER BY rowid")  # noqa: S608 — names of our own making
    while rows := cursor.fetchmany(_CHUNK):
        if source.form == "json":
            yield [(row[0], _renamed(msgspec.json.decode(row[1]), reading)) for row in rows]
        else:
            yield [(row[0], _of_table(source, row[1:])) for row in rows]


def _renamed(row: Row, reading: Reading) -> Row:
    return {reading.mapping.get(name, name): value for name, value in row.items()}


def _of_table(source: Source, values: Sequence[object]) -> Row:
    cells = zip(source.columns, values, strict=True)
    return {column.meaning: _cell(column, value, source.has_decimal_commas) for column, value in cells}


def _cell(column: Column, value: object, has_decimal_commas: bool) -> object:
    """The value; a number with a decimal comma gets a point, unless the column is an id or a text."""
    is_text = column.meaning in _TEXTS or column.meaning.endswith("_id")
    if has_decimal_commas and not is_text and isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        return re.sub(r"[ \u00a0\u202f]", "", value.strip()).replace(",", ".")
    return value
