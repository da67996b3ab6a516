import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import bentoml
import pytest

from serving.errors import OverloadedError
from serving.front import LARGEST_BODY_BYTES, Front
from serving.hook import FrontedService


@bentoml.service(service_class=FrontedService, name="echo")
class EchoService:
    """One call that answers, one that is overloaded, one that has a bug; and one that only BentoML knows."""

    def __init__(self) -> None:
        self.handlers = {"/echo": self.echo, "/busy": self.busy, "/bug": self.bug}
        self.observed: list[tuple[str, int]] = []

    async def echo(self, body: bytes) -> bytes:
        return body

    async def busy(self, _: bytes) -> bytes:
        raise OverloadedError("too much is waiting")

    async def bug(self, _: bytes) -> bytes:
        raise ZeroDivisionError

    def observe(self, path: str, status: int, _: float) -> None:
        self.observed.append((path, status))

    @bentoml.api
    async def behind(self, number: int) -> str:
        return str(number)


@pytest.fixture(scope="module")
def client(client_of: Callable[[Any], Any]) -> Any:
    return client_of(EchoService.to_asgi())


def error(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "field"}
    return body["error"]


def test_what_a_bentoml_worker_serves_is_the_front() -> None:
    assert isinstance(EchoService.to_asgi(), Front)


def test_the_front_answers_the_calls_of_the_service(client: Any) -> None:
    response = client.ask("POST", "/echo", content=b'{"any": "thing"}')

    assert (response.status_code, response.content) == (200, b'{"any": "thing"}')
    assert bentoml.get_current_service().observed[-1] == ("/echo", 200)


def test_what_the_front_does_not_know_bentoml_answers(client: Any) -> None:
    assert client.ask("POST", "/behind", json={"number": 3}).text == "3"
    assert client.ask("GET", "/livez").status_code == 200
    assert "openapi" in client.ask("GET", "/docs.json").json()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/echo", 405, "method_not_allowed"),
        ("DELETE", "/livez", 405, "method_not_allowed"),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/nowhere/else", 404, "not_found"),
        ("POST", "/behind", 400, "bad_request"),
        ("POST", "/bug", 500, "internal"),
    ],
)
def test_every_error_has_one_shape(client: Any, method: str, path: str, status: int, code: str) -> None:
    response = client.ask(method, path)

    assert (response.status_code, error(response)["code"]) == (status, code)


def test_a_wrong_method_is_told_the_right_one(client: Any) -> None:
    assert client.ask("PUT", "/echo").headers["allow"] == "POST"


def test_who_is_refused_for_load_is_told_when_to_come_again(client: Any) -> None:
    response = client.ask("POST", "/busy")

    assert (response.status_code, error(response)["code"]) == (429, "overloaded")
    assert int(response.headers["retry-after"]) >= 1


def test_a_body_too_large_is_refused(client: Any) -> None:
    announced = client.ask("POST", "/echo", content=b"x" * (LARGEST_BODY_BYTES + 1))

    async def unannounced() -> Any:
        for _ in range(3):
            yield b"x" * (LARGEST_BODY_BYTES // 2)

    streamed = client.ask("POST", "/echo", content=unannounced())

    assert announced.status_code == streamed.status_code == 413
    assert error(announced)["code"] == error(streamed)["code"] == "too_large"


def test_an_unexpected_failure_tells_nothing_of_what_was_inside(client: Any) -> None:
    assert "ZeroDivision" not in client.ask("POST", "/bug").text


def test_a_client_who_has_gone_is_counted_and_makes_no_noise() -> None:
    observed = []

    class Calls:
        handlers: ClassVar[dict[str, Any]] = {"/echo": lambda body: asyncio.sleep(0, body)}

        def observe(self, path: str, status: int, seconds: float) -> None:
            observed.append((path, status, seconds < 60))

    async def heard(_: Any) -> None:
        pass

    async def gone(_: Any) -> None:
        raise OSError("the client has gone")

    async def scene() -> None:
        front = Front(behind, Calls)
        await front({"type": "lifespan"}, receive, heard)
        await front({"type": "http", "path": "/echo", "method": "POST", "headers": []}, receive, gone)

    async def behind(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    asyncio.run(scene())

    assert observed == [("/echo", 200, True)]
