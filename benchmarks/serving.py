"""What a whole decision costs beside one bare model: ``python -m benchmarks.serving [--workspace DIR]``.

Three servers of one process each on one core, the load on the other, in turn, for several rounds:

- ours, ``/next_best_offer``: profile read, features, every champion, 50 offers, decision and reservation durable;
- ``mlflow models serve`` with a LightGBM model of the churn champion's size and nothing else;
- a BentoML endpoint, as installed, with that same LightGBM model.

A workspace that has champions (such as the demo's) is taken as it is; without one the Complete Journey is loaded and
trained first, which takes some minutes. Everything happens in a copy.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
from sqlalchemy import delete

from benchmarks.load import Measured, measure, request
from features.catalogue import read_offers, upsert_offers
from features.instant import parse
from features.packing import unpack
from features.profile_store import all_profiles
from features.profiles import concatenate
from features.schema import offers
from features.store import Store, open_store
from features.vector import vector
from training.registry import CHAMPION, current

ROOT = Path(__file__).resolve().parent.parent
OFFERS = 50
CUSTOMERS = 2_500
CONCURRENCIES = (1, 8, 32)
TREES, LEAVES = 200, 31
AFTER_THE_DATA = parse("2018-02-01")
SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 120

BARE = """\
import bentoml, lightgbm, numpy as np

@bentoml.service(name="bare", workers=1)
class Bare:
    def __init__(self) -> None:
        self.model = lightgbm.Booster(model_file={model!r})

    @bentoml.api
    async def predict(self, features: list[float]) -> float:
        return float(self.model.predict(np.array([features]), num_threads=1)[0])
"""


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    command: list[str]
    ready_path: str
    requests: list[bytes]
    environment: Mapping[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", help="Measure this server alone.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Path(scratch) / "workspace"
        if arguments.workspace:
            shutil.copytree(arguments.workspace, workspace, ignore=shutil.ignore_patterns("*.lock", "bentoml"))
        else:
            prepare(workspace, Path(scratch))
        servers = [one for one in make_servers(workspace, Path(scratch)) if arguments.only in (None, one.name)]
        show(compare(servers, arguments.rounds, arguments.seconds))


def prepare(workspace: Path, scratch: Path) -> None:
    from training.datasets.complete_journey import write_complete_journey
    from training.demo.loop import CLOCK, CLOCK_DAY, HORIZON_DAYS

    files = write_complete_journey(scratch / "files", CLOCK)
    for kind in ("products", "customers", "offers", "events"):
        verb("ingest", kind, str(getattr(files, kind)), "--workspace", str(workspace))
    verb("train", "all", "--as-of", CLOCK_DAY, "--horizon-days", str(HORIZON_DAYS), "--workspace", str(workspace))


def verb(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "lagniappe", *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def make_servers(workspace: Path, scratch: Path) -> list[Server]:
    store = open_store(workspace)
    keep_offers(store)
    with store.reading() as connection:
        champions = sorted(model for model, alias in current(connection, "default") if alias == CHAMPION)
        packed = [row for row, _ in zip(all_profiles(connection, "default"), range(CUSTOMERS), strict=False)]
    print(f"champions: {', '.join(champions)}; {len(packed)} customers; {OFFERS} offers")
    features = vector(concatenate([unpack(*row) for row in packed]), AFTER_THE_DATA)
    model = scratch / "model"
    train_bare(features, model)
    bodies = [msgspec.json.encode({"customer_id": customer_id}) for customer_id, _ in packed]
    vectors = [[None if value != value else value for value in row] for row in features.tolist()]
    store.close()
    return [ours(workspace, bodies), mlflow(model, vectors), bare_bentoml(model, vectors, scratch)]


def keep_offers(store: Store) -> None:
    """Fifty offers for everybody, from all over the catalogue: most name a dozen products, a few of them thousands."""
    with store.writing() as connection:
        named = [one for one in read_offers(connection, "default") if one.target.products]
        some = named[:: max(len(named) // OFFERS, 1)][:OFFERS]
        connection.execute(delete(offers))
        upsert_offers(connection, [msgspec.structs.replace(one, valid_from=None, valid_to=None) for one in some], 1)


def train_bare(features: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", folder: Path) -> None:
    import lightgbm
    import mlflow.lightgbm

    labels = np.random.default_rng(0).integers(0, 2, len(features))
    parameters = {"objective": "binary", "num_leaves": LEAVES, "min_data_in_leaf": 3, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, labels), TREES)
    mlflow.lightgbm.save_model(booster, str(folder))
    booster.save_model(str(folder / "bare.txt"))


def ours(workspace: Path, bodies: Sequence[bytes]) -> Server:
    command = [sys.executable, "-m", "lagniappe", "serve", "--workspace", str(workspace), "--port", "{port}"]
    return Server("ours", command, "/readyz", [request("/next_best_offer", body) for body in bodies], {})


def mlflow(model: Path, vectors: Sequence[object]) -> Server:
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local",
               "--workers", "1", "--port", "{port}"]  # fmt: skip
    bodies = [msgspec.json.encode({"inputs": [row]}) for row in vectors]
    return Server("mlflow models serve", command, "/health", [request("/invocations", body) for body in bodies],
                  {"OMP_NUM_THREADS": "1"})  # fmt: skip


def bare_bentoml(model: Path, vectors: Sequence[object], scratch: Path) -> Server:
    (scratch / "bare.py").write_text(BARE.format(model=str(model / "bare.txt")), encoding="utf-8")
    command = [sys.executable, "-m", "bentoml", "serve", "bare:Bare", "--working-dir", str(scratch), "--port", "{port}"]
    known = [[0.0 if value is None else value for value in row] for row in vectors]  # type: ignore[attr-defined]
    bodies = [msgspec.json.encode({"features": row}) for row in known]
    return Server("bare BentoML", command, "/readyz", [request("/predict", body) for body in bodies],
                  {"OMP_NUM_THREADS": "1", "BENTOML_HOME": str(scratch), "BENTOML_DO_NOT_TRACK": "True"})  # fmt: skip


def compare(servers: Sequence[Server], rounds: int, seconds: float) -> dict[str, dict[int, list[Measured]]]:
    """All servers stand throughout; each is asked in turn, so that what else the machine does meets them alike."""
    found: dict[str, dict[int, list[Measured]]] = {one.name: {c: [] for c in CONCURRENCIES} for one in servers}
    with ExitStack() as stack:
        ports = [stack.enter_context(running(one)) for one in servers]
        os.sched_setaffinity(0, {LOAD_CORE})
        for one, port in zip(servers, ports, strict=True):
            measure(port, one.requests, 8, 1.0)
        for _ in range(rounds):
            for one, port in zip(servers, ports, strict=True):
                for concurrency in CONCURRENCIES:
                    found[one.name][concurrency].append(measure(port, one.requests, concurrency, seconds))
    return found


@contextmanager
def running(server: Server) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = tempfile.TemporaryFile()  # noqa: SIM115 — the process writes into it until it ends
    process = subprocess.Popen(
        [part.format(port=port) for part in server.command],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **server.environment},
        stdout=said,
        stderr=said,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        if not is_ready_at_last(process, f"http://127.0.0.1:{port}{server.ready_path}"):
            said.seek(0)
            raise SystemExit(f"{server.name} did not become ready: {said.read().decode()[-2000:]}")
        yield port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
        said.close()


def is_ready_at_last(process: "subprocess.Popen[bytes]", address: str) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 — our own address
                if answer.status == 200:
                    return True
        except OSError:
            time.sleep(0.2)
    return False


def show(found: Mapping[str, Mapping[int, Sequence[Measured]]]) -> None:
    yardstick = found.get("mlflow models serve")
    print(f"{'server':22}{'callers':>8}{'a second':>10}{'p50 ms':>8}{'p99 ms':>8}{'errors':>8}{'× mlflow':>10}")
    for name, by_concurrency in found.items():
        for concurrency, rounds in by_concurrency.items():
            rate, p50, p99 = (statistics.median(getattr(one, field) for one in rounds)
                              for field in ("requests_per_second", "p50_ms", "p99_ms"))  # fmt: skip
            errors = sum(one.errors for one in rounds)
            ratio = ""
            if yardstick:
                ratio = f"{rate / statistics.median(one.requests_per_second for one in yardstick[concurrency]):.2f}"
            print(f"{name:22}{concurrency:8}{rate:10,.0f}{p50:8.2f}{p99:8.2f}{errors:8}{ratio:>10}")
    print(
        json.dumps(
            {name: {c: [asdict(one) for one in rounds] for c, rounds in by.items()} for name, by in found.items()}
        )
    )


if __name__ == "__main__":
    main()
