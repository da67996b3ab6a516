"""``lagniappe serve`` as a whole: two workers of a real BentoML service, stopped in good order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
CLOCK = "2017-11-20T12:00:00Z"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lagniappe", *arguments]


@dataclass(frozen=True, slots=True)
class Served:
    process: "subprocess.Popen[str]"
    announced: dict[str, Any]
    port: int
    workspace: Path

    def ask(self, path: str, body: Any) -> httpx.Response:
        """On a connection of its own, so that any worker may answer."""
        return httpx.post(f"{self.announced['address']}{path}", json=body, timeout=30)


@contextmanager
def started(workspace: Path, port: int, *options: str) -> Iterator[Served]:
    arguments = command("serve", "--workspace", str(workspace), "--port", str(port), *options, "--json")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield Served(process, json.loads(process.stdout.readline()), port, workspace)
        process.kill()


def is_free(port: int) -> bool:
    """Whether no process holds the port, be it only to answer nobody."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Served]:
    with started(tmp_path_factory.mktemp("serve") / "workspace", port, "--workers", "2", "--clock", CLOCK) as served:
        yield served


def test_it_says_where_it_serves(served: Served) -> None:
    expected = {"address": f"http://127.0.0.1:{served.port}", "workers": 2, "clock": CLOCK}

    assert served.announced == expected


def test_every_worker_knows_an_event_once_it_is_acknowledged(served: Served) -> None:
    for number in range(20):
        customer_id = f"c{number}"
        event = {
            "event_id": customer_id,
            "type": "purchase",
            "customer_id": customer_id,
            "occurred_at": CLOCK,
            "amount": 1,
        }
        assert served.ask("/events", {"events": [event]}).json()["accepted"] == 1
        answer = served.ask("/next_best_offer", {"customer_id": customer_id}).json()
        assert "unknown_customer" not in answer["fallback"]


def test_a_key_is_answered_alike_by_all_workers(served: Served) -> None:
    asked = {"customer_id": "c", "idempotency_key": "k"}

    answers = {served.ask("/next_best_offer", asked).content for _ in range(20)}

    assert len(answers) == 1


def test_what_the_workers_count_is_on_one_page(served: Served) -> None:
    for _ in range(10):
        served.ask("/score", {"customer_ids": []})

    page = httpx.get(f"{served.announced['address']}/metrics", timeout=30).text

    assert 'lagniappe_requests_total{path="/score",status="200"} 10.0' in page


def test_what_bentoml_keeps_lies_in_the_workspace(served: Served) -> None:
    assert (served.workspace / "bentoml").is_dir()


def test_a_port_that_is_taken_is_said(served: Served, tmp_path: Path) -> None:
    done = subprocess.run(
        command("serve", "--workspace", str(tmp_path), "--port", str(served.port)),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert f"port: got {served.port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_that_is_read_only_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = subprocess.run(command("serve", "--workspace", str(tmp_path)), cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert "read-only" in done.stderr


def test_a_clock_that_is_no_time_is_wrong_use() -> None:
    done = subprocess.run(command("serve", "--clock", "noon"), cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 2


def test_told_to_stop_it_ends_well(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)

    assert served.process.wait(60) == 0
    assert is_free(served.port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_killed_it_leaves_nothing_behind(tmp_path: Path, port: int) -> None:
    with started(tmp_path, port) as served:
        served.process.kill()

    until = time.monotonic() + 30
    while not is_free(port) and time.monotonic() < until:
        time.sleep(0.1)
    assert is_free(port)


def test_asked_twice_to_stop_it_waits_for_its_children(tmp_path: Path, port: int) -> None:
    with started(tmp_path, port) as served:
        for _ in range(2):
            served.process.send_signal(signal.SIGINT)
            time.sleep(0.3)

        assert served.process.wait(60) == 0

    assert is_free(port)
