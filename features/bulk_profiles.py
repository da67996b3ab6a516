"""Profiles kept up with bulk loads: what a file adds is aggregated and merged in, or all is folded anew."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
from sqlalchemy import Connection

from features.backfill import Whereabouts, aggregate
from features.brand import read_brand
from features.catalogue import read_customers
from features.customer_links import CustomerLinks, members
from features.instant import Instant
from features.lake import DuckDB, Segment, files_sql
from features.log_table import make_log
from features.merging import merge_batches
from features.packing import pack_all, unpack_all
from features.profile_store import delete_profiles, read_profiles, write_profiles
from features.profiles import Profiles

PackedProfile = tuple[str, bytes, Instant]
"""(customer_id, packed profile, its last event)."""

_ROWS_AT_ONCE = 2_000_000
_CUSTOMERS_AT_ONCE = 20_000


def whereabouts(connection: Connection, brand: str, customer_ids: Iterable[str] | None = None) -> Whereabouts:
    """The time zones of a brand's customers, or of some; merges are followed elsewhere."""
    found = read_customers(connection, brand, customer_ids)
    zones = {customer.customer_id: customer.timezone for customer in found if customer.timezone is not None}
    return Whereabouts({}, zones, read_brand(connection, brand).timezone)


def aggregate_segments(
    duck: DuckDB, lake: Path, segments: Sequence[Segment], known: Whereabouts, roots: dict[str, str]
) -> Iterator[Profiles]:
    """What some files add to profiles, in batches that share no customer."""
    _make_roots(duck, roots)
    parts = sum(segment.rows for segment in segments) // _ROWS_AT_ONCE + 1
    rows = f"read_parquet({files_sql(lake, segments)})"
    database = ibis.duckdb.from_connection(duck)
    for part in range(parts):
        chosen = f"WHERE hash(customer_id) % {parts} = {part}" if parts > 1 else ""
        duck.execute(f"CREATE OR REPLACE TEMP VIEW added AS SELECT * FROM ({_rooted(rows)}) {chosen}")
        yield aggregate(database.table("added"), known)


def _make_roots(duck: DuckDB, roots: dict[str, str]) -> None:
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE roots AS SELECT unnest(?::VARCHAR[]) AS merged, unnest(?::VARCHAR[]) AS root",
        [list(roots), list(roots.values())],
    )


def _rooted(rows: str) -> str:
    return (
        f"SELECT events.* REPLACE (coalesce(root, customer_id) AS customer_id) FROM {rows} AS events "
        "LEFT JOIN roots ON merged = customer_id"
    )


@dataclass(frozen=True, slots=True)
class Merged:
    """Profiles with what was added to them, packed. ``former`` are those that were kept, as they were read."""

    added: Profiles
    former: Mapping[str, bytes]
    packed: Sequence[PackedProfile]
    entangled: Sequence[str]
    """Those whose profile must be folded anew."""


def merge(connection: Connection, brand: str, added: Profiles) -> Iterator[Merged]:
    """Add to the profiles that are kept, some thousands at a time; nothing is written yet."""
    for start in range(0, len(added.customer_ids), _CUSTOMERS_AT_ONCE):
        yield _merged(connection, brand, added.take(range(start, min(start + _CUSTOMERS_AT_ONCE, len(added)))))


def _merged(connection: Connection, brand: str, added: Profiles) -> Merged:
    former = read_profiles(connection, brand, added.customer_ids)
    if not former:
        return Merged(added, former, list(pack_all(added)), ())
    kept = unpack_all(list(former), list(former.values()))
    entangled = (_with_cancellations(kept) | _with_cancellations(added)) & set(former)
    sums = merge_batches(_without(kept, entangled), _without(added, entangled))
    return Merged(added, former, list(pack_all(sums)), sorted(entangled))


def write_merged(connection: Connection, brand: str, merged: Merged) -> list[str]:
    """Write what was merged, anew where the profile has changed since; who must be folded anew."""
    ids = merged.added.customer_ids
    present = read_profiles(connection, brand, ids)
    changed = {customer_id for customer_id in ids if present.get(customer_id) != merged.former.get(customer_id)}
    write_profiles(connection, brand, (row for row in merged.packed if row[0] not in changed))
    left = [customer_id for customer_id in merged.entangled if customer_id not in changed]
    if changed:
        again = _merged(connection, brand, _without(merged.added, set(ids) - changed))
        write_profiles(connection, brand, again.packed)
        left += again.entangled
    return left


def _with_cancellations(profiles: Profiles) -> set[str]:
    """Customers with a cancelled order: parts of their history do not simply add up."""
    rows = np.repeat(np.arange(len(profiles.customer_ids)), np.diff(profiles.remnants.offsets))
    return {profiles.customer_ids[row] for row in rows[profiles.remnants.cancellations > 0]}


def _without(profiles: Profiles, customer_ids: set[str]) -> Profiles:
    if not customer_ids:
        return profiles
    return profiles.take([row for row, name in enumerate(profiles.customer_ids) if name not in customer_ids])


def fold_anew(connection: Connection, duck: DuckDB, lake: Path, brand: str, customer_ids: Iterable[str]) -> None:
    """Aggregate the whole log of some customers, and of those merged into them."""
    wanted = sorted(set(customer_ids))
    if not wanted:
        return
    for people, rows in folded(connection, duck, lake, brand, wanted, whereabouts(connection, brand)):
        delete_profiles(connection, brand, people)
        write_profiles(connection, brand, rows)


def folded(
    connection: Connection, duck: DuckDB, lake: Path, brand: str, customer_ids: Sequence[str], known: Whereabouts
) -> Iterator[tuple[list[str], list[PackedProfile]]]:
    """The packed profiles of some customers from the whole log, some thousands at a time.

    Each time first all ids that those customers had: only the profiles that follow are to stand in their place.
    """
    database = ibis.duckdb.from_connection(duck)
    for start in range(0, len(customer_ids), _CUSTOMERS_AT_ONCE):
        people = members(connection, brand, customer_ids[start : start + _CUSTOMERS_AT_ONCE])
        make_log(duck, connection, lake, brand, customer_ids=list(people))
        _make_roots(duck, {merged: root for merged, root in people.items() if merged != root})
        duck.execute(f"CREATE OR REPLACE TEMP VIEW added AS {_rooted('log')}")
        yield list(people), list(pack_all(aggregate(database.table("added"), known)))


def roots_of(links: CustomerLinks, customer_ids: Sequence[str]) -> dict[str, str]:
    """Of these customers those who were merged, with the ones they are now."""
    found = {customer_id: links.root(customer_id) for customer_id in customer_ids}
    return {customer_id: root for customer_id, root in found.items() if root != customer_id}
