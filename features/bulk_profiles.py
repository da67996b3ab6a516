"""Profiles kept up with bulk loads: what a file adds is aggregated and merged in, or all is folded anew."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import ibis
import numpy as np
from sqlalchemy import Connection

from features.backfill import Whereabouts, aggregate
from features.brand import read_brand
from features.catalogue import read_customers
from features.customer_links import CustomerLinks, members
from features.instant import Instant
from features.lake import DuckDB, Segment
from features.log_table import make_log
from features.merging import merge_batches
from features.packing import pack_all, unpack_all
from features.profile_store import delete_profiles, read_profiles, write_profiles
from features.profiles import Profiles
from features.source_files import quoted

PackedProfile = tuple[str, bytes, Instant]
"""(customer_id, packed profile, its last event)."""

_ROWS_AT_ONCE = 2_000_000
_CUSTOMERS_AT_ONCE = 20_000


def whereabouts(connection: Connection, brand: str) -> Whereabouts:
    """The time zones of a brand's customers; merges are followed elsewhere."""
    zones = {c.customer_id: c.timezone for c in read_customers(connection, brand) if c.timezone is not None}
    return Whereabouts({}, zones, read_brand(connection, brand).timezone)


def aggregate_segment(
    duck: DuckDB, lake: Path, segment: Segment, known: Whereabouts, roots: dict[str, str]
) -> Iterator[Profiles]:
    """What one file adds to profiles, in batches that share no customer."""
    _make_roots(duck, roots)
    parts = segment.rows // _ROWS_AT_ONCE + 1
    rows = f"read_parquet({quoted(str(lake / segment.path))})"
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


def merge_in(connection: Connection, brand: str, added: Profiles) -> list[str]:
    """Merge what was added into the profiles that are kept; the customers whose profile must be folded anew."""
    left: list[str] = []
    for start in range(0, len(added.customer_ids), _CUSTOMERS_AT_ONCE):
        some = added.take(range(start, min(start + _CUSTOMERS_AT_ONCE, len(added.customer_ids))))
        packed = read_profiles(connection, brand, some.customer_ids)
        if packed:
            kept = unpack_all(list(packed), list(packed.values()))
            entangled = (_with_cancellations(kept) | _with_cancellations(some)) & set(packed)
            left += sorted(entangled)
            some = merge_batches(_without(kept, entangled), _without(some, entangled))
        write_profiles(connection, brand, pack_all(some))
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
