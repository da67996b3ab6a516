"""Who refuses the use of their purchases looks changed, and has not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.store import Store, open_store
from features.vector import PURCHASES
from training.drift import NONE, RETRAIN, WATCH
from training.drift_check import check
from training.pipeline import train

START = parse("2017-06-05")
TRAINED, NOW, CUSTOMERS = 105, 126, 300
MODELS = ["churn"]


def day(number: float) -> int:
    return START + round(number * MICROSECONDS_PER_DAY)


def shopping(
    seed: int, *, from_day: float = 0.0, prefix: str = "c", amount: float = 1.0, gap: float = 9.0
) -> list[Event]:
    """Customers come and go at an even rate."""
    generator = np.random.default_rng(seed)
    events: list[Event] = []
    for customer in range(CUSTOMERS):
        born, usual = generator.uniform(from_day - 120, NOW - 3), amount * generator.gamma(2, 15)
        own, end = gap * generator.gamma(3, 1 / 3), born + generator.exponential(120)
        at = max(born, from_day) + generator.uniform(0, own)
        while at < min(end, NOW):
            paid = int(usual * generator.uniform(0.5, 1.5) * 10_000)
            events.append(Event(event_id=f"{prefix}{customer}-{at}", type=EventType.PURCHASE, occurred_at=day(at),
                                customer_id=f"{prefix}{customer}", product_id="tea", amount=paid))  # fmt: skip
            at += max(0.5, generator.gamma(4, own / 4))
    return events


def refusals(at: float) -> list[Event]:
    """Two of five customers."""
    return [
        Event(event_id=f"no{number}", type=EventType.CONSENT_CHANGED, occurred_at=day(at), customer_id=f"c{number}",
              purpose=PURCHASES, granted=False)
        for number in range(CUSTOMERS) if number % 5 < 2
    ]  # fmt: skip


def add(store: Store, events: list[Event]) -> None:
    with store.writing() as connection:
        append(connection, events, day(NOW), lake=store.lake)


Trained = Callable[[str], Store]


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> dict[str, Path]:
    """A shop in which many refuse from the first day on, and one in which nobody does, three weeks after training."""
    found = {}
    for name, words in {"refusing": refusals(0.0), "granting": []}.items():
        found[name] = tmp_path_factory.mktemp(name) / "workspace"
        store = open_store(found[name])
        shutil.copy(empty_mlflow_database, found[name] / "mlflow.db")
        add(store, [*words, *shopping(1)])
        train(store, MODELS, brand="default", now=day(TRAINED), as_of=day(TRAINED), horizon_days=14)
        store.close()
    return found


@pytest.fixture
def trained(workspaces: dict[str, Path], tmp_path: Path) -> Trained:
    def copied(name: str) -> Store:
        shutil.copytree(workspaces[name], tmp_path / name)
        return open_store(tmp_path / name)

    return copied


def test_a_shop_in_which_two_of_five_refuse_goes_on_as_before(trained: Trained) -> None:
    report = check(trained("refusing"), "default", None)

    assert {one.model: one.verdict for one in report.models} == dict.fromkeys(MODELS, NONE)
    assert [one.reasons for one in report.models] == [[]]


def test_other_customers_are_seen_though_two_of_five_refuse(trained: Trained) -> None:
    store = trained("refusing")
    add(store, shopping(2, from_day=TRAINED, prefix="n", amount=20.0, gap=2.0))

    assert check(store, "default", None).verdict == RETRAIN


def test_refusals_since_training_are_no_reason_to_train_again(trained: Trained) -> None:
    store = trained("granting")
    add(store, refusals(TRAINED + 5))

    report = check(store, "default", None)

    assert {one.model: one.verdict for one in report.models} == dict.fromkeys(MODELS, WATCH)
    assert all("more of the customers refuse some use" in one.reasons[0] for one in report.models)
    assert all(len(one.reasons) == 1 for one in report.models)
