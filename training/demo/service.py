"""The service as its users see it: started by the verb, asked over HTTP, with the milliseconds that an answer took."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import msgspec

from training.demo.children import command_line, last_lines, running
from training.demo.errors import DemoError
from training.demo.findings import Call

HOST = "127.0.0.1"
_START_SECONDS = 90.0
_ANSWER_SECONDS = 60.0


class Client:
    """One kept connection to the service."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)

    def ask(self, path: str, request: dict[str, Any]) -> Call:
        """
        Raises
        ------
        DemoError
            If the answer is an error.
        """
        body = msgspec.json.encode(request)
        started = time.perf_counter()
        try:
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"the service did not answer {path}: {error}") from error
        milliseconds = (time.perf_counter() - started) * 1_000
        if answer.status != http.client.OK:
            raise DemoError(f"{path} answered {answer.status}", content.decode(errors="replace")[:2_000])
        return Call(path, request, msgspec.json.decode(content), milliseconds)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def starting_service(workspace: Path, clock: str, port: int, log: Path) -> Iterator["Popen[bytes]"]:
    """The service at a frozen clock, not ready yet; it is stopped at the end."""
    arguments = ["serve", "--workspace", str(workspace), "--clock", clock, "--port", str(port)]
    with running(command_line(arguments), log) as process:
        yield process


@contextmanager
def asking(process: "Popen[bytes]", port: int, log: Path) -> Iterator[Client]:
    """A client of the service, once that is ready.

    Raises
    ------
    DemoError
        If it does not become ready.
    """
    _wait_until_ready(process, port, log)
    client = Client(port)
    try:
        yield client
    finally:
        client.close()


def chosen_port(asked: int | None) -> int:
    """The port asked for, or any that is free.

    Raises
    ------
    DemoError
        If the port asked for is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, asked or 0))
        except (OSError, OverflowError) as error:
            raise DemoError(f"--port: got {asked}, expected a port that is free ({error})") from error
        return int(probe.getsockname()[1])


def _wait_until_ready(process: "Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise DemoError(f"lagniappe serve ended with status {process.returncode}", last_lines(log))
        if _is_ready(port):
            return
        time.sleep(0.1)
    raise DemoError(f"the service was not ready after {_START_SECONDS:.0f} seconds", last_lines(log))


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
