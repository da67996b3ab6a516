"""Forgetting a customer: events, profile, identifiers and attributes go; a keyed hash of the id stays.

The log of decisions stays, so that budgets and totals still add up, under that hash instead of the id and without what
the request told of the person.
"""

import hmac
import json
import os
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Table, delete, func, select, update

from features.customer_links import members
from features.instant import Instant, to_iso
from features.lake import count_segments, discount_segments, read_segments, rewrite_without
from features.outgoing_schema import trigger_scans
from features.profile_store import delete_profiles
from features.schema import assignments, decisions, erased, events, metadata, profiles, reservations
from features.store import upsert

_KEY_FILE = "erasure.key"
_CHUNK = 400
_PERSONAL = frozenset({"sent", "features"})
_TOLD = frozenset({"basket", "context"})
"""Parts of a logged decision, and of its request, that speak of the person."""


def erase(connection: Connection, lake: Path, brand: str, customer_id: str, until: Instant, now: Instant) -> None:
    """Delete what is known of a customer from events up to ``until``, in the caller's transaction.

    Files of the lake are written anew without them; the former files no longer count and go with the next ingest.
    """
    people = sorted(members(connection, brand, [customer_id]))
    for start in range(0, len(people), _CHUNK):
        some = people[start : start + _CHUNK]
        mine = (events.c.brand == brand) & events.c.customer_id.in_(some) & (events.c.occurred_at <= until)
        connection.execute(delete(events).where(mine))
        for table in _tables_of_persons():
            connection.execute(delete(table).where((table.c.brand == brand) & table.c.customer_id.in_(some)))
        connection.execute(delete(assignments).where((assignments.c.brand == brand) & assignments.c.unit_id.in_(some)))
    delete_profiles(connection, brand, people)
    _step_back(connection, brand, people)
    key = key_of(lake)
    _pseudonymise(connection, key, brand, people)
    for segment in read_segments(connection, brand):
        smaller = rewrite_without(lake, segment, people, until)
        if smaller is not segment:
            discount_segments(connection, [segment.segment_id])
            count_segments(connection, [] if smaller is None else [smaller], now)
    rows = [{"brand": brand, "customer_hash": hash_of(key, brand, name), "erased_at": until} for name in people]
    connection.execute(upsert(connection, erased), rows)


def _tables_of_persons() -> list[Table]:
    """Those whose rows go with the customer they name; what is missing here is handled one by one."""
    others = (events, profiles, decisions, reservations)
    named = (table for table in metadata.sorted_tables if {"brand", "customer_id"} <= set(table.c.keys()))
    return [table for table in named if table not in others]


def _step_back(connection: Connection, brand: str, people: Sequence[str]) -> None:
    """A nightly look that stopped at one of them goes on from the customer before."""
    earlier = (profiles.c.brand == brand) & (profiles.c.customer_id < trigger_scans.c.after_customer)
    before = select(func.coalesce(func.max(profiles.c.customer_id), "")).where(earlier).scalar_subquery()
    stopped = (trigger_scans.c.brand == brand) & trigger_scans.c.after_customer.in_(people)
    connection.execute(update(trigger_scans).where(stopped).values(after_customer=before))


def _pseudonymise(connection: Connection, key: bytes, brand: str, people: Sequence[str]) -> None:
    for name in people:
        pseudonym = hash_of(key, brand, name)
        mine = (decisions.c.brand == brand) & (decisions.c.customer_id == name)
        for row in connection.execute(select(decisions.c.decision_id, decisions.c.body).where(mine)).all():
            body = {part: said for part, said in json.loads(row.body).items() if part not in _PERSONAL}
            request = {part: said for part, said in body["request"].items() if part not in _TOLD}
            body["request"] = {**request, "customer_id": pseudonym}
            changed = {"customer_id": pseudonym, "idempotency_key": None, "body": json.dumps(body), "evidence": None}
            connection.execute(update(decisions).where(decisions.c.decision_id == row.decision_id), changed)
        held = (reservations.c.brand == brand) & (reservations.c.customer_id == name)
        connection.execute(update(reservations).where(held), {"customer_id": pseudonym})


def expected_after(erased_at: Instant) -> str:
    return f"a customer who was not erased since (this one at {to_iso(erased_at)})"


def erased_since(connection: Connection, lake: Path, brand: str, customer_ids: Sequence[str]) -> dict[str, Instant]:
    """Of these customers those who were erased, and when."""
    found = connection.execute(select(erased).where(erased.c.brand == brand)).all()
    if not found:
        return {}
    erased_at = {row.customer_hash: row.erased_at for row in found}
    key = key_of(lake)
    hashes = {customer_id: hash_of(key, brand, customer_id) for customer_id in customer_ids}
    return {customer_id: erased_at[digest] for customer_id, digest in hashes.items() if digest in erased_at}


def hash_of(key: bytes, brand: str, customer_id: str) -> str:
    return hmac.new(key, f"{brand}\x1f{customer_id}".encode(), sha256).hexdigest()


def key_of(lake: Path) -> bytes:
    """The workspace's secret, made when it is first needed; it lies outside the database on purpose."""
    path = lake.parent / _KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text())
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    return bytes.fromhex(path.read_text())
