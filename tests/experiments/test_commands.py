import inspect
import json
import textwrap

import pytest
from typer.testing import CliRunner

from experiments.commands import create
from experiments.experiment_file import read_experiment
from lagniappe import application

FILE = """
name: trial
variants:
  - {name: control, weight: 1}
  - {name: treated, weight: 1}
"""


@pytest.fixture
def run(tmp_path):
    """Runs the command in a workspace; gives exit status, the JSON document and standard error."""

    def run(*words):
        place = ["--workspace", str(tmp_path / "workspace")]
        result = CliRunner().invoke(application, [*words, *place, "--json"])
        return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr

    return run


@pytest.fixture
def trial(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(FILE)
    return str(path)


def test_experiment_is_created_started_listed_and_stopped(run, trial):
    created = run("experiment", "create", trial)
    started = run("experiment", "start", "trial")
    listed = run("experiment", "list")
    stopped = run("experiment", "stop", "trial")

    assert [status for status, _, _ in (created, started, listed, stopped)] == [0, 0, 0, 0]
    assert [created[1]["state"], started[1]["state"], stopped[1]["state"]] == ["draft", "running", "stopped"]
    assert listed[1] == [started[1]]
    assert created[1]["variants"] == {"control": 0.5, "treated": 0.5}


def test_a_given_clock_stamps_start_and_stop(run, trial):
    run("experiment", "create", trial, "--clock", "2017-11-19")
    run("experiment", "start", "trial", "--clock", "2017-11-20")
    _, stopped, _ = run("experiment", "stop", "trial", "--clock", "2017-11-21T12:00:00Z")

    assert (stopped["started_at"], stopped["stopped_at"]) == ("2017-11-20T00:00:00Z", "2017-11-21T12:00:00Z")


def test_example_in_the_help_is_an_experiment(tmp_path):
    path = tmp_path / "example.yaml"
    path.write_text(textwrap.dedent(inspect.getdoc(create).split("\b\n")[1].split("\n\n")[0]))

    assert read_experiment(path).variants[1].models == {"churn": "challenger"}


def test_wrong_file_is_told_and_fails(run, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(FILE + "wieght: 1\n")

    status, document, complaint = run("experiment", "create", str(path))

    assert status == 1
    assert document["error"]["field"] == "wieght"
    assert "wieght" in complaint


def test_variant_naming_a_version_that_is_not_there_is_not_stored(run, tmp_path):
    path = tmp_path / "ghost.yaml"
    path.write_text("{name: ghost, variants: [{name: a}, {name: b, models: {churn: 99}}]}")

    status, document, _ = run("experiment", "create", str(path))

    assert (status, document["error"]["field"]) == (1, "variants[1].models.churn")
    assert "got '99', expected a version or alias of churn: none is trained" in document["error"]["message"]
    assert run("experiment", "list")[1] == []


@pytest.mark.parametrize("verb", ["start", "stop", "analyse", "plan"])
def test_unknown_experiment_fails(run, verb):
    assert run("experiment", verb, "absent")[0] == 1


@pytest.mark.parametrize("words", [["analyse"], ["analyse", "trial", "--as-of", "soon"], ["begin", "trial"]])
def test_wrong_use_has_its_own_status(run, words):
    assert run("experiment", *words)[0] == 2


def test_policy_is_evaluated_from_a_file(run, tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"d{row},a,{row % 2},0.5,0.5" for row in range(40)]
    path.write_text("\n".join(["decision_id,action,reward,propensity,target_probability", *rows]))

    status, document, _ = run("evaluate-policy", "--log", str(path))

    assert (status, document["refused"]) == (0, None)
    assert [each["estimator"] for each in document["estimates"]] == ["ips", "snips"]
    assert document["estimates"][0]["value"] == 0.5


def test_log_without_propensity_fails(run, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("decision_id,action,reward\nd,a,1\n")

    assert run("evaluate-policy", "--log", str(path))[0] == 1


@pytest.mark.parametrize("words", [["list"], ["start", "trial"]])
def test_without_json_a_table_is_shown(tmp_path, trial, words):
    place = ["--workspace", str(tmp_path / "workspace")]
    CliRunner().invoke(application, ["experiment", "create", trial, *place])

    result = CliRunner().invoke(application, ["experiment", *words, *place])

    assert result.exit_code == 0
    assert "trial" in result.stdout
