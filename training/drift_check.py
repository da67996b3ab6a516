"""The look at drift as a whole: who is sampled, what is kept for the service to show, what MLflow is told."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import numpy as np
from sqlalchemy import func, select

from features.consent import with_consent
from features.errors import FieldError
from features.instant import Instant, to_iso
from features.packing import unpack_all
from features.profile_store import read_profiles
from features.profiles import Profiles
from features.schema import profiles as stored
from features.store import Store
from training.drift import RETRAIN, VERDICTS, DriftReport, ModelDrift, drift_of, worst_of
from training.drift_reference import CUSTOMERS, load_reference
from training.learners import LEARNERS
from training.loading import CannotBeLoadedError, load_version
from training.registry import CHAMPION, Deployment, current
from training.version_record import read_record

if TYPE_CHECKING:
    from training.tracking import Tracker

FOLDER = "drift"
"""In the workspace: the newest report of each brand."""
Report = Callable[[str], None]


def check(
    store: Store, brand: str, as_of: Instant | None, *, seed: int = 0, report: Report = lambda _: None
) -> DriftReport:
    """How far the brand's customers as of an instant (default: just after the last event) are from the champions'.

    Raises
    ------
    FieldError
        If there is no champion, or nobody to look at.
    """
    with store.reading() as connection:
        deployed = [row for (_, alias), row in current(connection, brand).items() if alias == CHAMPION]
    champions = sorted((row for row in deployed if row.model in LEARNERS), key=lambda row: LEARNERS.index(row.model))
    if not champions:
        raise FieldError("brand", brand, "one with a champion: train a model first")
    report("reading customers")
    everything, customers, as_of = _somebody(store, brand, as_of, seed)
    profiles = with_consent(everything)
    found = []
    for champion in champions:
        report(f"{champion.model}: comparing")
        found.append(_of_champion(store, champion, profiles, as_of))
    verdict = worst_of([one.verdict for one in found])
    return DriftReport(brand, to_iso(as_of), verdict, customers, len(profiles), found)


def keep(workspace: Path, report: DriftReport) -> Path:
    """The report in the workspace, where the service finds it: whole, in the place of the one before."""
    path = path_of(workspace, report.brand)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    unfinished.replace(path)
    return path


def path_of(workspace: Path, brand: str) -> Path:
    return workspace / FOLDER / f"{quote(brand, safe='').replace('.', '%2E')}.json"


def log(tracker: "Tracker", report: DriftReport, path: Path, now: Instant) -> str:
    """The run in MLflow, with the report among its files."""
    from training import tracking

    with tracking.run(tracker, FOLDER, now) as run_id:
        versions: dict[str, object] = {one.model: one.version for one in report.models}
        metrics = {"verdict": float(VERDICTS.index(report.verdict))}
        for one in report.models:
            metrics |= {f"{one.model.replace('-', '_')}_{name}": value for name, value in figures(one).items()}
        shown: dict[str, object] = {"as_of": report.as_of, "sampled": report.sampled, "verdict": report.verdict}
        tracking.log_values(tracker, run_id, now, versions | shown, metrics)
        tracker.client.log_artifact(run_id, str(path))
    return run_id


def figures(drift: ModelDrift) -> dict[str, float]:
    """The numbers of a model that are worth following over time, by name."""
    found = {"drift_verdict": float(VERDICTS.index(drift.verdict)), "shifted_share": drift.shifted_share}
    if drift.score is not None:
        found |= {"score_psi": drift.score.psi, "score_distance": drift.score.distance}
    return found | {f"estimated_{one.metric}": one.estimated for one in drift.estimates}


def _of_champion(store: Store, champion: Deployment, profiles: Profiles, as_of: Instant) -> ModelDrift:
    folder = store.workspace / champion.path
    try:
        model = load_version(store.workspace, champion)
    except CannotBeLoadedError as error:
        return ModelDrift(champion.model, champion.version, RETRAIN, [f"the champion cannot be loaded: {error.reason}"])
    return drift_of(champion, read_record(folder), load_reference(folder), model, profiles, as_of)


def _somebody(store: Store, brand: str, as_of: Instant | None, seed: int) -> tuple[Profiles, int, Instant]:
    """A sample of the customers, how many there are, and the instant that they are looked at as of."""
    with store.reading() as connection:
        mine = stored.c.brand == brand
        last = connection.execute(select(func.max(stored.c.last_event_at)).where(mine)).scalar()
        if last is not None and (as_of is None or as_of > last):
            ids = list(
                connection.execute(select(stored.c.customer_id).where(mine).order_by(stored.c.customer_id)).scalars()
            )
            packed = read_profiles(connection, brand, [ids[row] for row in _drawn(len(ids), seed)])
            return unpack_all(list(packed), list(packed.values())), len(ids), last + 1 if as_of is None else as_of
    if last is None or as_of is None:
        raise FieldError("brand", brand, "one with customers: ingest events first")
    profiles = _as_of(store, brand, as_of)
    if not len(profiles):
        raise FieldError("as_of", to_iso(as_of), "a time after the first event")
    return profiles.take(_drawn(len(profiles), seed)), len(profiles), as_of


def _as_of(store: Store, brand: str, as_of: Instant) -> Profiles:
    """What is kept of customers has heard of later events: their history is folded anew."""
    from features.history import open_history

    with open_history(store, brand, before=as_of) as past:
        return past.profiles(as_of)


def _drawn(count: int, seed: int) -> list[int]:
    """Positions, in their order."""
    if count <= CUSTOMERS:
        return list(range(count))
    drawn = np.random.default_rng(seed).choice(count, CUSTOMERS, replace=False)
    return [int(row) for row in np.sort(drawn)]
