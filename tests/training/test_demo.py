"""The demo's own rules: its folder, its children, its figures; what it shows is in test_demo_page."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from training.demo.children import environment, run_verb, running
from training.demo.coupons import ranks_from_best, share_within
from training.demo.errors import DemoError
from training.demo.future import risk_bands
from training.demo.money import power_of, spread
from training.demo.place import MARK, make_place
from training.demo.service import chosen_port


def test_a_folder_with_somebody_elses_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")

    with pytest.raises(DemoError, match="expected an empty folder"):
        make_place(tmp_path)

    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_the_folder_of_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    earlier = make_place(tmp_path / "demo")
    earlier.page.write_text("old")

    make_place(tmp_path / "demo")

    assert [file.name for file in (tmp_path / "demo").iterdir()] == [MARK]


def test_a_folder_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DemoError, match="expected a folder that can be written"):
        make_place(tmp_path / "file" / "demo")


def test_the_demo_never_writes_to_the_database_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGNIAPPE_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")

    kept = environment()

    assert not {"LAGNIAPPE_DATABASE_URL", "MLFLOW_TRACKING_URI"} & kept.keys()


def test_a_taken_port_is_refused_by_name() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(DemoError, match="expected a port that is free"):
            chosen_port(taken.getsockname()[1])


def test_a_verb_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="ended with status") as failed:
        run_verb(["ingest", "events", str(tmp_path / "absent.csv"), "--workspace", str(tmp_path)], tmp_path / "log")

    assert "absent.csv" in failed.value.said


def test_children_of_a_command_end_with_it(tmp_path: Path) -> None:
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with running([sys.executable, "-c", grandchild], tmp_path / "log") as process:
        time.sleep(0.5)
        group = process.pid

    assert subprocess.run(["ps", "-o", "pid=", "-g", str(group)], capture_output=True, check=False).stdout == b""


def test_risk_bands_stand_beside_groups_of_the_same_size_by_recency() -> None:
    churn, bands = np.array([0.1, 0.9, 0.2]), ["low", "high", "low"]
    recency, churned = np.array([5.0, 1.0, 9.0]), np.array([0.0, 1.0, 0.0])

    low, high = risk_bands(churn, bands, recency, churned)

    assert (low.households, low.came_true, low.by_recency) == (2, 0.0, 0.5)
    assert (high.households, high.came_true, high.by_recency) == (1, 1.0, 0.0)


def test_redeemed_coupons_of_equal_score_share_their_rank() -> None:
    assert ranks_from_best(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [1.5, 4.0, 1.5, 3.0]
    assert share_within([1.0, 10.0, 11.0, 30.0], 10) == 0.5


def test_spend_that_the_past_explains_wholly_leaves_no_variance() -> None:
    each = np.array([[10.0], [20.0], [40.0]])

    mean, deviation, explained = spread(np.tile(each, (1, 24)), weeks=4)

    assert mean == pytest.approx(280 / 3)
    assert deviation > 0
    assert explained == pytest.approx(1.0)


def test_more_weeks_and_a_larger_control_group_find_smaller_effects() -> None:
    weekly = np.random.default_rng(1).gamma(0.5, 80.0, (1_000, 24))

    found = {(trial.control_share, trial.weeks): trial.detectable for trial in power_of(weekly).trials}

    assert found[0.5, 8] < found[0.5, 2]
    assert found[0.5, 8] < found[0.1, 8]
