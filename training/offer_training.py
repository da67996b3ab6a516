"""One version of the offer response model: from presentations to a deployment, measured on those that it had not seen.

Where there are several moments of presentation the newest part is held out; of a single mailing, some customers.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.presented_terms import Outcome, ResponseTerms
from features.store import Store
from features.vector import FINGERPRINT
from training import tracking
from training.errors import NotEnoughData
from training.evaluation import Evaluation
from training.held_out import HeldOut, calibration_error_beyond_chance, customer_keys, save_held_out
from training.metrics import SMALLEST_PROBABILITY, area_under_curve, expected_calibration_error, log_loss, squared_error
from training.model_card import model_card
from training.model_files import install, version_path
from training.models.offer_predictor import OfferPredictor
from training.models.offer_response import CONTROL, OfferResponseModel, Presentations
from training.presentations import Gathered
from training.registry import Deployment
from training.version import Attempt, deploy_next, finite, log_record, name_in_mlflow
from training.version_record import HELD_OUT_FOLDER, DataWindow, VersionRecord, write_record

HELD_OUT_SHARE = 0.3
LARGEST_HELD_OUT_SHARE = 0.5
PARTS_OF_UPLIFT = 3
_ROWS_AT_ONCE = 20_000
_PARTS = 1_000

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def make_offer_version(
    store: Store, tracker: tracking.Tracker, gathered: Gathered, terms: ResponseTerms, attempt: Attempt
) -> tuple[Deployment, VersionRecord]:
    """As :func:`training.version.make_version`, of the offer response model.

    Raises
    ------
    NotEnoughData
    """
    name = OfferResponseModel.name
    with tracking.run(tracker, name, attempt.now) as run_id, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        attempt.report(f"{name}: training, and training again without what is held out")
        record = _fit(tracker.brand, gathered, terms, attempt, folder)
        log_record(tracker, run_id, record, folder, attempt.now)
        version = tracking.register(tracker, run_id, name)
        path = version_path(tracker.brand, name, version, run_id)
        install(store.workspace, folder / tracking.MODEL_FOLDER, path)
        deployment = deploy_next(store, tracker.brand, name, version, run_id, path, attempt.now)
        name_in_mlflow(tracker, deployment)
    return deployment, record


def _fit(brand: str, gathered: Gathered, terms: ResponseTerms, attempt: Attempt, folder: Path) -> VersionRecord:
    all_of_them = gathered.presentations
    held, held_at = held_out_rows(all_of_them, gathered.persons)
    model = OfferResponseModel.fit(all_of_them, {}, attempt.seed)
    twin = OfferResponseModel.fit(rows_of(all_of_them, ~held), {}, attempt.seed)
    later = rows_of(all_of_them, held)
    evaluation = evaluate(twin, rows_of(all_of_them, ~held), later)
    record = _record(brand, gathered, terms, attempt, evaluation, held, held_at)
    saved = folder / tracking.MODEL_FOLDER
    twin_folder = saved / HELD_OUT_FOLDER
    twin_folder.mkdir(parents=True)
    as_it_serves(twin, gathered, terms).save(twin_folder)
    save_held_out([losses_of(twin, later, gathered.persons, held_at, terms.window_days)], twin_folder)
    as_it_serves(model, gathered, terms).save(saved)
    write_record(record, saved)
    (folder / "plots").mkdir()
    (folder / "model_card.md").write_text(model_card(record), encoding="utf-8")
    return record


def as_it_serves(model: OfferResponseModel, gathered: Gathered, terms: ResponseTerms) -> OfferPredictor:
    return OfferPredictor(model, gathered.attributes, gathered.terms, gathered.protected, terms)


def held_out_rows(presentations: Presentations, persons: Sequence[str]) -> tuple[Flags, Instant]:
    """Which presentations are held out, and the instant from which on; a single mailing is divided by customer."""
    at = presentations.presented_at
    cutoff = int(np.quantile(at, 1.0 - HELD_OUT_SHARE, method="higher"))
    later = at >= cutoff
    if later.mean() > LARGEST_HELD_OUT_SHARE:
        later = at > cutoff
        cutoff = int(at[later].min()) if later.any() else cutoff
    if later.any() and 0 < later.mean() <= LARGEST_HELD_OUT_SHARE:
        return later, cutoff
    return _drawn(persons)[presentations.person], int(at.min())


def _drawn(persons: Sequence[str]) -> Flags:
    """By a hash, so that whoever is held out of one version is held out of the next."""
    parts = [key % _PARTS for key in customer_keys(persons).tolist()]
    return np.array(parts, dtype=np.float64) < HELD_OUT_SHARE * _PARTS


def rows_of(presentations: Presentations, chosen: Flags) -> Presentations:
    columns = ("customers", "offer", "propensity", "response", "person", "presented_at")
    return replace(presentations, **{name: getattr(presentations, name)[chosen] for name in columns})


def evaluate(model: OfferResponseModel, taught: Presentations, later: Presentations) -> Evaluation:
    """Beside what each offer's own rate would have told."""
    shown = later.offer != CONTROL
    if not shown.any():
        raise NotEnoughData("offer_presented", "no offer among what is held out", "some")
    actual = later.response[shown]
    predicted, uplift = predictions_of(model, later)
    rates = _rates(taught)[later.offer[shown]]
    if later.outcome is Outcome.SPEND:
        metrics = {"squared_error": squared_error(actual, predicted[shown])}
        baseline = {"squared_error": squared_error(actual, rates)}
    else:
        metrics, baseline = _of_chances(actual, predicted[shown]), _of_chances(actual, rates)
    return Evaluation(metrics | _of_uplift(later, uplift), {"rate_of_each_offer": baseline})


def predictions_of(model: OfferResponseModel, presentations: Presentations) -> tuple[Floats, Floats]:
    """What was to be expected of each presentation in the unit of the outcome; and the uplift of all offers on average,
    whichever was shown, so that who was shown something and who was not are divided alike."""
    expected, uplift = np.empty(len(presentations.offer)), np.empty(len(presentations.offer))
    for start in range(0, len(expected), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        offer = presentations.offer[part]
        found = model.predict(presentations.customers[part], presentations.offer_ids, presentations.terms)
        rows, of = np.arange(len(offer)), np.maximum(offer, 0)
        response = found.accept if found.spend is None else found.spend
        expected[part] = response[rows, of]
        uplift[part] = found.uplift.mean(axis=1)
    return expected, uplift


def losses_of(
    model: OfferResponseModel, later: Presentations, persons: list[str], held_at: Instant, window_days: int
) -> HeldOut:
    """The mean loss of each customer to whom an offer was presented."""
    shown = later.offer != CONTROL
    expected = predictions_of(model, later)[0][shown]
    actual = later.response[shown]
    calibration = {}
    if later.outcome is Outcome.SPEND:
        losses = {"squared_error": (actual - expected) ** 2}
    else:
        calibration["calibration_error_beyond_chance"] = calibration_error_beyond_chance(actual, expected)
        likelihood = np.where(actual == 1, expected, 1 - expected)
        losses = {"log_loss": -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))}
    present, number = np.unique(later.person[shown], return_inverse=True)
    counts = np.bincount(number)
    return HeldOut(
        held_at,
        window_days,
        customer_keys([persons[person] for person in present.tolist()]),
        {name: np.bincount(number, weights=values) / counts for name, values in losses.items()},
        calibration,
    )


def _rates(taught: Presentations) -> Floats:
    """The mean response to each offer; of one that was never presented, that to all."""
    shown = taught.offer != CONTROL
    count = np.bincount(taught.offer[shown], minlength=len(taught.offer_ids))
    total = np.bincount(taught.offer[shown], weights=taught.response[shown], minlength=len(taught.offer_ids))
    overall = float(taught.response[shown].mean()) if shown.any() else 0.0
    return np.where(count > 0, total / np.maximum(count, 1), overall)


def _of_chances(actual: Floats, predicted: Floats) -> dict[str, float]:
    return {
        "log_loss": log_loss(actual, predicted),
        "auc": area_under_curve(actual, predicted),
        "calibration_error": expected_calibration_error(actual, predicted),
    }


def _of_uplift(later: Presentations, uplift: Floats) -> dict[str, float]:
    """What offers added in all, and among the third of the customers who were told to gain most and least."""
    known = np.isfinite(uplift) & np.isfinite(later.propensity)
    if not (later.offer[known] == CONTROL).any() or not (later.offer[known] != CONTROL).any():
        return {}
    order = np.flatnonzero(known)[np.argsort(uplift[known], kind="stable")]
    lowest, *_, highest = np.array_split(order, PARTS_OF_UPLIFT)
    return {
        "uplift": _added(later, order),
        "uplift_in_highest_third": _added(later, highest),
        "uplift_in_lowest_third": _added(later, lowest),
    }


def _added(later: Presentations, rows: NDArray[np.int64]) -> float:
    """The difference of means, each weighted by the inverse propensities (Hájek)."""
    weight, response = 1.0 / later.propensity[rows], later.response[rows]
    control = later.offer[rows] == CONTROL
    means = [
        float(np.average(response[side], weights=weight[side])) if side.any() else np.nan
        for side in (~control, control)
    ]
    return means[0] - means[1]


def _record(
    brand: str,
    gathered: Gathered,
    terms: ResponseTerms,
    attempt: Attempt,
    evaluation: Evaluation,
    held: Flags,
    held_at: Instant,
) -> VersionRecord:
    window = DataWindow(
        gathered.first_at,
        gathered.as_of,
        terms.window_days,
        (),
        held_at,
        int((~held).sum()),
        int(held.sum()),
        int((gathered.presentations.response > 0).sum()),
    )
    return VersionRecord(
        OfferResponseModel.name,
        brand,
        FINGERPRINT,
        window,
        {},
        finite(evaluation.metrics),
        {name: finite(values) for name, values in evaluation.baselines.items()},
        tuple(_notes(gathered, attempt)),
        terms,
    )


def _notes(gathered: Gathered, attempt: Attempt) -> list[str]:
    notes = []
    if gathered.without_propensity:
        notes.append(
            f"{gathered.without_propensity} presentations have no propensity: they teach the response, not the uplift"
        )
    if gathered.too_young:
        notes.append(f"{gathered.too_young} presentations whose windows were not over were left out")
    if not (gathered.presentations.offer == CONTROL).any() and gathered.presentations.outcome is not Outcome.ACCEPTED:
        notes.append("no control (offer_id none) was presented: the uplift cannot be told")
    if attempt.tuning_trials:
        notes.append("not tuned: this model has no search yet")
    return notes
