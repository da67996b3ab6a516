"""May a version become champion? Gates answer with amounts; the deployment is moved, and MLflow's alias after it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from features.instant import Instant
from features.store import Store
from features.vector import FINGERPRINT
from training.errors import TrainingError
from training.held_out import PairedDifference, paired_differences
from training.paired_evaluation import measured_alike
from training.registry import (
    CHALLENGER,
    CHAMPION,
    ROLLBACK,
    Deployment,
    current,
    deploy,
    find_version,
    former_champion,
    history,
)
from training.version_record import VersionRecord, read_record

LARGEST_WORSENING = 0.05
"""Share of the champion's loss by which a challenger may be worse where chance could explain it."""
LARGEST_MISCALIBRATION = {"calibration_error_beyond_chance": 0.05, "coverage_missing_beyond_chance": 0.05}


class UnknownVersionError(TrainingError):
    """There is no such version, or none to go back to."""


@dataclass(frozen=True, slots=True)
class Gate:
    """``amount`` is what was measured and ``limit`` what would still pass, where there is a number."""

    name: str
    is_passed: bool
    finding: str
    amount: float | None = None
    limit: float | None = None


class GateRefusedError(TrainingError):
    """A gate refused the promotion; the message names it and the amount."""

    def __init__(self, model: str, version: str, gates: list[Gate]) -> None:
        refusals = "; ".join(f"gate {gate.name}: {gate.finding}" for gate in gates if not gate.is_passed)
        super().__init__(f"{model} version {version} stays out: {refusals} (--force promotes it all the same)")
        self.gates = gates


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version beside the champion it may follow; without a champion, or on unlike questions, nothing differs."""

    model: str
    champion: Deployment | None
    challenger: Deployment
    champion_record: VersionRecord | None
    challenger_record: VersionRecord
    differences: list[PairedDifference]
    gates: list[Gate]

    @property
    def is_passed(self) -> bool:
        return all(gate.is_passed for gate in self.gates)


def compare(store: Store, brand: str, model: str, version: str | None = None) -> Comparison:
    """A version (default: the challenger, else the champion itself) beside the champion.

    Raises
    ------
    UnknownVersionError
    """
    with store.reading() as connection:
        champion, challenger = _sides(connection, brand, model, version)
    record = read_record(store.workspace / challenger.path)
    if champion is None or champion.version == challenger.version:
        return Comparison(model, champion, challenger, None, record, [], _own_gates(record, {}))
    champion_record = read_record(store.workspace / champion.path)
    if champion_record.window.horizon_days != record.window.horizon_days:
        gates = [_horizon_gate(champion_record, record), *_own_gates(record, {})]
        return Comparison(model, champion, challenger, champion_record, record, [], gates)
    former, later = measured_alike(store, brand, model, champion, challenger)
    differences = paired_differences(former, later)
    gates = [_horizon_gate(champion_record, record), *_own_gates(record, later.calibration)]
    gates += [_not_worse(difference) for difference in differences]
    return Comparison(model, champion, challenger, champion_record, record, differences, gates)


def promote(
    store: Store, brand: str, model: str, version: str, now: Instant, *, force: bool = False
) -> tuple[Deployment, Comparison]:
    """Let a version be champion from ``now`` on; MLflow's alias is the caller's to move next.

    Raises
    ------
    UnknownVersionError
    GateRefusedError
        Unless ``force``, which is recorded with the gates it overrode.
    """
    comparison = compare(store, brand, model, version)
    if not comparison.is_passed and not force:
        raise GateRefusedError(model, version, comparison.gates)
    refusing = [gate.name for gate in comparison.gates if not gate.is_passed]
    reason = f"forced past {', '.join(refusing)}" if refusing else "promoted"
    chosen = comparison.challenger
    with store.writing() as connection:
        standing = current(connection, brand).get((model, CHAMPION))
        if standing is not None and standing.version == chosen.version:
            return standing, comparison
        return _deploy_again(connection, chosen, now, reason), comparison


def rollback(store: Store, brand: str, model: str, now: Instant) -> Deployment:
    """Put the former champion back, whatever the gates say of it.

    Raises
    ------
    UnknownVersionError
        If there is none.
    """
    with store.writing() as connection:
        former = former_champion(history(connection, brand, model))
        if former is None:
            raise UnknownVersionError(f"{model}: no former champion to go back to")
        return _deploy_again(connection, former, now, ROLLBACK)


def _deploy_again(connection: Connection, known: Deployment, now: Instant, reason: str) -> Deployment:
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


def _horizon_gate(champion: VersionRecord, challenger: VersionRecord) -> Gate:
    ours, theirs = champion.window.horizon_days, challenger.window.horizon_days
    finding = f"{theirs} days, the champion's is {ours} days"
    return Gate("same_horizon", ours == theirs, finding, theirs, ours)


def _own_gates(record: VersionRecord, calibration: dict[str, float]) -> list[Gate]:
    is_known = record.fingerprint == FINGERPRINT
    finding = f"trained on features {record.fingerprint}, this program computes {FINGERPRINT}"
    gates = [Gate("fingerprint", is_known, finding)]
    for name, amount in calibration.items():
        limit = LARGEST_MISCALIBRATION[name]
        gates.append(Gate(name, amount <= limit, f"{amount:.4f}, at most {limit} passes", amount, limit))
    return gates


def _not_worse(difference: PairedDifference) -> Gate:
    """Refuses what is worse beyond chance, and what is much worse whether by chance or not."""
    worsening = difference.difference / difference.champion if difference.champion else 0.0
    is_passed = difference.customers == 0 or not (difference.low > 0 or worsening > LARGEST_WORSENING)
    finding = (
        f"{worsening:+.2%} against the champion's {difference.champion:.4g} "
        f"(difference {difference.difference:+.4g}, 95 % from {difference.low:+.4g} to {difference.high:+.4g}, "
        f"{difference.customers} customers)"
    )
    return Gate(f"not_worse_{difference.metric}", is_passed, finding, worsening, LARGEST_WORSENING)
