"""Drift of whole small shops: one whose customers go on as before, and two in which they do not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from features.errors import FieldError
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse
from features.store import Store, open_store
from lagniappe import application
from training.drift import NONE, RETRAIN, DriftReport, ModelDrift, Shift, estimated, shifted_share
from training.drift_check import check, keep, path_of
from training.drift_reference import FILE, load_reference
from training.models.candidates import CANDIDATE_FEATURES
from training.models.send_time import SendTimeModel
from training.pipeline import train
from training.registry import CHAMPION, current
from training.tracking import connect

START = parse("2017-06-05")
TRAINED, NOW = 105, 126
"""Days."""
CUSTOMERS = 300


def day(number: float) -> int:
    return START + round(number * MICROSECONDS_PER_DAY)


def shopping(
    days: int, seed: int, *, amount: float = 1.0, rhythm: float = 1.0, from_day: float = 0.0, prefix: str = "c"
) -> list[Event]:
    """Customers come and go at an even rate, each with a gap and an amount of their own."""
    generator = np.random.default_rng(seed)
    events: list[Event] = []
    for customer in range(CUSTOMERS):
        born, usual = generator.uniform(from_day - 120, days - 3), generator.gamma(2, 15)
        gap, end = rhythm * generator.gamma(3, 3), born + generator.exponential(120)
        at = max(born, from_day) + generator.uniform(0, gap)
        while at < min(end, days):
            paid = int(usual * amount * generator.uniform(0.5, 1.5) * 10_000)
            events.append(Event(event_id=f"{prefix}{customer}-{at}", type=EventType.PURCHASE, occurred_at=day(at),
                                customer_id=f"{prefix}{customer}", product_id=f"p{generator.integers(0, 20)}",
                                amount=paid))  # fmt: skip
            at += max(rhythm, generator.gamma(4, gap / 4))
    return events


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Path:
    """The workspace of a shop three weeks after two of its models were trained."""
    workspace = tmp_path_factory.mktemp("drift") / "workspace"
    store = open_store(workspace)
    shutil.copy(empty_mlflow_database, workspace / "mlflow.db")
    add(store, shopping(NOW, seed=1))
    trained = train(
        store, ["churn", "send-time"], brand="default", now=day(TRAINED), as_of=day(TRAINED), horizon_days=14
    )
    assert [one.skipped for one in trained] == [None, None]
    store.close()
    return workspace


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Store:
    shutil.copytree(trained, tmp_path / "shop")
    return open_store(tmp_path / "shop")


def add(store: Store, events: list[Event]) -> None:
    with store.writing() as connection:
        append(connection, events, day(NOW), lake=store.lake)


def newcomers(**changes: float) -> list[Event]:
    """As many again, of another kind, since the models were trained."""
    return shopping(NOW, seed=2, from_day=TRAINED, prefix="n", **changes)


def by_model(report: DriftReport) -> dict[str, ModelDrift]:
    return {one.model: one for one in report.models}


def test_a_shop_that_goes_on_as_before_has_not_drifted(shop: Store) -> None:
    report = check(shop, "default", None)

    assert (report.verdict, [one.reasons for one in report.models]) == (NONE, [[], []])
    assert list(by_model(report)) == ["churn", "send-time"]
    assert report.sampled == report.customers > 150


def test_other_customers_are_a_reason_to_train_again(shop: Store) -> None:
    add(shop, newcomers(amount=20.0, rhythm=0.2))

    report = check(shop, "default", None)

    churn = by_model(report)["churn"]
    assert (report.verdict, churn.verdict) == (RETRAIN, RETRAIN)
    assert churn.reasons
    assert churn.score is not None
    assert {"spend", "mean_order_amount"} & {shift.name for shift in churn.features}


def test_customers_are_looked_at_as_they_were_known_at_an_instant(shop: Store) -> None:
    before = check(shop, "default", day(110))
    later = newcomers(amount=20.0)
    add(shop, later)

    known = check(shop, "default", day(110))

    assert known.as_of == before.as_of
    assert known.customers == before.customers + len(
        {event.customer_id for event in later if event.occurred_at < day(110)}
    )


def test_an_estimate_starts_from_what_was_measured(shop: Store) -> None:
    churn = by_model(check(shop, "default", None))["churn"]

    measured = {one.metric: one for one in churn.estimates}
    assert set(measured) == {"log_loss", "auc"}
    assert all(one.measured is not None and abs(one.estimated - one.measured) < 0.15 for one in measured.values())


def test_a_gain_by_features_of_candidates_says_nothing_of_customers() -> None:
    """What ranks products names one of its columns as a feature of customers is named, by coincidence."""
    moved = [Shift("orders", 0.6, 0.0, 0.5, 0.0, RETRAIN), Shift("spend", 0.0, 0.0, 0.0, 1.0, NONE)]

    assert shifted_share(moved, {"orders": 0.2, "spend": 0.8}) == pytest.approx(0.2)
    assert shifted_share(moved, dict.fromkeys(CANDIDATE_FEATURES, 0.1)) == 0.0


def test_send_time_is_estimated_by_what_is_measured_of_it(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log loss is of the hours of orders, whatever hours it answers for messages."""
    elsewhere = np.full((1, 168), 1 / 168)
    monkeypatch.setattr(SendTimeModel, "predict", lambda _, profiles, *__: elsewhere.repeat(len(profiles), axis=0))

    [estimate] = by_model(check(shop, "default", None))["send-time"].estimates

    assert estimate.measured is not None
    assert abs(estimate.estimated - estimate.measured) < 0.1


@pytest.mark.parametrize(("then", "now"), [(np.nan, 0.7), (0.7, np.nan)])
def test_an_estimate_that_is_not_defined_is_left_out(shop: Store, then: float, now: float) -> None:
    with shop.reading() as connection:
        reference = load_reference(shop.workspace / current(connection, "default")["churn", CHAMPION].path)
    assert reference is not None

    found = estimated(
        replace(reference, estimates={"log_loss": 0.4, "auc": then}), {"log_loss": 0.5, "auc": now}, {}, 1
    )

    assert [one.metric for one in found] == ["log_loss"]


def test_a_version_without_a_reference_is_to_be_watched(shop: Store) -> None:
    with shop.reading() as connection:
        champion = current(connection, "default")["churn", CHAMPION]
    (shop.workspace / champion.path / FILE).unlink()

    churn = by_model(check(shop, "default", None))["churn"]

    assert (churn.verdict, churn.reasons) == ("watch", ["trained before versions kept what drift is told from"])


def test_a_champion_that_cannot_be_loaded_is_to_be_trained_again(shop: Store) -> None:
    with shop.reading() as connection:
        manifest = shop.workspace / current(connection, "default")["churn", CHAMPION].path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 0'))

    report = check(shop, "default", None)

    churn = by_model(report)["churn"]
    assert (report.verdict, churn.verdict) == (RETRAIN, RETRAIN)
    assert churn.reasons[0].startswith("the champion cannot be loaded: ")
    assert churn.reasons[0].endswith("format: got 0, expected 1")


@pytest.mark.parametrize("brand", ["default", "nobody"])
def test_where_there_is_nothing_to_compare_it_is_said(sqlite_store: Store, brand: str) -> None:
    with pytest.raises(FieldError, match="expected one with a champion"):
        check(sqlite_store, brand, None)


def test_a_report_is_kept_in_the_place_of_the_one_before(shop: Store) -> None:
    report = check(shop, "default", None)

    for _ in range(2):
        path = keep(shop.workspace, report)

    assert [file.name for file in path.parent.iterdir()] == ["default.json"]
    assert json.loads(path.read_bytes())["verdict"] == NONE
    assert path_of(shop.workspace, "../x").parent == path.parent


def test_the_verb_answers_in_json_and_tells_mlflow(shop: Store, capsys: pytest.CaptureFixture[str]) -> None:
    application(["drift", "--workspace", str(shop.workspace), "--json"], standalone_mode=False)

    answer = json.loads(capsys.readouterr().out)
    tracker = connect(shop.workspace, "default")
    [run] = tracker.client.search_runs([tracker.tracking_experiment_id], "tags.mlflow.runName = 'drift'")
    assert answer["verdict"] == NONE
    assert run.data.metrics["verdict"] == 0.0
    assert run.data.metrics["churn_score_psi"] == answer["models"][0]["score"]["psi"]


def test_people_are_shown_the_verdict_first(shop: Store) -> None:
    shown = CliRunner().invoke(application, ["drift", "--workspace", str(shop.workspace)])

    assert shown.stdout.startswith("none: ")
