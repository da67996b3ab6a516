"""Versions without their models, enough for everything that moves aliases; MLflow databases that are quick to make."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.money import to_money
from features.store import Store, open_store
from features.vector import FEATURES, FINGERPRINT
from training import tracking
from training.held_out import HeldOut, save_held_out
from training.model_files import version_path
from training.models.calibration import Blend, Platt
from training.models.churn import ChurnModel
from training.models.recency_frequency import RecencyFrequency
from training.models.season import NO_SEASON
from training.models.trees import flatten
from training.registry import CHALLENGER, CHAMPION, Deployment, current, deploy
from training.version_record import HELD_OUT_FOLDER, DataWindow, VersionRecord, write_record

START = parse("2017-06-05")
NOW = 1_511_136_000_000_000
MakeVersion = Callable[..., Deployment]


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to migrate a new database; each test takes a copy of this one."""
    workspace = tmp_path_factory.mktemp("mlflow")
    tracking.connect(workspace, "template")
    return workspace / "mlflow.db"


@pytest.fixture
def tracker(sqlite_store: Store, empty_mlflow_database: Path) -> tracking.Tracker:
    """MLflow in the workspace of ``sqlite_store``."""
    shutil.copy(empty_mlflow_database, sqlite_store.workspace / "mlflow.db")
    return tracking.connect(sqlite_store.workspace, "default")


DAYS = 50
CUSTOMERS = 150


@pytest.fixture(scope="session")
def shopping() -> Callable[[int], list[Event]]:
    """Events of a small shop, by seed."""
    return _shopping


def _shopping(seed: int) -> list[Event]:
    """Weekly shoppers with favourites and an hour of their own; a third of them stop coming one day."""
    generator = np.random.default_rng(seed)
    events: list[Event] = []
    for customer in range(CUSTOMERS):
        stops = generator.integers(10, DAYS) if customer % 3 == 0 else DAYS
        day = generator.integers(0, 7)
        favourites = generator.choice(20, size=4, replace=False)
        while day < stops:
            at = START + int(day) * MICROSECONDS_PER_DAY + int(customer % 24) * MICROSECONDS_PER_HOUR
            for product in generator.choice(favourites, size=2, replace=False):
                amount = to_money(round(float(generator.uniform(1, 1 + customer)), 2))
                events.append(Event(event_id=f"{customer}-{day}-{product}", type=EventType.PURCHASE, occurred_at=at,
                                    customer_id=f"c{customer}", product_id=f"p{product}", quantity=1.0, amount=amount,
                                    currency="EUR", order_id=f"{customer}-{day}"))  # fmt: skip
            day += generator.integers(4, 10)
    return events


@pytest.fixture(scope="session")
def shop_workspace(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Path:
    """A workspace with a history of shopping and nothing trained."""
    workspace = tmp_path_factory.mktemp("shop") / "workspace"
    store = open_store(workspace)
    with store.writing() as connection:
        append(connection, _shopping(1), START + DAYS * MICROSECONDS_PER_DAY, lake=store.lake)
    store.close()
    shutil.copy(empty_mlflow_database, workspace / "mlflow.db")
    return workspace


@pytest.fixture
def shop(shop_workspace: Path, tmp_path: Path) -> Iterator[Store]:
    """A store of one's own with that history."""
    shutil.copytree(shop_workspace, tmp_path / "shop")
    store = open_store(tmp_path / "shop")
    yield store
    store.close()


@pytest.fixture(scope="session")
def undecided_churn() -> ChurnModel:
    """Even odds for everyone, from one tree without a split."""
    data = lightgbm.Dataset(np.zeros((40, len(FEATURES))), np.arange(40.0) % 2, params={"verbosity": -1})
    trees = flatten(lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 1))
    return ChurnModel(RecencyFrequency.silent(), trees, Blend(0.0, *Platt()), NO_SEASON, 0, 30, {})


@pytest.fixture
def make_version(sqlite_store: Store, undecided_churn: ChurnModel) -> MakeVersion:
    """Deploys a version of churn that lost ``losses`` on its held-out cutoff: the first one as champion."""

    def make(version: str, losses: list[float], *, horizon_days: int = 30, fingerprint: str = FINGERPRINT,
             miscalibration: float = 0.01, run_id: str = "run") -> Deployment:  # fmt: skip
        path = version_path("default", "churn", version, run_id)
        folder = sqlite_store.workspace / path
        (folder / HELD_OUT_FOLDER).mkdir(parents=True)
        window = DataWindow(0, 100, horizon_days, (10,), 50, 3, len(losses), 9)
        write_record(VersionRecord("churn", "default", fingerprint, window, {}, {"auc": 0.7}, {}), folder)
        undecided_churn.save(folder)
        keys = np.arange(len(losses), dtype=np.uint64)
        measured = HeldOut(50, horizon_days, keys, {"log_loss": np.array(losses)},
                           {"calibration_error_beyond_chance": miscalibration})  # fmt: skip
        save_held_out([measured], folder / HELD_OUT_FOLDER)
        with sqlite_store.writing() as connection:
            alias = CHALLENGER if ("churn", CHAMPION) in current(connection, "default") else CHAMPION
            return deploy(connection, "default", "churn", version, alias, run_id, path, NOW, None)

    return make
