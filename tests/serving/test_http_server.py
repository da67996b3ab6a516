import asyncio
import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.errors import BadRequestError
from serving.front import Front
from serving.http_server import OneWrite, leave_out_access_log

REQUEST = b"POST /echo HTTP/1.1\r\nhost: us\r\ncontent-length: 2\r\n%s\r\n{}"


class Transport(asyncio.Transport):
    """Remembers what is written, and as what; closed, it is as uvloop's."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        if data:
            self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...


async def echo(body: bytes) -> bytes:
    await asyncio.sleep(0)
    return body


async def bad(_: bytes) -> bytes:
    raise BadRequestError("no")


class Calls:
    handlers: ClassVar[dict[str, Any]] = {"/echo": echo, "/bad": bad}

    def observe(self, path: str, status: int, seconds: float) -> None: ...


async def behind(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.startup.complete"})
    else:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"not here"})


async def heard(_: Any) -> None: ...


def asked(protocol: Any, *requests: bytes, gone: bool = False, is_heard_of: bool = True) -> Transport:
    """What uvicorn writes when that comes in over one connection, whose client may have gone before the answer."""

    async def scene() -> Transport:
        front, transport = Front(behind, Calls), Transport()
        await front({"type": "lifespan"}, heard, heard)  # type: ignore[arg-type]
        config = Config(front, log_config=None, server_header=False, date_header=False)
        connection = protocol(config, ServerState(), {})
        connection.connection_made(transport)
        for request in requests:
            connection.data_received(request)
        if gone:
            transport.close()
        if gone and is_heard_of:
            connection.connection_lost(ConnectionResetError())
        for _ in range(20):
            await asyncio.sleep(0)
        connection._unset_keepalive_if_required()
        return transport

    return asyncio.run(scene())


@pytest.fixture(params=[HttpToolsProtocol, H11Protocol])
def protocol(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_an_answer_is_one_write(protocol: Any) -> None:
    transport = asked(protocol, REQUEST % b"")

    (written,) = transport.writes
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\n{}")
    assert not transport.closed


def test_an_error_is_one_write(protocol: Any) -> None:
    (written,) = asked(protocol, (REQUEST % b"").replace(b"/echo", b"/bad")).writes

    assert written.startswith(b"HTTP/1.1 400")
    assert b'{"error":{' in written


@pytest.mark.parametrize(("header", "is_closed"), [(b"", False), (b"connection: close\r\n", True)])
def test_a_head_without_a_body_is_sent(protocol: Any, header: bytes, is_closed: bool) -> None:
    transport = asked(protocol, b"HEAD /nowhere HTTP/1.1\r\nhost: us\r\n%s\r\n" % header)

    written = b"".join(transport.writes)
    assert written.startswith(b"HTTP/1.1 404")
    assert written.endswith(b"\r\n\r\n")
    assert transport.closed is is_closed


def test_answers_to_requests_sent_together_come_one_after_the_other(protocol: Any) -> None:
    transport = asked(protocol, REQUEST % b"" * 3)

    assert [written[-2:] for written in transport.writes] == [b"{}"] * 3


def test_a_connection_that_is_not_kept_is_closed_after_the_answer(protocol: Any) -> None:
    transport = asked(protocol, REQUEST % b"connection: close\r\n")

    assert transport.writes[-1].endswith(b"{}")
    assert transport.closed


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_nothing_is_written_to_who_has_gone(protocol: Any, is_heard_of: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert asked(protocol, REQUEST % b"" * 3, gone=True, is_heard_of=is_heard_of).writes == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_is_not_known_of_here_goes_to_the_transport_after_what_was_held_back() -> None:
    transport = Transport()
    together = OneWrite(transport)

    together.write(b"head")
    together.writelines([b"bo", b"dy"])

    assert transport.writes == [b"head", b"body"]


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """As in a worker: whatever else has set up uvicorn's logging in this process is put aside."""
    logger = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    yield logger
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(("level", "is_made"), [(logging.WARNING, False), (logging.INFO, True)])
def test_an_access_log_is_made_where_it_is_shown(
    access: logging.Logger, protocol: Any, level: int, is_made: bool
) -> None:
    access.setLevel(level)
    leave_out_access_log()

    async def makes_lines() -> bool:
        return bool(protocol(Config(behind, log_config=None), ServerState(), {}).access_log)

    assert asyncio.run(makes_lines()) is is_made
