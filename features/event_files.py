"""Files of events, taken in without a Python object per row.

A file is read and judged by DuckDB, what is new goes to the lake as Parquet, and in one transaction that file is
counted and the profiles of its customers are brought up to it. Stopped at any point before, nothing has happened but
an uncounted file, which the next ingest removes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select, tuple_

from features.brand import read_brand, settle_currency
from features.event_check import check, require_columns
from features.event_novelty import find_repeats, remaining
from features.events import DEFAULT_BRAND
from features.file_currencies import offer_in_accounting_currency
from features.file_customers import FileCustomers, customers_of
from features.ingest_report import IngestReport, Progress
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.lake import DuckDB, Segment, count_segments, open_duckdb, remove_orphans, workbench, write_segment
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
            judged_by = self._log_state(connection)
            customers = customers_of(self.duck, connection, self.store.lake)
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

    def _log_state(self, connection: Connection) -> tuple[int, int]:
        """What the verdict on the file rests on: how many events of its sources, and how many erasures, there are."""
        sources = self.duck.execute("SELECT DISTINCT brand, source FROM offered").fetchall()
        known = tuple_(events.c.brand, events.c.source).in_(sources)
        found = connection.execute(select(func.count()).select_from(events).where(known)).scalar_one() if sources else 0
        return found, connection.execute(select(func.count()).select_from(erased)).scalar_one()

    def _keep(
        self, currencies: Mapping[str, str], customers: Mapping[str, FileCustomers], judged_by: tuple[int, int]
    ) -> None:
        self.progress("writing to the lake", 0.6)
        new = list(self._segments())
        self.progress("adding up profiles", 0.7)
        added = {segment.brand: customers[segment.brand].aggregate(segment) for segment in new}
        with self.store.writing() as connection:
            if self._log_state(connection) != judged_by:
                raise UnreadableFileError("file", "read", "no events of its sources by request meanwhile; ingest again")
            for brand, currency in currencies.items():
                if settle_currency(connection, brand, currency, self.now) != currency:
                    raise UnreadableFileError("currency", currency, "the accounting currency, which was just settled")
            count_segments(connection, new, self.now)
            for segment in new:
                customers[segment.brand].keep(connection, added[segment.brand], self.now)

    def _segments(self) -> Iterator[Segment]:
        brands = self.duck.execute(f"SELECT DISTINCT brand FROM ({remaining()}) ORDER BY brand").fetchall()
        for (brand,) in brands:
            events = f"SELECT * FROM ({remaining()}) WHERE brand = {quoted(brand)}"
            yield write_segment(self.duck, self.store.lake, self.scratch, brand, events)
