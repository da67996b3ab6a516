"""The verb ``serve``: the BentoML service and, where MLflow is installed, the process that follows its aliases."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from types import FrameType
from typing import Annotated

import typer

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import Instant, to_iso
from features.parent_death import ending_with_us
from features.settings import Settings, read_settings
from features.verbs import Json, Workspace, answer, as_instant, opened
from serving.environment import BRAND_VARIABLE, CLOCK_VARIABLE
from serving.webhook_address import ALLOW_VARIABLE, literal, read_allowed

SERVICE = "serving.service:Lagniappe"
SERVICE_NAME = "lagniappe"
GRACE_SECONDS = 15.0
"""Given to requests under way when the service is stopped."""
_ROOT = Path(__file__).resolve().parent.parent

Process = subprocess.Popen[bytes]


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="To listen at.")] = 3000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer.")] = 1,
    clock: Annotated[
        int | None, typer.Option(parser=as_instant, metavar="T", help="Let the service's clock stand at T.")
    ] = None,
    host: Annotated[str, typer.Option(help="IPv4 address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    workspace: Workspace = None,
    brand: Annotated[str, typer.Option("--brand", help="Of requests that name none.")] = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Answer requests until told to stop."""
    with opened(workspace, as_json=as_json):
        _require_free(host, port)
        read_allowed()  # else every worker would say that it cannot be read
    environment = _environment(read_settings(workspace), workers, clock, brand)
    if (listens_at := literal(host)) is not None and listens_at.is_loopback:
        environment.setdefault(ALLOW_VARIABLE, "loopback")  # who can ask us is on this machine anyway
    with _ending_on_signals(), _running(_commands(host, port), environment) as service:
        if _is_ready_at_last(service, host, port):
            address, stands_at = f"http://{host}:{port}", None if clock is None else to_iso(clock)
            document = {"address": address, "workers": workers, "clock": stands_at}
            answer(document, f"Serving at {address}" + (f", as of {stands_at}" if stands_at else ""), as_json=as_json)
            sys.stdout.flush()
        status = service.wait()
        typer.echo(f"the service ended by itself with status {status}", err=True)
    raise typer.Exit(1)


def _require_free(host: str, port: int) -> None:
    with socket() as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise FieldError("port", port, f"a port of {host} that is free ({error.strerror})", "taken") from error


def _commands(host: str, port: int) -> list[list[str]]:
    """The service first; then, where it can be, what follows MLflow."""
    service = ["-m", "bentoml", "serve", SERVICE, "--working-dir", str(_ROOT), "--host", host, "--port", str(port)]
    follower = [["-m", "serving.follow_mlflow"]] if find_spec("mlflow") else []
    return [[sys.executable, *arguments] for arguments in (service, *follower)]


def _environment(settings: Settings, workers: int, clock: Instant | None, brand: str) -> dict[str, str]:
    """What the processes are told; what BentoML keeps goes into the workspace, and it tells nobody of us."""
    workspace = settings.workspace.resolve()
    given = os.environ.get("BENTOML_CONFIG_OPTIONS", "")
    environment = {
        "BENTOML_HOME": str(workspace / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        **os.environ,
        "BENTOML_CONFIG_OPTIONS": f"{given} services.{SERVICE_NAME}.workers={workers}".strip(),
        "LAGNIAPPE_WORKSPACE": str(workspace),
        BRAND_VARIABLE: brand,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
    }
    environment.pop(CLOCK_VARIABLE, None)
    return environment if clock is None else {**environment, CLOCK_VARIABLE: to_iso(clock)}


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Leave in good order when asked to: by Ctrl+C, a terminal that closes, or whoever supervises."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in former:
            signal.signal(number, signal.SIG_IGN)  # asked once more: it is ending already
        raise typer.Exit(0)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _running(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Iterator[Process]:
    """The first of the processes; all of them are stopped at the end. What they say goes to standard error.

    Each has a session of its own, so that Ctrl+C tells them to end once, by us, and not at the same time as us.
    """
    children: list[Process] = []
    try:
        for command in commands:
            ours = ending_with_us(command)
            said = sys.stderr.fileno()
            children.append(subprocess.Popen(ours, env=environment, stdout=said, start_new_session=True))  # noqa: S603
        yield children[0]
    finally:
        _stop(children)


def _stop(children: Sequence[Process]) -> None:
    for child in children:
        child.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for child in children:
        try:
            child.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _is_ready_at_last(service: Process, host: str, port: int) -> bool:
    """Whether it became ready; otherwise it has ended."""
    while service.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=2.0)  # noqa: S104
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    return False
