import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from features.store import Store
from training import commands
from training.registry import Deployment
from training.tracking import Tracker, champion_alias, name_champion, register, run

MakeVersion = Callable[..., Deployment]
NOW = 1_511_136_000_000_000
VERBS = ("train", "retrain", "compare", "promote", "rollback", "history", "examples")


def call(store: Store | None, *arguments: str) -> Result:
    """The command with that workspace."""
    app = typer.Typer()
    for verb in VERBS:
        app.command(verb)(getattr(commands, verb))
    workspace = ["--workspace", str(store.workspace)] if store else []
    return CliRunner().invoke(app, [*arguments, *workspace])


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def two_versions(tracker: Tracker, make_version: MakeVersion) -> None:
    for version in ("1", "2"):
        with run(tracker, "churn", NOW) as run_id:
            make_version(version, [0.5, 0.6, 0.7] if version == "1" else [0.9, 1.0, 1.1], run_id=run_id)
            register(tracker, run_id, "churn")
    name_champion(tracker, "churn", "1")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    assert call(None, verb, "--help").exit_code == 0


@pytest.mark.usefixtures("two_versions")
def test_a_refused_promotion_exits_with_1_and_names_the_gate(sqlite_store: Store) -> None:
    refused = call(sqlite_store, "promote", "churn", "2", "--json")

    assert refused.exit_code == 1
    assert "gate not_worse_log_loss: +66.67%" in json.loads(refused.stdout)["error"]["message"]


@pytest.mark.usefixtures("two_versions")
def test_a_forced_promotion_moves_deployment_and_alias(sqlite_store: Store, tracker: Tracker) -> None:
    promoted = answer(call(sqlite_store, "promote", "churn", "2", "--force", "--by", "anna", "--json"))

    assert (promoted["version"], promoted["reason"]) == ("2", "forced past not_worse_log_loss by anna")
    assert champion_alias(tracker, "churn") == ("2", "2")


@pytest.mark.usefixtures("two_versions")
def test_rollback_is_one_command(sqlite_store: Store, tracker: Tracker) -> None:
    call(sqlite_store, "promote", "churn", "2", "--force")

    back = answer(call(sqlite_store, "rollback", "churn", "--json"))

    assert back["version"] == "1"
    for _ in range(240):  # MLflow is told in the background, by a process that first has to import it
        if champion_alias(tracker, "churn") == ("1", "1"):
            break
        time.sleep(0.25)
    assert champion_alias(tracker, "churn") == ("1", "1")


@pytest.mark.usefixtures("two_versions")
def test_history_says_which_version_served_when(sqlite_store: Store) -> None:
    call(sqlite_store, "promote", "churn", "2", "--force")

    spans = answer(call(sqlite_store, "history", "--json"))
    then = answer(call(sqlite_store, "history", "churn", "--at", "2017-11-21", "--json"))

    assert [(span["version"], span["served_until"] is None) for span in spans] == [("1", False), ("2", True)]
    assert [span["version"] for span in then] == ["1"]


@pytest.mark.usefixtures("two_versions")
def test_compare_shows_both_versions_and_the_verdict_of_each_gate(sqlite_store: Store) -> None:
    [compared] = answer(call(sqlite_store, "compare", "--json"))

    assert (compared["champion"]["version"], compared["challenger"]["version"]) == ("1", "2")
    assert compared["differences"][0]["difference"] == pytest.approx(0.4)
    assert {gate["name"]: gate["is_passed"] for gate in compared["gates"]}["not_worse_log_loss"] is False


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize("verb", [("compare",), ("history",), ("promote", "churn", "2", "--force")])
def test_without_json_people_get_a_table(sqlite_store: Store, verb: tuple[str, ...]) -> None:
    shown = call(sqlite_store, *verb)

    assert shown.exit_code == 0
    assert "churn" in shown.stdout


def test_nothing_trained_yet_is_no_error_to_look_at(sqlite_store: Store) -> None:
    assert answer(call(sqlite_store, "compare", "--json")) == []
    assert answer(call(sqlite_store, "history", "--json")) == []


@pytest.mark.parametrize(
    "wrong",
    [("train", "horoscope"), ("train",), ("train", "churn", "--as-of", "yesterday"), ("history", "horoscope"),
     ("train", "churn", "--horizon-days", "0")],
)  # fmt: skip
def test_wrong_use_exits_with_2(sqlite_store: Store, wrong: tuple[str, ...]) -> None:
    assert call(sqlite_store, *wrong).exit_code == 2


def test_a_setting_that_is_wrong_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("file") / "workspace"
    file.touch()
    app = typer.Typer()
    app.command()(commands.history)

    refused = CliRunner().invoke(app, ["--workspace", str(file), "--json"])

    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["error"]["field"] == "workspace"


def test_train_answers_with_one_document_and_progress_elsewhere(shop: Store) -> None:
    [trained] = answer(call(shop, "train", "send-time", "--horizon-days", "14", "--json"))

    assert (trained["model"], trained["version"], trained["alias"]) == ("send-time", "1", "champion")
    assert set(trained) >= {"run_id", "metrics", "baselines", "skipped"}


def test_a_model_that_was_asked_for_and_skipped_exits_with_1(shop: Store) -> None:
    refused = call(shop, "train", "send-time", "offer-response", "--horizon-days", "400", "--json")

    assert refused.exit_code == 1
    too_short, nothing_presented = (result["skipped"] for result in json.loads(refused.stdout))
    assert too_short.startswith("history: ")
    assert nothing_presented.startswith("offer_presented: got 0 events")


def test_what_was_skipped_for_one_reason_is_said_in_one_line(shop: Store) -> None:
    refused = call(shop, "train", "churn", "send-time", "--horizon-days", "400")

    assert refused.stdout.startswith("churn, send-time: skipped: history: ")


def test_comparing_what_was_never_trained_names_what_to_do(sqlite_store: Store) -> None:
    refused = call(sqlite_store, "compare", "churn", "--json")

    assert refused.exit_code == 1
    assert "lagniappe train churn" in json.loads(refused.stdout)["error"]["message"]


def test_examples_are_written(shop: Store, tmp_path: Path) -> None:
    out = tmp_path / "examples.parquet"

    written = answer(call(shop, "examples", "--as-of", "2017-07-20", "--out", str(out), "--json"))

    assert written["rows"] > 0
    assert out.exists()
