"""A history in, registered models out: trained at past cutoffs, measured on a later one, then trained again with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from features.instant import Instant, to_iso
from features.store import Store
from training import tracking
from training.alias_follower import follow_once
from training.data_report import FALLBACKS, ModelData, holdings, model_data
from training.errors import NotEnoughData, TrainingError
from training.learners import NotBuiltError, learner
from training.model_files import remove_incoming
from training.one_at_a_time import training_alone
from training.registry import history
from training.training_data import TrainingData, gather
from training.version import Attempt, make_version

Report = Callable[[str], None]
"""Told in a few words what is being done now."""
Announce = Callable[[Mapping[str, ModelData]], None]
"""Told by model what there is to train it on."""


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
    data: ModelData | None = None


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
    announce: Announce = lambda _: None,
) -> list[Trained]:
    """One result a model, in the order asked for; nothing that happened at or after ``as_of`` is used.

    ``as_of`` is by default just after the last event. A model without enough data is skipped, never an error.
    ``announce`` is told what there is and what each model needs, before anything is trained.

    Raises
    ------
    AlreadyTrainingError
    """
    with training_alone(store.workspace):
        tracker = _tidy(store, brand, now, tracking_uri, report)
        found = holdings(store, brand, as_of)
        data, too_little = None, None
        try:
            data = gather(store, brand, as_of, horizon_days, seed, report)
        except NotEnoughData as error:
            too_little = error
        of_models = {model: model_data(model, brand, found, data, horizon_days, too_little) for model in models}
        announce(of_models)
        if too_little is not None:
            for model in (model for model in models if _not_built(model) is None):
                tracking.log_skipped(tracker, model, now, too_little)
        if data is None:
            return [_skipped(model, _not_built(model) or str(too_little), of_models[model]) for model in models]
        attempt = Attempt(now, seed, tuning_trials, report)
        return [_trained(store, tracker, model, data, attempt, of_models[model]) for model in models]


def _trained(
    store: Store, tracker: tracking.Tracker, model: str, data: TrainingData, attempt: Attempt, has: ModelData
) -> Trained:
    try:
        deployment, record = make_version(store, tracker, learner(model), data, attempt)
    except NotBuiltError as error:
        tracking.register_name(tracker, model)
        return _skipped(model, error, has)
    except NotEnoughData as error:
        return _skipped(model, f"{error} ({_span(data)})", replace(has, fallback=FALLBACKS.get(model)))
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
        has,
    )


def _not_built(model: str) -> NotBuiltError | None:
    """More data would not help a model that this version cannot train."""
    try:
        learner(model)
    except NotBuiltError as error:
        return error
    return None


def _skipped(model: str, reason: TrainingError | str, has: ModelData) -> Trained:
    return Trained(model, skipped=str(reason), data=has)


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
