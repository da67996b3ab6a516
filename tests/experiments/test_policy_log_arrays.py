"""Logs of the Open Bandit Pipeline, judged as our own are."""

import json
from pathlib import Path

import numpy as np
import pytest

from lagniappe import application

ROWS, ACTIONS = 2_000, 3
TRUE_VALUE = 0.2 * 0.2 + 0.8 * 0.3


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """Three actions drawn evenly, rewarded in 10, 20 and 30 of 100 cases; judged is who takes the better two."""
    generator = np.random.default_rng(0)
    action = generator.integers(0, ACTIONS, ROWS)
    np.savez(
        tmp_path / "log.npz",
        n_rounds=ROWS,
        n_actions=ACTIONS,
        context=generator.random((ROWS, 2)),
        action=action,
        position=np.zeros(ROWS, dtype=np.int64),
        reward=(generator.random(ROWS) < 0.1 * (action + 1)).astype(np.float64),
        pscore=np.full(ROWS, 1 / ACTIONS),
        action_dist=np.tile([0.0, 0.2, 0.8], (ROWS, 1))[:, :, None],
    )
    return tmp_path / "log.npz"


def test_the_interval_of_a_policy_holds_its_true_value(logged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    application(["evaluate-policy", "--log", str(logged), "--form", "obp", "--json"], standalone_mode=False)

    told = json.loads(capsys.readouterr().out)
    by_name = {one["estimator"]: one for one in told["estimates"]}
    assert told["refused"] is None
    assert by_name["ips"]["low"] < TRUE_VALUE < by_name["ips"]["high"]
    assert by_name["snips"]["low"] < TRUE_VALUE < by_name["snips"]["high"]


def test_the_csv_of_the_open_bandit_dataset_is_read_by_its_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``item_id``, ``click`` and ``propensity_score``; the evaluated policy stands beside them."""
    rows = [f"{n % 3},{int(n % 3 == 1)},0.5,{0.8 if n % 3 == 1 else 0.35}" for n in range(60)]
    log = tmp_path / "all.csv"
    log.write_text("\n".join(["item_id,click,propensity_score,target_probability", *rows]) + "\n")

    application(["evaluate-policy", "--log", str(log), "--form", "obp", "--json"], standalone_mode=False)

    found = json.loads(capsys.readouterr().out)
    values = {one["estimator"]: one["value"] for one in found["estimates"]}
    assert values["ips"] == pytest.approx(20 * 0.8 / 0.5 / 60)
    assert {one["action"] for one in found["actions"]} == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (["--epsilon", "0.2"], {"none": 0.1, "a": 0.9}),
        (["--epsilon", "0.2", "--least-value", "3"], {"none": 0.9, "a": 0.1}),
        (["--least-value", "3"], {"none": 0.975, "a": 0.025}),
    ],
)
def test_an_exploration_is_judged_by_the_candidates_that_were_logged(
    asked: list[str], target: dict[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    among = [
        {"offer_id": "none", "expected_value": 0.0, "probability": 0.5},
        {"offer_id": "a", "expected_value": 2.0, "probability": 0.5},
    ]
    rows = [
        {"decision_id": f"d{n}", "action": action, "reward": float(action == "a"), "propensity": 0.5,
         "candidates": json.dumps(among)}
        for n, action in enumerate(["none", "a"] * 30)
    ]  # fmt: skip
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))

    application(["evaluate-policy", "--log", str(log), "--json", *asked], standalone_mode=False)

    found = {one["estimator"]: one for one in json.loads(capsys.readouterr().out)["estimates"]}
    assert found["ips"]["value"] == pytest.approx(target["a"])
