"""A client of an ASGI app in this process, with the app's lifespan around it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, MutableMapping
from copy import copy
from typing import Any

import httpx
import prometheus_client
import pytest

Message = MutableMapping[str, Any]


def _http(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


class Client:
    """Requests to an app that was started as a server would start it, on a loop of its own."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan = asyncio.run_coroutine_threadsafe(
            app({"type": "lifespan", "state": {}}, self._to_app.get, self._from_app.put), self._loop
        )
        message = self._turn("lifespan.startup")
        assert message["type"] == "lifespan.startup.complete", message
        self._http = _http(app)

    def behind(self) -> "Client":
        """The same service without the front, for as long as this client lives."""
        client = copy(self)
        client._http = _http(self._app.behind)
        return client

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        return self._run(self._http.request(method, path, **content))

    def ask_together(self, path: str, bodies: list[Any]) -> list[httpx.Response]:
        async def together() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self._http.post(path, json=body) for body in bodies)))

        return self._run(together())

    def post(self, path: str, **body: Any) -> Any:
        """The JSON of the answer to a call that succeeds."""
        response = self.ask("POST", path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        self._run(self._http.aclose())
        self._turn("lifespan.shutdown")
        self._lifespan.result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _turn(self, kind: str) -> Message:
        async def turn() -> Message:
            await self._to_app.put({"type": kind})
            told = asyncio.create_task(self._from_app.get())
            await asyncio.wait([told, asyncio.wrap_future(self._lifespan)], return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                return told.result()
            told.cancel()
            return {"type": "ended", "error": self._lifespan.exception()}

        return self._run(turn())

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


@pytest.fixture(scope="module")
def client_of() -> Iterator[Callable[[Any], Client]]:
    """Starts an app and gives its client; one of BentoML's at a time, as it counts in one place per process."""
    clients: list[Client] = []
    counted = set(prometheus_client.REGISTRY._collector_to_names)

    def start(app: Any) -> Client:
        clients.append(Client(app))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    for collector in set(prometheus_client.REGISTRY._collector_to_names) - counted:
        prometheus_client.REGISTRY.unregister(collector)
