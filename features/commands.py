"""The verb ``ingest``: files of events, products, customers and offers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.ingest_report import IngestReport
from features.ingest_report import Progress as Telling
from features.source_files import Reading, Source, reading_of
from features.store import Store
from features.verbs import Json, Workspace, answer, now, opened

ingest = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Take in files of Parquet, CSV or JSON lines, by their endings; the same file twice changes nothing.",
)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help=".parquet, .csv, .jsonl, .ndjson or .json.")]
Timezone = Annotated[str, typer.Option(help="Of times without a zone, such as Europe/Moscow.")]
Encoding = Annotated[str, typer.Option(help="Of text files, such as windows-1251.")]
Delimiter = Annotated[str | None, typer.Option(help="Between the columns of CSV; default: as the first line shows.")]
Map = Annotated[Path | None, typer.Option("--map", help="YAML of {their column: our column}.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Keep nothing; show what was understood.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if any row was rejected.")]
Brand = Annotated[str, typer.Option("--brand", help="Of rows without one.")]

Take = Callable[[Store, Reading, Telling], IngestReport]


@ingest.command()
def events(
    files: Files,
    timezone: Timezone = "UTC",
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = None,
    mapping: Map = None,
    dry_run: DryRun = False,
    strict: Strict = False,
    brand: Brand = DEFAULT_BRAND,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take in events: purchases, views, messages and whatever else happened."""

    def take(store: Store, reading: Reading, progress: Telling) -> IngestReport:
        from features.event_files import ingest_events

        return ingest_events(
            store,
            files,
            brand=brand,
            timezone=reading.timezone,
            encoding=reading.encoding,
            delimiter=reading.delimiter,
            mapping=reading.mapping,
            dry_run=dry_run,
            now=now(),
            progress=progress,
        )

    reading = _reading(timezone, encoding, delimiter, mapping)
    _run(take, reading, workspace, dry_run=dry_run, strict=strict, as_json=as_json)


def _entities(what: str, description: str) -> None:
    """Declare the command of one kind of entity."""

    def command(
        files: Files,
        timezone: Timezone = "UTC",
        encoding: Encoding = "utf-8",
        delimiter: Delimiter = None,
        mapping: Map = None,
        dry_run: DryRun = False,
        strict: Strict = False,
        brand: Brand = DEFAULT_BRAND,
        workspace: Workspace = None,
        as_json: Json = False,
    ) -> None:
        def take(store: Store, reading: Reading, progress: Telling) -> IngestReport:
            from features.entity_files import ingest_entities

            return ingest_entities(
                store, what, files, reading, brand=brand, now=now(), dry_run=dry_run, progress=progress
            )

        reading = _reading(timezone, encoding, delimiter, mapping)
        _run(take, reading, workspace, dry_run=dry_run, strict=strict, as_json=as_json)

    ingest.command(what, help=description)(command)


_entities("products", "Take in products; a row of a known product_id takes the former one's place.")
_entities("customers", "Take in customers and their attributes; a row of a known customer_id takes its place.")
_entities("offers", "Take in offers, also from YAML; a row of a known offer_id takes the former one's place.")


def _reading(timezone: str, encoding: str, delimiter: str | None, mapping: Path | None) -> Reading:
    """How to read, or exit 2 where the options make no sense."""
    try:
        return reading_of(timezone, encoding, delimiter, None if mapping is None else _mapping(mapping))
    except FieldError as error:
        raise typer.BadParameter(str(error)) from error


def _mapping(path: Path) -> dict[str, str]:
    try:
        found = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise FieldError("map", str(path), f"a YAML file ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(found, dict) or not all(isinstance(ours, str) for ours in found.values()):
        raise FieldError("map", str(path), "YAML of {their column: our column}")
    return {str(theirs): ours for theirs, ours in found.items()}


def _run(take: Take, reading: Reading, workspace: Path | None, *, dry_run: bool, strict: bool, as_json: bool) -> None:
    with opened(workspace, as_json=as_json) as store, _progress() as progress:
        report = take(store, reading, progress)
    if dry_run:
        _show_understood(report, reading)
    _answer(report, as_json)
    if strict and report.rejected:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Telling]:
    """A bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def _show_understood(report: IngestReport, reading: Reading) -> None:
    """What the columns were taken for, on standard error."""
    for source in report.understood:
        typer.echo(
            f"{source.path.name}: {_form(source, reading)}, times without a zone in {reading.timezone}", err=True
        )
        for column in source.columns:
            typer.echo(f"  {column.name} → {column.meaning}", err=True)


def _form(source: Source, reading: Reading) -> str:
    if source.form != "csv":
        return {"json": "JSON lines", "parquet": "Parquet"}[source.form]
    commas = ", decimal commas" if source.has_decimal_commas else ""
    return f"CSV divided by {source.delimiter!r} in {reading.encoding}{commas}"


def _answer(report: IngestReport, as_json: bool) -> None:
    counts: dict[str, object] = {
        "accepted": report.accepted,
        "duplicates": report.duplicates,
        "rejected": report.rejected,
        "quarantine": None if report.quarantine is None else str(report.quarantine),
    }
    lines = (f"{name}: {'none' if value is None else value}" for name, value in counts.items())
    answer(counts, "\n".join(lines), as_json=as_json)
