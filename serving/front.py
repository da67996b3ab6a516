"""The ASGI callable in front of BentoML's app: it answers the contract's calls itself and passes on everything else.

BentoML spends some 0.8 ms on a request before our code runs (tracing, access log, context, timeout, input model), more
than a decision takes. What this skips it brings itself: the body limit, one shape of error on every route, and metrics.
It must not know what any call means.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from time import perf_counter
from typing import Any, Protocol

from serving.errors import BadRequestError, MethodNotAllowedError, ServiceError, TooLargeError, UnavailableError
from serving.http_server import OneWrite

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[bytes], Awaitable[bytes]]
"""A call of the contract: the JSON body of the request in, the JSON body of a 200 out, or a ``ServiceError``."""

LARGEST_BODY_BYTES = 8 * 1024 * 1024
UNEXPECTED = "an unexpected failure, see the service's log"
OK = int(HTTPStatus.OK)
JSON_HEADER = (b"content-type", b"application/json")

log = logging.getLogger(__name__)


class Calls(Protocol):
    """The service behind, once it has started."""

    handlers: Mapping[str, Handler]

    def observe(self, path: str, status: int, seconds: float) -> None: ...


class Front:
    def __init__(self, behind: AsgiApp, started: Callable[[], Calls]) -> None:
        self.behind = behind
        self._started = started
        self._calls: Calls | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.behind(scope, receive, self._noticing_start(send))
        calls = self._calls
        if scope["type"] != "http" or calls is None:
            return await self.behind(scope, receive, send)
        handler = calls.handlers.get(scope["path"])
        if handler is None:
            return await self.behind(scope, receive, ErrorsRewritten(send, scope["method"]))
        began = perf_counter()
        status, headers, body = await self._answer(handler, scope, receive)
        try:
            await send_whole(send, status, headers, body)
        except OSError:
            log.debug("the client of %s has gone", scope["path"])
        return calls.observe(scope["path"], status, perf_counter() - began)

    def _noticing_start(self, send: Send) -> Send:
        async def notice(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._calls = self._started()
            await send(message)

        return notice

    async def _answer(
        self, handler: Handler, scope: Scope, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        try:
            if scope["method"] != "POST":
                raise MethodNotAllowedError(f"{scope['method']} is not allowed here, expected POST")
            return OK, [], await handler(await read_body(scope, receive))
        except ServiceError as error:
            return error.status, error.headers(), error.body()
        except Exception:
            log.exception("unexpected failure of %s", scope["path"])
            unexpected = ServiceError(UNEXPECTED)
            return unexpected.status, unexpected.headers(), unexpected.body()


async def read_body(scope: Scope, receive: Receive, largest: int = LARGEST_BODY_BYTES) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > largest:
            raise TooLargeError(f"the body has {int(value)} bytes, expected at most {largest}")
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    return await _read_rest(bytearray(body), receive, largest)


async def _read_rest(body: bytearray, receive: Receive, largest: int) -> bytes:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequestError("the request ended before its body did")
        body += message.get("body", b"")
        if len(body) > largest:
            raise TooLargeError(f"the body has more than {largest} bytes")
        if not message.get("more_body"):
            return bytes(body)


async def send_whole(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """In one write, where ``send`` is of uvicorn's request-response cycle, which holds the connection's transport."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if cycle is None or transport is None:
        return await _send_apart(send, status, headers, body)
    cycle.transport = together = OneWrite(transport)
    try:
        await _send_apart(send, status, headers, body)
    finally:
        cycle.transport = transport
        together.flush()


async def _send_apart(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": int(status), "headers": [JSON_HEADER, length, *headers]})
    await send({"type": "http.response.body", "body": body})


class ErrorsRewritten:
    """A ``send`` that replaces the body of another app's error by the one shape of ours.

    BentoML answers 404 and 405 as plain text and 400 as ``{"error": "text"}``.
    """

    def __init__(self, send: Send, method: str) -> None:
        self._send = send
        self._method = method
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = bytes(self._body)
        kept = [(name, value) for name, value in start["headers"] if name not in (b"content-type", b"content-length")]
        if not body.startswith(b'{"error":{'):
            error = error_of_status(start["status"])
            body, kept = error.body(), [*kept, *(pair for pair in error.headers() if pair[0] not in dict(kept))]
        await send_whole(self._send, start["status"], kept, b"" if self._method == "HEAD" else body)


def error_of_status(status: int) -> ServiceError:
    """The error for a bare status, which is all that the app behind can be trusted to have said."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return UnavailableError("the service is not ready")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError(UNEXPECTED)
    known = HTTPStatus(status) if status in HTTPStatus._value2member_map_ else HTTPStatus.BAD_REQUEST
    return ServiceError(known.phrase.lower(), code=known.name.lower())
