"""A history in, registered models out: trained at past cutoffs, measured on a later one, then trained again with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from features.instant import Instant, to_iso
from features.presented_terms import ResponseTerms
from features.store import Store
from training import tracking
from training.alias_follower import follow_once
from training.data_report import FALLBACKS, Holdings, ModelData, holdings, model_data, response_data
from training.errors import NotEnoughData
from training.learners import OFFER_RESPONSE, learner
from training.model_files import remove_incoming
from training.one_at_a_time import training_alone
from training.registry import Deployment, history
from training.training_data import TrainingData, gather
from training.version import Attempt, make_version
from training.version_record import VersionRecord

if TYPE_CHECKING:
    from training.presentations import Gathered

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
    response: ResponseTerms | None = None,
) -> list[Trained]:
    """One result a model, in the order asked for; nothing that happened at or after ``as_of`` is used.

    ``as_of`` is by default just after the last event. A model without enough data is skipped, never an error.
    ``announce`` is told what there is and what each model needs, before anything is trained. ``response`` is what
    counts as a response to an offer.

    Raises
    ------
    AlreadyTrainingError
    """
    with training_alone(store.workspace):
        tracker = _tidy(store, brand, now, tracking_uri, report)
        found = holdings(store, brand, as_of)
        attempt = Attempt(now, seed, tuning_trials, report)
        task = _Task(store, tracker, brand, found, as_of, attempt)
        terms = response or ResponseTerms()
        gathered = task.presentations(terms) if OFFER_RESPONSE in models else None
        of_history = [model for model in models if model != OFFER_RESPONSE]
        data, too_little = task.snapshots(horizon_days) if of_history else (None, None)
        has = {model: model_data(model, brand, found, data, horizon_days, too_little) for model in of_history}
        if gathered is not None:
            has[OFFER_RESPONSE] = response_data(brand, found, gathered)
        announce({model: has[model] for model in models})
        results = {model: task.of_history(model, data, too_little, has[model]) for model in of_history}
        if gathered is not None:
            results[OFFER_RESPONSE] = task.of_presentations(gathered, terms, has[OFFER_RESPONSE])
        return [results[model] for model in models]


@dataclass(frozen=True, slots=True)
class _Task:
    """One training, whichever models it is of."""

    store: Store
    tracker: tracking.Tracker
    brand: str
    found: Holdings
    as_of: Instant | None
    attempt: Attempt

    def snapshots(self, horizon_days: int | None) -> tuple[TrainingData | None, NotEnoughData | None]:
        try:
            return gather(
                self.store, self.brand, self.as_of, horizon_days, self.attempt.seed, self.attempt.report
            ), None
        except NotEnoughData as error:
            return None, error

    def presentations(self, terms: ResponseTerms) -> "Gathered | NotEnoughData":
        from training.presentations import gather_presentations

        try:
            return gather_presentations(self.store, self.brand, self.as_of, terms, self.attempt.report)
        except NotEnoughData as error:
            return error

    def of_history(
        self, model: str, data: TrainingData | None, too_little: NotEnoughData | None, has: ModelData
    ) -> Trained:
        if data is None:
            return self.skipped(model, too_little or NotEnoughData("history", "nothing", "events"), has)
        try:
            deployment, record = make_version(self.store, self.tracker, learner(model), data, self.attempt)
        except NotEnoughData as error:
            return Trained(model, skipped=f"{error} ({_span(data)})", data=replace(has, fallback=FALLBACKS.get(model)))
        return _made(deployment, record, has)

    def of_presentations(self, gathered: "Gathered | NotEnoughData", terms: ResponseTerms, has: ModelData) -> Trained:
        from training.offer_training import make_offer_version

        if isinstance(gathered, NotEnoughData):
            return self.skipped(OFFER_RESPONSE, gathered, has)
        try:
            deployment, record = make_offer_version(self.store, self.tracker, gathered, terms, self.attempt)
        except NotEnoughData as error:
            return Trained(OFFER_RESPONSE, skipped=str(error), data=replace(has, fallback=FALLBACKS[OFFER_RESPONSE]))
        return _made(deployment, record, has)

    def skipped(self, model: str, reason: NotEnoughData, has: ModelData) -> Trained:
        """Before there was a run of it in MLflow, so that one has to say so."""
        tracking.log_skipped(self.tracker, model, self.attempt.now, reason)
        return Trained(model, skipped=str(reason), data=has)


def _made(deployment: Deployment, record: VersionRecord, has: ModelData) -> Trained:
    return Trained(
        record.model,
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
