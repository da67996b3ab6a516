"""May a version become champion? Gates answer with amounts; the deployment is moved, and MLflow's alias after it."""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from features.instant import Instant
from features.store import Store
from training.errors import TrainingError
from training.loading import CannotBeLoadedError, load_version
from training.registry import (
    CHALLENGER,
    CHAMPION,
    Deployment,
    current,
    deploy,
    find_version,
    history,
)
from training.version_record import VersionRecord, read_record

if TYPE_CHECKING:
    from training.gates import Gate
    from training.paired_difference import PairedDifference
    from training.prediction_latency import Latency


class UnknownVersionError(TrainingError):
    """There is no such version, or none to go back to."""


class GateRefusedError(TrainingError):
    """A gate refused the promotion; the message names it and the amount."""

    def __init__(self, model: str, version: str, gates: "list[Gate]") -> None:
        refusals = "; ".join(f"gate {gate.name}: {gate.finding}" for gate in gates if not gate.is_passed)
        super().__init__(f"{model} version {version} stays out: {refusals} (--force promotes it all the same)")
        self.gates = gates


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version beside the champion it may follow.

    On unlike questions, and without a champion that can be loaded, nothing differs.
    """

    model: str
    champion: Deployment | None
    challenger: Deployment
    champion_record: VersionRecord | None
    challenger_record: VersionRecord
    differences: "list[PairedDifference]"
    gates: "list[Gate]"
    cutoffs: list[Instant] = field(default_factory=list)
    """The held-out ones on which both were measured, newest first."""

    @property
    def is_passed(self) -> bool:
        return all(gate.is_passed for gate in self.gates)


def compare(
    store: Store, brand: str, model: str, version: str | None = None, *, latency_budget_ms: float | None = None
) -> Comparison:
    """A version (default: the challenger, else the champion itself) beside the champion.

    A champion that cannot be loaded serves nobody: the version is held to be loadable itself, and to nothing else.

    Raises
    ------
    UnknownVersionError
    """
    from training import gates
    from training.paired_difference import paired_differences
    from training.paired_evaluation import measured_alike

    with store.reading() as connection:
        champion, challenger = _sides(connection, brand, model, version)
    record = read_record(store.workspace / challenger.path)
    fingerprint = gates.fingerprint(record)
    if champion is None or champion.version == challenger.version:
        return Comparison(model, champion, challenger, None, record, [], [fingerprint])
    champion_record = read_record(store.workspace / champion.path)
    beside = partial(Comparison, model, champion, challenger, champion_record, record)
    former, later = (_loaded(store, one) for one in (champion, challenger))
    loadable = [gates.loadable(later)] if isinstance(later, CannotBeLoadedError) else []
    if isinstance(former, CannotBeLoadedError):
        return beside([], [gates.champion_loadable(former), fingerprint, *loadable])
    of_response = [gates.same_response(champion_record, record)] if record.response else []
    alike = [gates.same_horizon(champion_record, record), *of_response, fingerprint, *loadable]
    if not all(gate.is_passed for gate in alike):
        return beside([], alike)
    pairs = measured_alike(store, brand, champion, challenger)
    budget = gates.DEFAULT_LATENCY_BUDGET_MS if latency_budget_ms is None else latency_budget_ms
    latency = gates.within_latency(_latency(store, brand, former, later), budget)
    found = [*alike, *gates.of_pairs(model, pairs), gates.not_below_baselines(champion_record, record), latency]
    return beside(paired_differences(pairs), found, [later.as_of for _, later in pairs])


def _loaded(store: Store, deployment: Deployment) -> Any:
    """The model, or the error that says why there is none."""
    try:
        return load_version(store.workspace, deployment)
    except CannotBeLoadedError as error:
        return error


def _latency(store: Store, brand: str, champion: Any, challenger: Any) -> "Latency | None":
    from training.prediction_latency import side_by_side, some_profiles

    with store.reading() as connection:
        profiles = some_profiles(connection, brand)
    return side_by_side(champion, challenger, profiles) if profiles else None


def promote(
    store: Store,
    brand: str,
    model: str,
    version: str,
    now: Instant,
    *,
    forced_by: str | None = None,
    latency_budget_ms: float | None = None,
) -> tuple[Deployment, Comparison]:
    """Let a version be champion from ``now`` on; MLflow's alias is the caller's to move next.

    ``forced_by`` is who takes it upon themselves to go past refusing gates; it is recorded with the gates.

    Raises
    ------
    UnknownVersionError
    GateRefusedError
        Unless somebody forces it.
    """
    comparison = compare(store, brand, model, version, latency_budget_ms=latency_budget_ms)
    if not comparison.is_passed and forced_by is None:
        raise GateRefusedError(model, version, comparison.gates)
    refusing = [gate.name for gate in comparison.gates if not gate.is_passed]
    reason = f"forced past {', '.join(refusing)} by {forced_by}" if refusing else "promoted"
    chosen = comparison.challenger
    with store.writing() as connection:
        standing = current(connection, brand).get((model, CHAMPION))
        if standing is not None and standing.version == chosen.version:
            return standing, comparison
        return deploy_again(connection, chosen, now, reason), comparison


def deploy_again(connection: Connection, known: Deployment, now: Instant, reason: str) -> Deployment:
    """A version that was deployed before, as champion."""
    return deploy(connection, known.brand, known.model, known.version, CHAMPION, known.run_id, known.path, now, reason)


def _sides(connection: Connection, brand: str, model: str, version: str | None) -> tuple[Deployment | None, Deployment]:
    named = current(connection, brand)
    champion = named.get((model, CHAMPION))
    if version is not None:
        found = find_version(connection, brand, model, version)
    else:
        found = named.get((model, CHALLENGER)) or champion
    if found is None:
        known = sorted({row.version for row in history(connection, brand, model)}, key=lambda text: (len(text), text))
        if not known:
            raise UnknownVersionError(f"{model}: no version was trained yet: lagniappe train {model}")
        raise UnknownVersionError(f"{model}: got version {version}, expected one of {', '.join(known)}")
    return champion, found
