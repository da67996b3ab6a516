"""Delivery to a real receiver: signed, tried again, and not lost when the service is killed."""

import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import func, select

from features.brand import apply_brand, parse_brand
from features.outgoing_schema import webhook_outbox
from features.schema import decisions
from features.store import Store, open_store
from serving.listeners import Listeners
from serving.subscriptions import Subscription, keep
from serving.told_events import Told
from serving.webhook_address import Allowed
from serving.webhook_delivery import Courier
from serving.webhook_outbox import enqueue
from serving.webhook_signature import print_of, secret_of, signature, webhook_key

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = Allowed(loopback=True)
KEY = b"k" * 32


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return str(json.loads(self.body)["id"])


class Receiver:
    """An HTTP server on loopback; ``status`` decides what each request is answered with."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.status: Callable[[Request], int] = lambda _: 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                request = Request(self.path, {name.lower(): said for name, said in self.headers.items()}, body)
                status = receiver.status(request)
                receiver.requests.append(request)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def until(holds: Callable[[], bool], seconds: float = 30.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@contextmanager
def delivering(
    store: Store, allowed: Allowed = LOOPBACK, key: bytes = KEY, clock: Callable[[], int] | None = None
) -> Iterator[list[tuple[str, str]]]:
    counted: list[tuple[str, str]] = []
    courier = Courier(
        store,
        Listeners(store),
        allowed,
        lambda: key,
        lambda *what: counted.append(what),
        clock or (lambda: time.time_ns() // 1_000),
    )
    courier.start()
    yield counted
    courier.close()


def tell(store: Store, url: str, *message_ids: str) -> str:
    """The secret."""
    secret = secret_of(KEY, "sub")
    with store.writing() as connection:
        keep(connection, Subscription("sub", "default", url, ("*",), print_of(secret), 0))
        enqueue(connection, [Told("decision.made", one, "default", "anna", 0, {}) for one in message_ids], 0)
    return secret


def waiting(store: Store) -> int:
    with store.reading() as connection:
        return len(connection.execute(select(webhook_outbox)).all())


def error_in(store: Store) -> str | None:
    with store.reading() as connection:
        return connection.execute(select(webhook_outbox.c.last_error)).scalar()


def test_the_signature_is_of_time_and_body(store: Store, receiver: Receiver) -> None:
    secret = tell(store, receiver.url, "m1")

    with delivering(store) as counted:
        assert until(lambda: waiting(store) == 0)
        assert until(lambda: counted == [("decision.made", "delivered")])

    (request,) = receiver.requests
    parts = dict(part.split("=") for part in request.headers["x-lagniappe-signature"].split(","))
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + request.body, sha256).hexdigest()
    assert parts["v1"] == expected
    assert abs(int(parts["t"]) - time.time()) < 60
    assert request.headers["content-type"].startswith("application/cloudevents+json")


def test_what_fails_is_tried_again_under_the_same_id(sqlite_store: Store, receiver: Receiver) -> None:
    tell(sqlite_store, receiver.url, "m1")
    receiver.status = lambda _: 204 if len(receiver.requests) >= 2 else 503
    began = time.time_ns() // 1_000

    with delivering(sqlite_store, clock=lambda: began + 30 * (time.time_ns() // 1_000 - began)) as counted:
        assert until(lambda: waiting(sqlite_store) == 0)
        assert until(lambda: len(counted) == 3)

    assert [one.event_id for one in receiver.requests] == ["m1"] * 3
    assert [outcome for _, outcome in counted] == ["retried", "retried", "delivered"]


def test_a_redirect_is_not_followed(sqlite_store: Store, receiver: Receiver) -> None:
    tell(sqlite_store, receiver.url, "m1")
    receiver.status = lambda _: 307

    with delivering(sqlite_store):
        assert until(lambda: error_in(sqlite_store) is not None)

    assert [one.path for one in receiver.requests] == ["/hook"]
    assert error_in(sqlite_store) == "answered with status 307"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_was_allowed_once_is_judged_again_at_delivery(sqlite_store: Store, receiver: Receiver, host: str) -> None:
    tell(sqlite_store, receiver.url.replace("127.0.0.1", host), "m1")

    with delivering(sqlite_store, Allowed()):
        assert until(lambda: error_in(sqlite_store) is not None)

    assert receiver.requests == []
    assert "where webhooks may not go" in (error_in(sqlite_store) or "")


def test_a_key_that_was_lost_signs_nothing(sqlite_store: Store, receiver: Receiver) -> None:
    tell(sqlite_store, receiver.url, "m1")

    with delivering(sqlite_store, key=b"another" * 8):
        assert until(lambda: error_in(sqlite_store) is not None)

    assert receiver.requests == []


def test_a_receiver_that_hangs_holds_up_no_other(sqlite_store: Store, receiver: Receiver) -> None:
    ends = threading.Event()
    slow = Receiver()
    slow.status = lambda _: 204 if ends.wait(20) else 503
    secret = secret_of(KEY, "slow")
    with sqlite_store.writing() as connection:
        keep(connection, Subscription("slow", "default", slow.url, ("*",), print_of(secret), 0))
    tell(sqlite_store, receiver.url, *(f"m{number}" for number in range(20)))

    with delivering(sqlite_store):
        assert until(lambda: {one.event_id for one in receiver.requests} == {f"m{n}" for n in range(20)}, 8)
        ends.set()
        assert until(lambda: waiting(sqlite_store) == 0)
    slow.close()


def test_the_key_is_kept_in_a_file_of_its_owner(tmp_path: Path) -> None:
    first = webhook_key(tmp_path)

    assert webhook_key(tmp_path) == first
    assert len(first) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["webhooks.key"]
    assert (tmp_path / "webhooks.key").stat().st_mode & 0o777 == 0o600


@contextmanager
def served(workspace: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    options = ["--workspace", str(workspace), "--port", str(port), "--json"]
    arguments = [sys.executable, "-m", "lagniappe", "serve", *options]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["address"]
        yield process
        process.kill()


def test_what_was_answered_is_told_though_the_service_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address, workspace = f"http://127.0.0.1:{port}", tmp_path / "workspace"
    receiver.status = lambda _: 503 if len(receiver.requests) % 3 == 0 else 204
    store = open_store(workspace)
    with store.writing() as connection:
        apply_brand(connection, parse_brand({"brand": "default", "triggers": {"bought": {"kind": "purchase"}}}), 1)

    with served(workspace, port) as process:
        httpx.post(f"{address}/subscribe", json={"url": receiver.url, "events": ["*"]}, timeout=30).raise_for_status()
        decided = [
            httpx.post(f"{address}/next_best_offer", json={"customer_id": f"c{n}"}, timeout=30).json()["decision_id"]
            for n in range(60)
        ]
        posted = httpx.post(f"{address}/events", json={"events": [purchase(n) for n in range(300)]}, timeout=30)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert until(lambda: is_free(port))  # its children end with it
    told_before = {one.event_id for one in receiver.requests}
    receiver.status = lambda _: 204
    with served(workspace, port):
        arrived = until(lambda: fired(store) == 300 and waiting(store) == 0, 150)
    store.close()

    assert (posted.json()["accepted"], arrived) == (300, True)
    assert len(told_before) < 360  # it was killed in the midst of it
    assert {one.event_id for one in receiver.requests} == {*decided, *keys_of_purchases(receiver)}
    assert len(keys_of_purchases(receiver)) == 300


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def purchase(number: int) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"event_id": f"e{number}", "type": "purchase", "customer_id": f"b{number}", "occurred_at": at, "amount": 1}


def fired(store: Store) -> int:
    """Decisions that were made of a trigger: one for each purchase."""
    with store.reading() as connection:
        query = select(func.count()).select_from(decisions).where(decisions.c.idempotency_key.like("trigger-%"))
        return int(connection.execute(query).scalar_one())


def keys_of_purchases(receiver: Receiver) -> set[str]:
    return {one.event_id for one in receiver.requests if one.event_id.startswith("trigger-")}


def test_the_check_in_the_docs_knows_what_is_ours() -> None:
    page = (ROOT / "docs" / "triggers.md").read_text(encoding="utf-8")
    told: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], told)  # noqa: S102 - our own page
    is_genuine, now = told["is_genuine"], int(time.time())

    assert is_genuine("whsec_x", signature("whsec_x", now, b"{}"), b"{}")
    assert not is_genuine("whsec_x", signature("whsec_x", now, b"{}"), b"{ }")
    assert not is_genuine("whsec_y", signature("whsec_x", now, b"{}"), b"{}")
    assert not is_genuine("whsec_x", signature("whsec_x", now - 600, b"{}"), b"{}")
