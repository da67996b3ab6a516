"""Forgetting a person for good: the store, the files of the workspace, and a signed receipt of what went.

The erasure itself is an event (``customer_erased``), durable like any other; what is done here besides is to leave no
byte behind in files that no transaction covers. Done again after a crash it finishes what was left.
"""

import hmac
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from features.customer_links import members
from features.erasure import erased_since, hash_of, key_of
from features.errors import FieldError
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_SECOND, Instant, to_iso
from features.lake import remove_orphans, workbench
from features.person import count_held
from features.schema import brands, events
from features.store import Store
from serving.files_without import REWRITERS
from serving.jobs import JOBS, holding, read_job
from training.errors import TrainingError
from training.registry import Deployment, history
from training.version_record import read_record

LOCK_SECONDS = 10.0
ORPHANS_AFTER_SECONDS = 2 * 3_600
_PSEUDONYMISED = ("decisions", "reservations")


class TrainedOn(Struct, frozen=True, kw_only=True):
    """A version that may have learned from the person: what was known before ``trained_until`` was in reach."""

    model: str
    version: str
    trained_until: str
    is_in_use: bool


class Receipt(Struct, frozen=True, kw_only=True):
    """``customer`` is a keyed hash of the id. ``removed`` counts rows by table, ``pseudonymised`` those that stay under
    the hash so that budgets and totals add up, ``files`` the files of the workspace that were written anew.
    ``signature`` is HMAC-SHA256 over the JSON of the rest, with the workspace's key.
    """

    brand: str
    customer: str
    forgotten_at: str
    removed: dict[str, int]
    pseudonymised: dict[str, int]
    files: list[str]
    models: list[TrainedOn]
    retraining: str | None
    left: list[str]
    signature: str = ""


def forget(store: Store, brand: str, customer_id: str, now: Instant) -> Receipt:
    """Forget a person of a brand under all their ids.

    Raises
    ------
    FieldError
        If nothing was ever known of such a customer.
    ModuleNotFoundError
        If bulk history has to be written anew and what writes it is not installed.
    """
    with store.writing() as connection:
        people = sorted(members(connection, brand, [customer_id]))
        counts = count_held(store, connection, brand, customer_id)
        was_erased = bool(erased_since(connection, store.lake, brand, [customer_id]))
        if not counts and not was_erased:
            raise FieldError("customer_id", customer_id, "a customer of whom something is known", "not_found")
        first_at = _first_at(store, connection, brand, people)
        _append_erasure(store, connection, brand, customer_id, people, now)
        models = list(_trained_on(connection, store.workspace, brand, first_at)) if counts else []
    files, left = _clean_files(store, brand, people, now)
    key = key_of(store.lake)
    receipt = Receipt(
        brand=brand,
        customer=hash_of(key, brand, customer_id),
        forgotten_at=to_iso(now),
        removed={name: count for name, count in counts.items() if name not in _PSEUDONYMISED},
        pseudonymised={name: counts[name] for name in _PSEUDONYMISED if name in counts},
        files=files,
        models=models,
        retraining=_retraining(models),
        left=left,
    )
    return structs.replace(receipt, signature=signature_of(receipt, key))


def _append_erasure(
    store: Store, connection: Connection, brand: str, customer_id: str, people: Sequence[str], now: Instant
) -> None:
    """After all that is known of the person, be it a little ahead of our clock."""
    mine = (events.c.brand == brand) & events.c.customer_id.in_(people)
    latest = connection.execute(select(func.max(events.c.occurred_at)).where(mine)).scalar() or now
    moment = max(now, latest)
    told = Event(
        event_id=f"forget-{hash_of(key_of(store.lake), brand, customer_id)[:24]}-{moment}",
        source="forget",
        type=EventType.CUSTOMER_ERASED,
        occurred_at=moment,
        customer_id=customer_id,
        brand=brand,
    )
    append(connection, [told], moment, lake=store.lake)


def signature_of(receipt: Receipt, key: bytes) -> str:
    """Of everything that a receipt says but the signature."""
    content = msgspec.json.encode(structs.replace(receipt, signature=""), order="deterministic")
    return hmac.new(key, content, sha256).hexdigest()


def _first_at(store: Store, connection: Connection, brand: str, people: Sequence[str]) -> Instant | None:
    from features.lake import events_of_customers, read_segments

    mine = (events.c.brand == brand) & events.c.customer_id.in_(people)
    known = [connection.execute(select(func.min(events.c.occurred_at)).where(mine)).scalar()]
    known += [event.occurred_at for event in events_of_customers(store.lake, read_segments(connection, brand), people)]
    return min((at for at in known if at is not None), default=None)


def _trained_on(connection: Connection, workspace: Path, brand: str, first_at: Instant | None) -> Iterator[TrainedOn]:
    if first_at is None:
        return
    rows = history(connection, brand)
    newest = {(row.model, row.alias): row.version for row in rows}
    versions: dict[tuple[str, str], Deployment] = {(row.model, row.version): row for row in rows}
    for (model, version), row in sorted(versions.items()):
        try:
            until = read_record(workspace / row.path).window.as_of
        except (TrainingError, OSError, ValueError):
            continue
        if until > first_at:
            in_use = any(of == model and newest[of, alias] == version for of, alias in newest)
            yield TrainedOn(model=model, version=version, trained_until=to_iso(until), is_in_use=in_use)


def _retraining(models: Sequence[TrainedOn]) -> str | None:
    used = sorted({one.model for one in models if one.is_in_use})
    return f"lagniappe train {' '.join(used)}" if used else None


def _clean_files(store: Store, brand: str, people: Sequence[str], now: Instant) -> tuple[list[str], list[str]]:
    """The files that were changed, and what had to be left with why."""
    with workbench(store.lake), store.reading() as connection:
        remove_orphans(store.lake, connection, now / MICROSECONDS_PER_SECOND + ORPHANS_AFTER_SECONDS)
        others = set(connection.execute(select(brands.c.brand)).scalars()) - {brand}
    left = _drop_unfinished(store.workspace)
    files = (*_files_in(store.quarantine), *_plans_of(store.workspace, brand))
    changed = [str(file.relative_to(store.workspace)) for file in files if REWRITERS[file.suffix](file, others, people)]
    try:
        _compact(store)
    except (OperationalError, sqlite3.OperationalError) as error:
        why = str(getattr(error, "orig", error))
        left.append(f"the database's free pages were not overwritten: {why}; run 'forget' again when it is idle")
    return changed, left


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in REWRITERS)


def _plans_of(workspace: Path, brand: str) -> list[Path]:
    """A plan of which nobody knows whose it is may be this brand's."""
    known = ((file, read_job(workspace, file.stem)) for file in _files_in(workspace / JOBS))
    return [file for file, job in known if job is None or job.terms.brand == brand]


def _drop_unfinished(workspace: Path) -> list[str]:
    """Take away what jobs that died were writing; those that are at it have to be left."""
    left = []
    for file in sorted((workspace / JOBS).glob(".*.unfinished")):
        job_id = file.name.removeprefix(".").partition(".")[0]
        with holding(workspace, job_id) as is_free:
            if is_free:
                file.unlink(missing_ok=True)
            else:
                left.append(f"the plan of job {job_id} is being written: run 'forget' again when it is there")
    return left


def _compact(store: Store) -> None:
    """Have the database give up the pages on which the person stood."""
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")
        return
    with closing(sqlite3.connect(str(store.engine.url.database), timeout=LOCK_SECONDS)) as database:
        for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            database.execute(statement).fetchall()
