"""The verb ``brand``: put a brand file in force, and show what holds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from features.brand import BrandSettings, apply_brand, read_brand, read_brand_file
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.settings import read_settings
from features.store import Store, open_store

brand = typer.Typer(no_args_is_help=True, add_completion=False, help="Settings of a brand.")

Workspace = Annotated[Path | None, typer.Option("--workspace", help="Folder of everything that is kept.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")]


@brand.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The brand file, YAML.")],
    name: Annotated[str | None, typer.Option("--brand", help="Refuse a file of any other brand.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Let the settings of a brand file hold from now on, in place of the brand's former ones."""
    with _opened(workspace, as_json) as store:
        settings = read_brand_file(file)
        if name not in (None, settings.brand):
            raise FieldError("brand", settings.brand, f"{name}, as --brand says")
        with store.writing() as connection:
            apply_brand(connection, settings, time.time_ns() // 1_000)
            holding = read_brand(connection, settings.brand)
    _answer(holding, as_json)


@brand.command("show")
def show(
    name: Annotated[str, typer.Option("--brand", help="The brand to show.")] = DEFAULT_BRAND,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """The settings that hold for a brand, those of the brands it extends included."""
    with _opened(workspace, as_json) as store, store.reading() as connection:
        holding = read_brand(connection, name)
    _answer(holding, as_json)


@contextmanager
def _opened(workspace: Path | None, as_json: bool) -> Iterator[Store]:
    """The store; what is wrong with a setting or a file is said, and the exit status is 1."""
    try:
        settings = read_settings(workspace)
        store = open_store(settings.workspace, settings.database_url)
        try:
            yield store
        finally:
            store.close()
    except FieldError as error:
        if as_json:
            refusal = {"error": {"code": error.code, "message": str(error), "field": error.field}}
            typer.echo(msgspec.json.encode(refusal).decode())
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _answer(settings: BrandSettings, as_json: bool) -> None:
    if as_json:
        typer.echo(settings.model_dump_json(by_alias=True))
        return
    for name, value in settings.model_dump(mode="json", by_alias=True).items():
        typer.echo(f"{name}: {'unset' if value is None else value}")
