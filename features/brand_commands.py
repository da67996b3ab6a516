"""The verb ``brand``: put a brand file in force, and show what holds."""

from pathlib import Path
from typing import Annotated

import typer

from features.brand import BrandSettings, read_brand, read_brand_file
from features.brand_timezone import put_in_force
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.verbs import Json, Workspace, answer, now, opened

brand = typer.Typer(no_args_is_help=True, add_completion=False, help="Settings of a brand.")


@brand.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The brand file, YAML.")],
    name: Annotated[str | None, typer.Option("--brand", help="Refuse a file of any other brand.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Let the settings of a brand file hold from now on, in place of the brand's former ones."""
    with opened(workspace, as_json=as_json) as store:
        settings = read_brand_file(file)
        if name not in (None, settings.brand):
            raise FieldError("brand", settings.brand, f"{name}, as --brand says")
        holding = put_in_force(store, settings, now())
    for name in ("caps", "holdout"):
        if getattr(settings.share, name):
            typer.echo(f"share.{name}: kept, but without effect in this version", err=True)
    _answer(holding, as_json)


@brand.command("show")
def show(
    name: Annotated[str, typer.Option("--brand", help="The brand to show.")] = DEFAULT_BRAND,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """The settings that hold for a brand, those of the brands it extends included."""
    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        holding = read_brand(connection, name)
    _answer(holding, as_json)


def _answer(settings: BrandSettings, as_json: bool) -> None:
    document = settings.model_dump(mode="json", by_alias=True)
    lines = (f"{name}: {'unset' if value is None else value}" for name, value in document.items())
    answer(document, "\n".join(lines), as_json=as_json)
