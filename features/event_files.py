"""Files of events, taken in without a Python object per row.

A file is read and judged by DuckDB, and what is new goes to the lake as Parquet, some thousands of customers at a
time: in one short transaction that part is counted and their profiles are brought up to it. Stopped at any point, the
parts that were counted are in, and the same file again brings the rest; an uncounted part the next ingest removes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from features.brand import read_brand, settle_currency
from features.event_check import check, require_columns
from features.event_novelty import find_repeats, remaining
from features.events import DEFAULT_BRAND
from features.file_currencies import offer_in_accounting_currency
from features.file_customers import FileCustomers, customers_of
from features.ingest_report import IngestReport, Progress
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.lake import (
    DuckDB,
    Segment,
    columns_sql,
    count_segments,
    insert_rows,
    open_duckdb,
    remove_orphans,
    workbench,
    write_segment,
)
from features.profiles import Profiles
from features.quarantine import write_quarantine
from features.schema import erased, events
from features.source_files import Reading, Source, UnreadableFileError, look_at, quoted, reading_of
from features.source_rows import read
from features.store import Store

FILE_SOURCE = "file"


def ingest_events(
    store: Store,
    paths: Sequence[Path],
    *,
    brand: str = DEFAULT_BRAND,
    timezone: str = "UTC",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    now: Instant,
    progress: Progress = lambda _, __: None,
) -> IngestReport:
    """Take in files of events, one after the other; ``brand`` is that of rows without one.

    Raises
    ------
    FieldError
        If the settings are wrong; before anything is read.
    UnreadableFileError
        If a file cannot be read or lacks a required column; before anything of any file is kept where its beginning
        shows it.
    """
    reading = reading_of(timezone, encoding, delimiter, mapping)
    report = IngestReport(0, 0, 0)
    with workbench(store.lake) as scratch:
        with open_duckdb(scratch) as duck:
            for path in paths:
                require_columns(look_at(duck, path, reading))
        if not dry_run:
            with store.reading() as connection:
                remove_orphans(store.lake, connection, now / MICROSECONDS_PER_SECOND)
        for number, path in enumerate(paths):
            (scratch / "work.duckdb").unlink(missing_ok=True)
            with open_duckdb(scratch) as duck:
                one = _Ingest(store, duck, scratch, reading, brand, now, _of_one(progress, number, len(paths)))
                report += one.run(path, dry_run=dry_run)
    return report


def _of_one(progress: Progress, number: int, count: int) -> Progress:
    return lambda what, share: progress(what, (number + share) / count)


@dataclass(frozen=True, slots=True)
class _Ingest:
    store: Store
    duck: DuckDB
    scratch: Path
    reading: Reading
    brand: str
    now: Instant
    progress: Progress

    def run(self, path: Path, *, dry_run: bool) -> IngestReport:
        self.progress(f"reading {path.name}", 0.0)
        source = look_at(self.duck, path, self.reading)
        read(self.duck, source, self.reading, self.scratch)
        self.progress(f"checking {path.name}", 0.2)
        check(self.duck, source, self.reading, default_source=FILE_SOURCE, brand=self.brand, received_at=self.now)
        with self.store.reading() as connection:
            currencies = self._judge(connection)
            customers = customers_of(self.duck, connection, self.store.lake)
            judged_by = {brand: self._log_state(connection, brand) for brand in customers}
        report = self._report(source)
        if dry_run:
            return report
        quarantine = write_quarantine(self.duck, source, self.store.quarantine, self.now)
        if report.accepted:
            self._keep(currencies, customers, judged_by)
        self.progress(f"{path.name} is in", 1.0)
        return IngestReport(report.accepted, report.duplicates, report.rejected, quarantine, (source,))

    def _judge(self, connection: Connection) -> dict[str, str]:
        """Fill ``refused`` and ``repeats``; the accounting currency of each brand that names one."""
        self.duck.execute(
            "CREATE OR REPLACE TABLE refused AS SELECT position, field, reason FROM checked WHERE reason IS NOT NULL"
        )
        currencies = offer_in_accounting_currency(self.duck, lambda brand: read_brand(connection, brand).currency)
        self.progress("looking for repeats", 0.4)
        find_repeats(self.duck, connection, self.store.lake)
        return currencies

    def _report(self, source: Source) -> IngestReport:
        accepted, duplicates, rejected = self.duck.execute(
            f"SELECT (SELECT count(*) FROM ({remaining()})), (SELECT count(*) FROM repeats), "
            "(SELECT count(*) FROM refused) + (SELECT count(*) FROM malformed)"
        ).fetchone()
        return IngestReport(accepted, duplicates, rejected, None, (source,))

    def _log_state(self, connection: Connection, brand: str) -> tuple[int, int]:
        """What the verdict on a brand rests on: how many events of the file's sources, and erasures, it has."""
        sources = self.duck.execute("SELECT DISTINCT source FROM offered WHERE brand = ?", [brand]).fetchall()
        known = (events.c.brand == brand) & events.c.source.in_([row[0] for row in sources])
        found = connection.execute(select(func.count()).select_from(events).where(known)).scalar_one()
        is_mine = erased.c.brand == brand
        return found, connection.execute(select(func.count()).select_from(erased).where(is_mine)).scalar_one()

    def _keep(
        self,
        currencies: Mapping[str, str],
        customers: Mapping[str, FileCustomers],
        judged_by: Mapping[str, tuple[int, int]],
    ) -> None:
        self.progress("writing to the lake", 0.6)
        self._accept(customers)
        for brand, mine in customers.items():
            parts = mine.in_parts(self._count(brand))
            segments = [self._segment(part) for part in parts]
            self.progress("adding up profiles", 0.7)
            added = mine.aggregate(segments)
            for number, (part, segment) in enumerate(zip(parts, segments, strict=True)):
                self.progress("keeping profiles", 0.8 + 0.2 * number / len(parts))
                self._keep_part(part, segment, added, currencies, judged_by[brand])

    def _accept(self, customers: Mapping[str, FileCustomers]) -> None:
        """Make ``accepted``: the rows that remain, in order of whom their customer becomes (``who``)."""
        joined = [(brand, name, person) for brand, mine in customers.items() for name, person in mine.becomes.items()]
        columns = {"brand": "VARCHAR", "customer_id": "VARCHAR", "person": "VARCHAR"}
        self.duck.execute(f"CREATE OR REPLACE TABLE becomes ({columns_sql(columns)})")
        insert_rows(self.duck, "becomes", columns, joined)
        self.duck.execute(
            f"CREATE OR REPLACE TABLE accepted AS SELECT *, coalesce(person, customer_id) AS who FROM ({remaining()}) "
            "LEFT JOIN becomes USING (brand, customer_id) ORDER BY brand, who"
        )

    def _count(self, brand: str) -> int:
        found = self.duck.execute("SELECT count(*) FROM accepted WHERE brand = ?", [brand]).fetchone()
        return int(found[0])

    def _segment(self, part: FileCustomers) -> Segment:
        persons = part.persons()
        rows = (
            f"SELECT * FROM accepted WHERE brand = {quoted(part.brand)} "
            f"AND who BETWEEN {quoted(persons[0])} AND {quoted(persons[-1])}"
        )
        return write_segment(self.duck, self.store.lake, self.scratch, part.brand, rows)

    def _keep_part(
        self,
        part: FileCustomers,
        segment: Segment,
        added: Sequence[Profiles],
        currencies: Mapping[str, str],
        judged_by: tuple[int, int],
    ) -> None:
        """Count some customers' rows and bring their profiles up to them; all that can be is done before the lock."""
        with self.store.reading() as connection:
            merged = part.merge(connection, added)
        with self.store.writing() as connection:
            if self._log_state(connection, part.brand) != judged_by:
                raise UnreadableFileError("file", "read", "no events of its sources by request meanwhile; ingest again")
            for brand, currency in currencies.items():
                if settle_currency(connection, brand, currency, self.now) != currency:
                    raise UnreadableFileError("currency", currency, "the accounting currency, which was just settled")
            count_segments(connection, [segment], self.now)
            part.keep(connection, merged, self.now)
