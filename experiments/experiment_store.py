"""Experiments and assignments in the store: what runs, in which version, and who was dealt to which variant.

An experiment is a draft, then running, then stopped for good. Changing a running one makes a new version; units dealt
before keep their variant, because a stored assignment goes before the hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, select, update

from experiments.design import Experiment
from experiments.exposure import SOURCE, Exposure
from features import assignments, schema
from features.assignments import Assignment
from features.brand import brands_sharing
from features.errors import FieldError
from features.events import Event
from features.instant import Instant
from features.store import upsert

DRAFT, RUNNING, STOPPED = "draft", "running", "stopped"


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a later one took the place of."""

    version: int
    replaced_at: Instant
    was_running: bool
    experiment: Experiment


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    experiment: Experiment
    former: tuple[Former, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    experiment: Experiment
    version: int
    state: str
    former: tuple[Former, ...]
    started_at: Instant | None
    stopped_at: Instant | None

    @property
    def has_fixed_weights(self) -> bool:
        """Whether the weights never changed while it ran."""
        versions = [former.experiment for former in self.former if former.was_running]
        return all(_weights(version) == _weights(self.experiment) for version in versions)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Body).decode
_table = schema.experiments


def create(connection: Connection, brand: str, experiment: Experiment, now: Instant) -> StoredExperiment:
    """Store a draft, or a new version of the experiment of that name; the same again changes nothing.

    Raises
    ------
    FieldError
        If it is stopped, or runs and the change would deal anew to those already dealt.
    """
    known = find(connection, brand, experiment.name)
    if known is None:
        return _put(connection, brand, StoredExperiment(experiment, 1, DRAFT, (), None, None))
    if known.experiment == experiment:
        return known
    if known.state == STOPPED:
        raise FieldError("name", experiment.name, "a new name: the experiment of this name is stopped", "stopped")
    if known.state == RUNNING:
        _refuse_to_deal_anew(known.experiment, experiment)
        _refuse_what_cannot_run(connection, brand, experiment)
    former = Former(
        version=known.version, replaced_at=now, was_running=known.state == RUNNING, experiment=known.experiment
    )
    changed = StoredExperiment(
        experiment, known.version + 1, known.state, (*known.former, former), known.started_at, known.stopped_at
    )
    return _put(connection, brand, changed)


def start(connection: Connection, brand: str, name: str, now: Instant) -> StoredExperiment:
    """Let it run; one that runs already goes on.

    Raises
    ------
    FieldError
        If it is not known, stopped, names a model version that never was, or overlaps another in its layer.
    """
    known = read(connection, brand, name)
    if known.state == STOPPED:
        raise FieldError("name", name, "an experiment that was never stopped: create it under another name", "stopped")
    if known.state == DRAFT:
        _refuse_what_cannot_run(connection, brand, known.experiment)
        _move(connection, brand, name, {"state": RUNNING, "started_at": now})
    return read(connection, brand, name)


def stop(connection: Connection, brand: str, name: str, now: Instant) -> StoredExperiment:
    """End it for good; one that is stopped already stays as it is."""
    known = read(connection, brand, name)
    if known.state == DRAFT:
        raise FieldError("name", name, "an experiment that was started", "draft")
    if known.state == RUNNING:
        _move(connection, brand, name, {"state": STOPPED, "stopped_at": now})
    return read(connection, brand, name)


def read(connection: Connection, brand: str, name: str) -> StoredExperiment:
    """Raises FieldError when the brand has no experiment of that name."""
    known = find(connection, brand, name)
    if known is None:
        names = [stored.experiment.name for stored in listed(connection, brand)]
        raise FieldError(
            "name", name, f"an experiment of brand {brand}: {', '.join(names) or 'it has none'}", "unknown"
        )
    return known


def find(connection: Connection, brand: str, name: str) -> StoredExperiment | None:
    row = connection.execute(select(_table).where(_table.c.brand == brand, _table.c.name == name)).one_or_none()
    return None if row is None else _stored(row)


def listed(connection: Connection, brand: str) -> list[StoredExperiment]:
    rows = connection.execute(select(_table).where(_table.c.brand == brand).order_by(_table.c.name))
    return [_stored(row) for row in rows]


def active(connection: Connection, brand: str) -> list[Experiment]:
    """The running experiments by name; whether one runs at an instant is ``Experiment.runs_at``."""
    return [stored.experiment for stored in listed(connection, brand) if stored.state == RUNNING]


def expose(connection: Connection, exposures: Sequence[Exposure]) -> list[Event]:
    """Store the assignments that are new; the events of the exposures not logged yet, to be appended by the caller.

    To be called in a writing transaction: nobody else can log the same exposure meanwhile.
    """
    fresh = {(each.brand, each.event_id): each for each in reversed(exposures)}
    logged = schema.events.c
    for brand in {each.brand for each in exposures}:
        ids = [event_id for of_brand, event_id in fresh if of_brand == brand]
        query = select(logged.event_id).where(logged.brand == brand, logged.source == SOURCE, logged.event_id.in_(ids))
        for event_id in connection.execute(query).scalars():
            del fresh[brand, event_id]
    keep_assignments(connection, exposures)
    return [exposure.event() for exposure in reversed(fresh.values())]


def keep_assignments(connection: Connection, exposures: Sequence[Exposure]) -> None:
    """Remember who was dealt where; a unit that was dealt before keeps its variant."""
    for brand in dict.fromkeys(exposure.brand for exposure in exposures):
        mine = [exposure for exposure in exposures if exposure.brand == brand]
        dealt = [Assignment(one.unit_id, one.experiment, one.variant, one.exposed_at) for one in mine]
        assignments.keep_assignments(connection, brand, dealt)


def _stored(row: Row[tuple[object, ...]]) -> StoredExperiment:
    body = _decode(row.body)
    return StoredExperiment(body.experiment, row.version, row.state, body.former, row.started_at, row.stopped_at)


def _put(connection: Connection, brand: str, stored: StoredExperiment) -> StoredExperiment:
    row = {
        "brand": brand,
        "name": stored.experiment.name,
        "version": stored.version,
        "state": stored.state,
        "body": _encode(_Body(experiment=stored.experiment, former=stored.former)).decode(),
        "started_at": stored.started_at,
        "stopped_at": stored.stopped_at,
    }
    connection.execute(upsert(connection, _table), row)
    return stored


def _move(connection: Connection, brand: str, name: str, values: dict[str, object]) -> None:
    connection.execute(update(_table).where(_table.c.brand == brand, _table.c.name == name).values(values))


def _weights(experiment: Experiment) -> dict[str, float]:
    return {variant.name: variant.weight for variant in experiment.variants}


def _refuse_to_deal_anew(running: Experiment, changed: Experiment) -> None:
    for field in ("unit", "seed", "layer", "control_name"):
        if getattr(running, field) != getattr(changed, field):
            raise FieldError(
                field, getattr(changed, field), f"{getattr(running, field)!r} as long as it runs", "running"
            )
    for variant in running.variants:
        if changed.variant(variant.name) is None:
            raise FieldError(
                "variants", [*_weights(changed)], f"{variant.name} among them as long as it runs", "running"
            )


def _refuse_what_cannot_run(connection: Connection, brand: str, experiment: Experiment) -> None:
    for variant in experiment.variants:
        for model, version in variant.models.items():
            _require_deployed(connection, brand, variant.name, model, version)
    for other in active(connection, brand):
        if (
            other.name != experiment.name
            and experiment.layer
            and other.layer
            and experiment.layer.overlaps(other.layer)
        ):
            part = f"{other.layer.low:g} to {other.layer.high:g}"
            taken = f"a part of layer {other.layer.name} beside {part}, which {other.name} has"
            raise FieldError("layer", f"{experiment.layer.low:g} to {experiment.layer.high:g}", taken, "overlap")


def _require_deployed(connection: Connection, brand: str, variant: str, model: str, version: str) -> None:
    table = schema.deployments.c
    brands = brands_sharing(connection, brand, "models")
    query = select(table.version, table.alias).where(table.brand.in_(brands), table.model == model)
    rows = connection.execute(query).all()
    known = sorted({row.version for row in rows} | {row.alias for row in rows})
    if version not in known:
        expected = f"a version or alias of {model}: {', '.join(known) or 'none is trained'}"
        raise FieldError(f"{variant}.models.{model}", version, expected, "unknown")
