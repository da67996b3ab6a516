"""What all verbs have in common: their options, the store they open, how they answer and how they refuse."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from sqlalchemy.exc import OperationalError

from features.errors import FieldError
from features.instant import ASKED_FOR, Instant, parse_asked
from features.settings import read_settings
from features.store import Store, open_store

if TYPE_CHECKING:
    from rich.console import RenderableType


def as_instant(text: str) -> Instant:
    try:
        return parse_asked(text)
    except ValueError as error:
        raise typer.BadParameter(f"got {text!r}, expected {ASKED_FOR}") from error


Workspace = Annotated[Path | None, typer.Option("--workspace", help="Folder of everything that is kept.")]
Brand = Annotated[str, typer.Option("--brand", help="The brand to work on.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Clock = Annotated[
    int | None, typer.Option("--clock", parser=as_instant, metavar="T", help="Take T for now, as 'serve --clock' does.")
]


@contextmanager
def opened(workspace: Path | None, *further: type[Exception], as_json: bool) -> Iterator[Store]:
    """The store of the settings; what is wrong with what was given is said as by :func:`refusing`."""
    with refusing(*further, as_json=as_json):
        settings = read_settings(workspace)
        store = open_store(settings.workspace, settings.database_url)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def refusing(*further: type[Exception], as_json: bool) -> Iterator[None]:
    """A field, a file or a store that cannot be used, and what is of ``further``, is said; the exit status is 1."""
    expected: tuple[type[Exception], ...] = (FieldError, OSError, *further)
    try:
        yield
    except expected as error:
        refuse(getattr(error, "code", "failed"), str(error), getattr(error, "field", None), as_json=as_json)
        raise typer.Exit(1) from error
    except OperationalError as error:
        refuse("store", f"the store cannot be used: {' '.join(str(error.orig).split())}", as_json=as_json)
        raise typer.Exit(1) from error


def refuse(code: str, message: str, field: str | None = None, *, as_json: bool) -> None:
    """Say on standard error what is wrong and, for programs, in the document on standard output."""
    if as_json:
        refusal = {"code": code, "message": message, "field": field}
        typer.echo(msgspec.json.encode({"error": refusal}).decode())
    typer.echo(message, err=True)


def answer(document: Any, shown: "RenderableType", *, as_json: bool) -> None:
    """One JSON document, or what people read; plain lines are never folded, so that a path stays whole."""
    if as_json:
        typer.echo(msgspec.json.encode(document).decode())
    elif isinstance(shown, str):
        typer.echo(shown)
    else:
        from rich.console import Console

        Console().print(shown)


def now(clock: Instant | None = None) -> Instant:
    """The instant that was given for now, else the system's."""
    return time.time_ns() // 1_000 if clock is None else clock
