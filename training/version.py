"""One version of one model, from snapshots to a deployment; interrupted at any moment, it is there whole or not."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from features.instant import Instant, to_iso
from features.store import Store
from features.vector import FINGERPRINT
from training import baselines, tracking
from training.drift_reference import reference_of, save_reference
from training.errors import NotEnoughData
from training.evaluation import Evaluation
from training.held_out import HeldOut, chances_and_outcomes, held_out, save_held_out
from training.learners import Learner
from training.model_card import model_card
from training.model_files import install, version_path
from training.models.churn import ChurnModel
from training.models.churn_interval import ChurnInterval
from training.registry import CHALLENGER, CHAMPION, Deployment, current, deploy
from training.training_data import TrainingData
from training.tuning import Fold, Parameters, Tried, Tuned, time_ordered_folds, tune
from training.tuning_plots import draw_search
from training.validation_plots import draw
from training.version_record import HELD_OUT_FOLDER, VersionRecord, write_record

PLOTS = "plots"
CORES = 2
"""Fits at a time: each runs in one thread."""
HELD_OUT_CUTOFFS = 2
"""At so many, where the history has them, a version is measured; each one more is one more training."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The settings of a training besides its data."""

    now: Instant
    seed: int = 0
    tuning_trials: int = 0
    report: Callable[[str], None] = lambda _: None


def make_version(
    store: Store, tracker: tracking.Tracker, learner: Learner, data: TrainingData, attempt: Attempt
) -> tuple[Deployment, VersionRecord]:
    """Trained, measured, logged, registered and deployed: as champion if it is the first, else as challenger.

    Raises
    ------
    NotEnoughData
    """
    with tracking.run(tracker, learner.name, attempt.now) as run_id:
        parameters, notes, tried = _parameters(store, tracker, learner, data, attempt, run_id)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            record = _fit(tracker.brand, learner, data, parameters, notes, attempt, folder)
            draw_search(tried, folder / PLOTS)
            log_record(tracker, run_id, record, folder, attempt.now)
            version = tracking.register(tracker, run_id, learner.name)
            path = version_path(tracker.brand, learner.name, version, run_id)
            install(store.workspace, folder / tracking.MODEL_FOLDER, path)
        deployment = deploy_next(store, tracker.brand, learner.name, version, run_id, path, attempt.now)
        name_in_mlflow(tracker, deployment)
    return deployment, record


def _fit(
    brand: str,
    learner: Learner,
    data: TrainingData,
    parameters: Parameters,
    notes: tuple[str, ...],
    attempt: Attempt,
    folder: Path,
) -> VersionRecord:
    """The files of a version in ``folder``: model (with its held-out twin inside), plots, card."""
    attempt.report(f"{learner.name}: training, and training again without the held-out cutoffs")
    with ThreadPoolExecutor(CORES) as pool:
        fitted = pool.submit(learner.fit, data.snapshots, parameters, attempt.seed)
        twin = pool.submit(learner.fit, data.training, parameters, attempt.seed).result()
        evaluation = learner.evaluate(twin, data.validation)
        earlier = _earlier_held_out(learner, data, parameters, attempt.seed)
        model = fitted.result()
    record = _record(brand, learner.name, data, parameters, notes, evaluation)
    saved = folder / tracking.MODEL_FOLDER
    twin_folder = saved / HELD_OUT_FOLDER
    twin_folder.mkdir(parents=True)
    twin.save(twin_folder)
    measured = [held_out(twin, data.validation), *earlier]
    save_held_out(measured, twin_folder)
    model.save(saved)
    save_reference(reference_of(model, data.training[-1], data.validation, data.refusing, attempt.seed), saved)
    if learner.name == ChurnModel.name:
        ChurnInterval.fit(*chances_and_outcomes(measured)).save(saved)
    write_record(record, saved)
    draw(twin, data.validation, folder / PLOTS)
    (folder / "model_card.md").write_text(model_card(record), encoding="utf-8")
    return record


def _record(
    brand: str, model: str, data: TrainingData, parameters: Parameters, notes: tuple[str, ...], evaluation: Evaluation
) -> VersionRecord:
    metrics = finite(evaluation.metrics)
    return VersionRecord(
        model,
        brand,
        FINGERPRINT,
        data.window,
        parameters,
        metrics,
        {name: finite(values) for name, values in evaluation.baselines.items()},
        (*notes, *baselines.warnings(model, metrics)),
    )


def _earlier_held_out(learner: Learner, data: TrainingData, parameters: Parameters, seed: int) -> list[HeldOut]:
    """What the model loses at cutoffs before the newest, each time trained on what was over by then; newest first."""
    measured = []
    for training, later in reversed(time_ordered_folds(data.snapshots)[-HELD_OUT_CUTOFFS:-1]):
        try:
            measured.append(held_out(learner.fit(training, parameters, seed), later))
        except NotEnoughData:
            break  # still earlier there is less
    return measured


def _parameters(
    store: Store, tracker: tracking.Tracker, learner: Learner, data: TrainingData, attempt: Attempt, run_id: str
) -> tuple[Parameters, tuple[str, ...], list[Tried]]:
    notes = (data.cutoffs.note,) if data.cutoffs.note else ()
    if not attempt.tuning_trials:
        return {}, notes, []
    folds = time_ordered_folds(data.training)
    if not folds or not learner.search_space:
        reason = "it has no parameters to tune" if folds else "the history has room for no fold"
        return {}, (*notes, f"not tuned: {reason}"), []
    tuned = _tuned(store, tracker.brand, learner, data, attempt, folds)
    with tracking.run(tracker, f"{learner.name}-best-trial", attempt.now, parent_run_id=run_id) as child:
        tracking.log_values(tracker, child, attempt.now, tuned.parameters, {"loss": tuned.loss})
    note = f"tuned in {tuned.trials} trials ({tuned.pruned} pruned, {tuned.resumed} from an earlier search)"
    return tuned.parameters, (*notes, note), tuned.tried


def _tuned(
    store: Store, brand: str, learner: Learner, data: TrainingData, attempt: Attempt, folds: list[Fold]
) -> Tuned:
    def loss(parameters: Parameters, fold: Fold) -> float:
        training, later = fold
        return held_out(learner.fit(training, parameters, attempt.seed), later).main_loss

    study = f"{brand}.{learner.name} {to_iso(data.as_of)} {data.cutoffs.horizon_days} days {FINGERPRINT}"
    return tune(
        store.workspace,
        study,
        learner.search_space,
        folds,
        loss,
        attempt.tuning_trials,
        attempt.seed,
        lambda what: attempt.report(f"{learner.name}: {what}"),
    )


def log_record(tracker: tracking.Tracker, run_id: str, record: VersionRecord, folder: Path, now: Instant) -> None:
    window = record.window
    parameters: dict[str, object] = {
        **record.parameters,
        "data_from": to_iso(window.first_at),
        "data_before": to_iso(window.as_of),
        "horizon_days": window.horizon_days,
        "training_cutoffs": " ".join(to_iso(cutoff) for cutoff in window.training_cutoffs),
        "validation_cutoff": to_iso(window.validation_cutoff),
        "training_rows": window.training_rows,
        "validation_rows": window.validation_rows,
        "orders_in_windows": window.orders_in_windows,
        "features_fingerprint": record.fingerprint,
    }
    prefix = record.model.replace("-", "_")
    metrics = {f"{prefix}_{name}": value for name, value in record.metrics.items()}
    for baseline, values in record.baselines.items():
        metrics |= {f"baseline_{baseline}_{name}": value for name, value in values.items()}
    known = {name: value for name, value in metrics.items() if value is not None}
    tracking.log_values(tracker, run_id, now, parameters, known)
    tracking.log_files(tracker, run_id, folder)


def deploy_next(store: Store, brand: str, model: str, version: str, run_id: str, path: str, now: Instant) -> Deployment:
    with store.writing() as connection:
        is_first = (model, CHAMPION) not in current(connection, brand)
        alias, reason = (CHAMPION, "first version") if is_first else (CHALLENGER, "trained")
        return deploy(connection, brand, model, version, alias, run_id, path, now, reason)


def name_in_mlflow(tracker: tracking.Tracker, deployment: Deployment) -> None:
    if deployment.alias == CHAMPION:
        tracking.name_champion(tracker, deployment.model, deployment.version)
    else:
        tracking.name_version(tracker, deployment.model, deployment.version, deployment.alias)


def finite(metrics: dict[str, float]) -> dict[str, float | None]:
    return {name: float(value) if isfinite(value) else None for name, value in metrics.items()}
