"""What the verbs of this package have in common: their options, the store they open, and how they answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from features.errors import FieldError
from features.instant import Instant, parse
from features.settings import read_settings
from features.store import Store, open_store

Workspace = Annotated[Path | None, typer.Option("--workspace", help="Folder of everything that is kept.")]
Brand = Annotated[str, typer.Option("--brand", help="The brand to work on.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Report = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much."""


def as_instant(text: str) -> Instant:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"got {text!r}, expected a date or time such as 2017-11-20T00:00:00Z") from error


AsOf = Annotated[
    int, typer.Option("--as-of", parser=as_instant, metavar="T", help="Nothing that happened at or after T is read.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")]


@contextmanager
def opened(workspace: Path | None, *, as_json: bool) -> Iterator[Store]:
    """The store of the settings; what is wrong with what was given is said, and the exit status is 1."""
    try:
        settings = read_settings(workspace)
        store = open_store(settings.workspace, settings.database_url)
        try:
            yield store
        finally:
            store.close()
    except (FieldError, OSError) as error:
        if as_json:
            typer.echo(msgspec.json.encode({"error": {"message": str(error)}}).decode())
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress() -> Iterator[Report]:
    """A bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)
        yield lambda what, done, total: shown.update(task, description=what, completed=done, total=total)


def answer(document: Any, shown: RenderableType, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(document).decode())
    else:
        Console().print(shown)


def now() -> Instant:
    return time.time_ns() // 1_000
