"""A champion alias moved in MLflow's own pages becomes a deployment, so that workers follow it.

Whoever moves the alias here leaves a tag beside it with the version. An alias that differs from the tag was moved by a
person; one that agrees with the tag but not with the deployments is a promotion whose last step failed, and put right.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from features.instant import Instant
from features.store import Store
from features.vector import FINGERPRINT
from training import tracking
from training.errors import TrainingError
from training.learners import LEARNERS
from training.model_files import install, version_path
from training.registry import CHAMPION, Deployment, current, deploy, find_version
from training.version_record import read_record

MOVED_IN_MLFLOW = "alias moved in MLflow"


class ForeignVersionError(TrainingError):
    """A version in MLflow's registry that this program cannot serve."""


def follow_mlflow_aliases(
    store: Store,
    brands: Sequence[str],
    tracking_uri: str | None,
    *,
    clock: Callable[[], Instant],
    wait: Callable[[float], bool],
    report: Callable[[str], None] = lambda _: None,
    seconds: float = 5.0,
) -> None:
    """Looks again and again until ``wait(seconds)`` says to stop (``threading.Event.wait`` does).

    To be run outside the workers, because MLflow takes seconds and memory to import. MLflow out of reach, or a version
    that cannot be served, is reported once and tried again at the next look.
    """
    trackers: dict[str, tracking.Tracker] = {}
    last_problem: dict[str, str] = {}
    while not wait(seconds):
        for brand in brands:
            try:
                if brand not in trackers:
                    trackers[brand] = tracking.connect(store.workspace, brand, tracking_uri)
                for moved in follow_once(store, trackers[brand], clock()):
                    report(f"{brand}: {moved.model} is served by version {moved.version} ({moved.reason})")
                last_problem.pop(brand, None)
            except Exception as error:  # whatever MLflow raises: the next look may succeed
                if last_problem.get(brand) != str(error):
                    report(f"{brand}: MLflow's aliases are not followed: {error}")
                last_problem[brand] = str(error)


def follow_once(store: Store, tracker: tracking.Tracker, now: Instant) -> list[Deployment]:
    """The deployments that were made to follow aliases.

    Raises
    ------
    ForeignVersionError
        If an alias names a version without our files or with other features; deployments stay as they are.
    """
    with store.reading() as connection:
        deployed = current(connection, tracker.brand)
    moves = [_follow(store, tracker, model, deployed.get((model, CHAMPION)), now) for model in LEARNERS]
    return [move for move in moves if move is not None]


def _follow(
    store: Store, tracker: tracking.Tracker, model: str, deployed: Deployment | None, now: Instant
) -> Deployment | None:
    named, ours = tracking.champion_alias(tracker, model)
    if deployed is not None and named in (None, deployed.version):
        if ours != deployed.version:
            tracking.name_champion(tracker, model, deployed.version)
        return None
    if named is None:
        return None
    if deployed is not None and named == ours:
        tracking.name_champion(tracker, model, deployed.version)
        return None
    return _deploy_named(store, tracker, model, named, now)


def _deploy_named(store: Store, tracker: tracking.Tracker, model: str, version: str, now: Instant) -> Deployment:
    run_id, path = _files_of(store, tracker, model, version)
    record = read_record(store.workspace / path)
    if record.fingerprint != FINGERPRINT:
        raise ForeignVersionError(
            f"{model} version {version}: got features {record.fingerprint}, expected {FINGERPRINT}"
        )
    with store.writing() as connection:
        moved = deploy(connection, tracker.brand, model, version, CHAMPION, run_id, path, now, MOVED_IN_MLFLOW)
    tracking.name_champion(tracker, model, version)
    return moved


def _files_of(store: Store, tracker: tracking.Tracker, model: str, version: str) -> tuple[str, str]:
    """The run and the folder of a version, fetched from its artifacts if it was trained elsewhere."""
    with store.reading() as connection:
        known = find_version(connection, tracker.brand, model, version)
    if known is not None and known.run_id is not None:
        return known.run_id, known.path
    run_id = tracking.run_of_version(tracker, model, version)
    if run_id is None:
        raise ForeignVersionError(f"{model} version {version}: got one without a run, expected one trained here")
    path = version_path(tracker.brand, model, version, run_id)
    with tempfile.TemporaryDirectory() as scratch:
        install(store.workspace, tracking.fetch_model(tracker, run_id, Path(scratch)), path)
    return run_id, path
