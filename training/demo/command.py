"""The verb ``demo``: loads real data, trains the models, starts the service, asks it for an offer, shows the answer."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from features.errors import FieldError
from features.settings import read_settings
from features.verbs import Json, refuse
from training.demo.errors import DemoError
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.demo.place import Place

_TERMINATED = 143


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when all is shown; without it, stay until Ctrl+C.")] = False,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", help="A folder of the demo's own; by default 'demo' in the workspace.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the service; by default any free one.")] = None,
    as_json: Json = False,
) -> None:
    """Real data once round the loop: load, train, serve, ask for an offer; shown here and as an HTML page."""
    from training.demo.place import make_place

    try:
        with _ending_when_told():
            place = make_place(workspace or read_settings().workspace / "demo")
            _run(place, port, once=once, as_json=as_json)
    except (DemoError, FieldError, TrainingError) as error:
        _refuse(error, as_json=as_json)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _run(place: "Place", port: int | None, *, once: bool, as_json: bool) -> None:
    from training.demo.loop import load_and_train, served
    from training.demo.page import render
    from training.demo.service import chosen_port
    from training.demo.stage import Stage
    from training.demo.terminal import show

    service_port = chosen_port(port)
    stage = Stage(Console(stderr=True), place.log)
    loaded = load_and_train(place, stage)
    with served(loaded, service_port, stage) as findings:
        place.page.write_text(render(findings), encoding="utf-8")
        if as_json:
            typer.echo(msgspec.json.encode(findings).decode())
        else:
            show(findings, Console())
        sys.stdout.flush()
        if not once:
            _stay(place)


def _stay(place: "Place") -> None:
    """Until Ctrl+C, with MLflow's pages beside the service."""
    from training.demo.children import running
    from training.demo.loop import mlflow_command
    from training.demo.service import HOST, chosen_port

    port = chosen_port(None)
    command = [sys.executable, "-m", *mlflow_command(place.workspace, port)]
    with running(command, place.log):
        typer.echo(f"MLflow starts at http://{HOST}:{port}. Ctrl+C ends the demo.", err=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            typer.echo("stopping", err=True)


def _refuse(error: Exception, *, as_json: bool) -> None:
    refuse(getattr(error, "code", "demo"), str(error), getattr(error, "field", None), as_json=as_json)
    if said := getattr(error, "said", ""):
        typer.echo(said, err=True)


@contextmanager
def _ending_when_told() -> Iterator[None]:
    """A request to end (SIGTERM) leaves by the same way as an error: through everything that must be stopped."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
