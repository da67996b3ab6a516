"""Search for parameters by Optuna over time-ordered folds, kept in the workspace so that a killed search goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from features.instant import MICROSECONDS_PER_DAY
from training.errors import NotEnoughData
from training.sample import seen_at
from training.search_space import Range, SearchSpace

if TYPE_CHECKING:
    import optuna

    from features.history import Snapshot

Parameters = dict[str, float | int]
Fold = tuple[Sequence["Snapshot"], "Snapshot"]
"""What to train on, and the later cutoff to measure on."""
DATABASE_FILE = "optuna.db"
_LARGEST_FOLDS = 3


Loss = Callable[[Parameters, Fold], float]


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial; ``loss`` is the mean over the folds that it came to."""

    number: int
    parameters: Parameters
    loss: float
    is_pruned: bool


@dataclass(frozen=True, slots=True)
class Tuned:
    parameters: Parameters
    loss: float
    trials: int
    pruned: int
    resumed: int
    """How many trials an earlier, interrupted search had already finished."""
    tried: list[Tried] = field(default_factory=list)


def time_ordered_folds(snapshots: Sequence["Snapshot"]) -> list[Fold]:
    """Up to three folds, oldest first: each trains on cutoffs whose horizon was over when its own cutoff came."""
    folds: list[Fold] = []
    for later in snapshots:
        span = later.horizon_days * MICROSECONDS_PER_DAY
        earlier = [seen_at(snapshot, later.as_of) for snapshot in snapshots if snapshot.as_of + span <= later.as_of]
        if earlier:
            folds.append((earlier, later))
    return folds[-_LARGEST_FOLDS:]


def tune(
    workspace: Path,
    study_name: str,
    space: SearchSpace,
    folds: Sequence[Fold],
    loss: Loss,
    trials: int,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """The best parameters of ``trials`` trials in all, those of an earlier search by that name included.

    Raises
    ------
    NotEnoughData
        If no trial came to an end.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{(workspace / DATABASE_FILE).resolve()}"
    study = optuna.create_study(storage=storage, study_name=study_name, load_if_exists=True)
    done = _end_abandoned(study)
    # Another seed after an interruption, or the search would begin with the trials that it has made already.
    study.sampler = optuna.samplers.TPESampler(seed=seed + done)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4)

    def objective(trial: "optuna.Trial") -> float:
        parameters = {name: _suggest(trial, name, values) for name, values in space.items()}
        return _mean_loss(trial, parameters, folds, loss)

    def report(_: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        progress(f"trial {trial.number + 1} of {trials}")

    study.optimize(objective, n_trials=max(trials - done, 0), callbacks=[report])
    return _result(study, done)


def _mean_loss(trial: "optuna.Trial", parameters: Parameters, folds: Sequence[Fold], loss: Loss) -> float:
    """Over the folds, given up as soon as the mean so far is worse than most trials' was."""
    import optuna

    losses: list[float] = []
    for step, fold in enumerate(folds):
        losses.append(loss(parameters, fold))
        trial.report(sum(losses) / len(losses), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return sum(losses) / len(losses)


def _suggest(trial: "optuna.Trial", name: str, values: Range) -> float | int:
    if isinstance(values.low, int) and isinstance(values.high, int):
        return int(trial.suggest_int(name, values.low, values.high, log=values.is_log))
    return float(trial.suggest_float(name, values.low, values.high, log=values.is_log))


def _end_abandoned(study: "optuna.Study") -> int:
    """How many trials were ended before; those that a killed search left running are ended as failed."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))


def _result(study: "optuna.Study", resumed: int) -> Tuned:
    from optuna.trial import TrialState

    complete = study.get_trials(states=(TrialState.COMPLETE,))
    pruned = len(study.get_trials(states=(TrialState.PRUNED,)))
    if not complete:
        raise NotEnoughData("tuning", f"{pruned} trials without a result", "at least one that came to an end")
    tried = [_tried(trial) for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))]
    return Tuned(dict(study.best_params), float(study.best_value), len(complete) + pruned, pruned, resumed, tried)


def _tried(trial: "optuna.trial.FrozenTrial") -> Tried:
    from optuna.trial import TrialState

    is_pruned = trial.state == TrialState.PRUNED
    loss = trial.intermediate_values[max(trial.intermediate_values)] if is_pruned else trial.values[0]
    return Tried(trial.number, dict(trial.params), float(loss), is_pruned)
