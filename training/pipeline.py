"""A history in, registered models out: trained at past cutoffs, measured on a later one, then trained again with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from features.instant import Instant, to_iso
from features.store import Store
from training import tracking
from training.alias_follower import follow_once
from training.errors import NotEnoughData, TrainingError
from training.learners import NotBuiltError, learner
from training.model_files import remove_incoming
from training.one_at_a_time import training_alone
from training.registry import history
from training.training_data import TrainingData, gather
from training.version import Attempt, make_version

Report = Callable[[str], None]
"""Told in a few words what is being done now."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of one model: a version, or the reason why it was skipped. The JSON of ``train``."""

    model: str
    version: str | None = None
    run_id: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    baselines: dict[str, dict[str, float | None]] = field(default_factory=dict)
    alias: str | None = None
    skipped: str | None = None
    as_of: str | None = None
    horizon_days: int | None = None
    notes: tuple[str, ...] = ()


def train(
    store: Store,
    models: Sequence[str],
    *,
    brand: str,
    now: Instant,
    as_of: Instant | None = None,
    horizon_days: int | None = None,
    tuning_trials: int = 0,
    seed: int = 0,
    tracking_uri: str | None = None,
    report: Report = lambda _: None,
) -> list[Trained]:
    """One result a model, in the order asked for; nothing that happened at or after ``as_of`` is used.

    ``as_of`` is by default just after the last event. A model without enough data is skipped, never an error.

    Raises
    ------
    AlreadyTrainingError
    """
    with training_alone(store.workspace):
        tracker = _tidy(store, brand, now, tracking_uri, report)
        try:
            data = gather(store, brand, as_of, horizon_days, seed, report)
        except NotEnoughData as error:
            return [_skipped(model, _not_built(model) or error) for model in models]
        attempt = Attempt(now, seed, tuning_trials, report)
        return [_trained(store, tracker, model, data, attempt) for model in models]


def _trained(store: Store, tracker: tracking.Tracker, model: str, data: TrainingData, attempt: Attempt) -> Trained:
    try:
        deployment, record = make_version(store, tracker, learner(model), data, attempt)
    except NotBuiltError as error:
        tracking.register_name(tracker, model)
        return _skipped(model, error)
    except NotEnoughData as error:
        return _skipped(model, f"{error} ({_span(data)})")
    return Trained(
        model,
        deployment.version,
        deployment.run_id,
        record.metrics,
        record.baselines,
        deployment.alias,
        None,
        to_iso(record.window.as_of),
        record.window.horizon_days,
        record.notes,
    )


def _not_built(model: str) -> NotBuiltError | None:
    """More data would not help a model that this version cannot train."""
    try:
        learner(model)
    except NotBuiltError as error:
        return error
    return None


def _skipped(model: str, reason: TrainingError | str) -> Trained:
    return Trained(model, skipped=str(reason))


def _span(data: TrainingData) -> str:
    """Where in time was looked: one event with a wrong date can move every cutoff to where nothing happens."""
    cutoffs, end = data.cutoffs, to_iso(data.as_of - 1)
    return f"the last cutoff is {to_iso(cutoffs.validation)}, {cutoffs.horizon_days} days before the end at {end}"


def _tidy(store: Store, brand: str, now: Instant, tracking_uri: str | None, report: Report) -> tracking.Tracker:
    """MLflow, with whatever a killed training left behind put in order."""
    report("opening the tracking database")
    tracker = tracking.connect(store.workspace, brand, tracking_uri)
    remove_incoming(store.workspace)
    with store.reading() as connection:
        deployed = {row.run_id for row in history(connection, brand) if row.run_id is not None}
    tracking.end_abandoned_runs(tracker, deployed)
    follow_once(store, tracker, now)
    return tracker
