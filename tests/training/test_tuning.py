import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from features.instant import MICROSECONDS_PER_DAY
from training.errors import NotEnoughData
from training.search_space import Range
from training.tuning import Fold, Parameters, Tuned, time_ordered_folds, tune
from training.tuning_plots import draw_search

if TYPE_CHECKING:
    from features.history import Snapshot


@dataclass
class Cutoff:
    """As much of a snapshot as the order of time needs."""

    as_of: int
    horizon_days: int = 30
    spend_within: dict[int, float] = field(default_factory=dict)


def cutoffs(*days: int) -> list["Snapshot"]:
    return [cast("Snapshot", Cutoff(day * MICROSECONDS_PER_DAY)) for day in days]


def day(snapshot: "Snapshot") -> int:
    return snapshot.as_of // MICROSECONDS_PER_DAY


FOLDS: list[Fold] = [([], cast("Snapshot", Cutoff(0)))] * 2
SPACE = {"depth": Range(1, 16), "rate": Range(0.01, 1.0, is_log=True)}


def bowl(parameters: Parameters, _: Any) -> float:
    """Lowest at depth 5."""
    return (parameters["depth"] - 5) ** 2 + parameters["rate"]


def search(workspace: Path, trials: int, loss: Any = bowl) -> Tuned:
    return tune(workspace, "default.churn", SPACE, FOLDS, loss, trials, seed=1)


def test_a_fold_trains_only_on_cutoffs_whose_horizon_was_over() -> None:
    folds = time_ordered_folds(cutoffs(0, 14, 28, 42, 60))

    days = [
        ([s.as_of // MICROSECONDS_PER_DAY for s in past], later.as_of // MICROSECONDS_PER_DAY) for past, later in folds
    ]
    assert days == [([0], 42), ([0, 14, 28], 60)]


def test_the_search_finds_the_bottom(tmp_path: Path) -> None:
    assert abs(search(tmp_path, trials=25).parameters["depth"] - 5) <= 1


def test_whole_ranges_give_whole_numbers(tmp_path: Path) -> None:
    best = search(tmp_path, trials=2).parameters

    assert (type(best["depth"]), type(best["rate"])) == (int, float)


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    calls = 0

    def killed(parameters: Parameters, fold: Fold) -> float:
        nonlocal calls
        calls += 1
        if calls > 6:  # in the middle of the fourth trial
            raise KeyboardInterrupt
        return bowl(parameters, fold)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, trials=10, loss=killed)

    after = search(tmp_path, trials=10)

    assert (after.resumed, after.trials) == (3, 10)


KILLED = """
import os, signal, sys
from pathlib import Path
from training.search_space import Range
from training.tuning import tune
calls = 0
def loss(parameters, fold):
    global calls
    calls += 1
    if calls > 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return (parameters["depth"] - 5) ** 2 + parameters["rate"]
space = {"depth": Range(1, 16), "rate": Range(0.01, 1.0, is_log=True)}
tune(Path(sys.argv[1]), "default.churn", space, [([], None)] * 2, loss, 10, seed=1)
"""


def test_a_search_whose_process_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed in the middle of the fourth trial, which is not counted and not lost: another takes its place."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9

    after, again = (search(tmp_path, trials=10) for _ in range(2))

    assert (after.resumed, after.trials, again.resumed, again.trials) == (3, 10, 10, 10)
    assert again.parameters == after.parameters
    assert [one.number for one in after.tried] == [0, 1, 2, *range(4, 11)]


def test_what_was_tried_is_drawn(tmp_path: Path) -> None:
    tuned = search(tmp_path, trials=12)

    draw_search(tuned.tried, tmp_path / "plots")

    assert min(one.loss for one in tuned.tried if not one.is_pruned) == tuned.loss
    assert sorted(file.name for file in (tmp_path / "plots").iterdir()) == [
        "tuning_history.png",
        "tuning_parameters.png",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (tmp_path / "plots").iterdir())


def test_hopeless_trials_are_pruned(tmp_path: Path) -> None:
    assert search(tmp_path, trials=12).pruned > 0


def test_a_search_without_any_result_is_not_enough_data(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData, match="0 trials without a result"):
        search(tmp_path, trials=0)
