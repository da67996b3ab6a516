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
