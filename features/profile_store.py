"""Packed profiles in the store, written in bulk and read one by one. What the bytes mean is not known here."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, select

from features.instant import Instant
from features.schema import profiles
from features.store import driver_rows, upsert

_CHUNK = 10_000
_ONE_PROFILE = select(profiles.c.body).where(
    profiles.c.brand == bindparam("brand"), profiles.c.customer_id == bindparam("customer_id")
)


def write_profiles(connection: Connection, brand: str, rows: Iterable[tuple[str, bytes, Instant]]) -> int:
    """Put (customer_id, packed profile, its last event) in the place of the former ones; how many there were."""
    statement = upsert(connection, profiles)
    remaining, count = iter(rows), 0
    while chunk := list(islice(remaining, _CHUNK)):
        values = [
            {"brand": brand, "customer_id": customer_id, "body": body, "last_event_at": last_event_at}
            for customer_id, body, last_event_at in chunk
        ]
        connection.execute(statement, values)
        count += len(chunk)
    return count


def delete_profiles(connection: Connection, brand: str, customer_ids: Sequence[str]) -> None:
    """Forget the profiles of customers who were merged into others or erased."""
    for start in range(0, len(customer_ids), _CHUNK):
        some = customer_ids[start : start + _CHUNK]
        connection.execute(delete(profiles).where(profiles.c.brand == brand, profiles.c.customer_id.in_(some)))


def read_profile(connection: Connection, brand: str, customer_id: str) -> bytes | None:
    body: bytes | None = connection.execute(_ONE_PROFILE, {"brand": brand, "customer_id": customer_id}).scalar()
    return body


def read_profiles(
    connection: Connection, brand: str, customer_ids: Sequence[str], *, before: Instant | None = None
) -> dict[str, bytes]:
    """The packed profiles of those customers who have one, and nothing in it at an instant or after it."""
    found: dict[str, bytes] = {}
    for start in range(0, len(customer_ids), _CHUNK):
        some = customer_ids[start : start + _CHUNK]
        query = select(profiles.c.customer_id, profiles.c.body).where(
            profiles.c.brand == brand, profiles.c.customer_id.in_(some)
        )
        if before is not None:
            query = query.where(profiles.c.last_event_at < before)
        found |= dict(driver_rows(connection, query))
    return found


def all_profiles(connection: Connection, brand: str) -> Iterator[tuple[str, bytes]]:
    """Every customer's id and packed profile; the connection must stay open meanwhile."""
    query = select(profiles.c.customer_id, profiles.c.body).where(profiles.c.brand == brand)
    yield from connection.execute(query, execution_options={"yield_per": _CHUNK})
