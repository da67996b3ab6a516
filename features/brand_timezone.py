"""A brand's settings put in force, and the customers folded anew whose local hours move with its time zone.

That takes a while for many customers, so the profiles are made before the store's one writer is held up. Those whose
customer changed meanwhile are made once more, and settings and profiles become true in one transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, select

from features import schema
from features.brand import BrandSettings, apply_brand, read_brand
from features.catalogue import read_customers
from features.event_log import refold
from features.instant import Instant
from features.lake import DuckDB, columns_sql, insert_rows, open_duckdb
from features.profile_store import read_profiles, write_profiles
from features.store import Store

_CUSTOMERS_AT_ONCE = 5_000
_PREPARED = {
    "brand": "VARCHAR",
    "timezone": "VARCHAR",
    "customer_id": "VARCHAR",
    "former": "BLOB",
    "body": "BLOB",
    "last_event_at": "BIGINT",
}


def put_in_force(store: Store, settings: BrandSettings, now: Instant) -> BrandSettings:
    """Apply the settings of a brand; what holds for it then.

    Where its time zone changes, and that of brands which extend it, all customers without a zone of their own follow
    in the same transaction.

    Raises
    ------
    FieldError
        As :func:`features.brand.apply_brand`.
    """
    with store.writing() as connection:
        moved = _apply(connection, settings, now)
        if moved:
            connection.rollback()
        else:
            return read_brand(connection, settings.brand)
    with _folding(store) as folding:
        with store.reading() as connection:
            for brand, timezone in moved.items():
                folding.prepare(connection, brand, timezone)
        with store.writing() as connection:
            for brand, timezone in _apply(connection, settings, now).items():
                folding.finish(connection, brand, timezone)
            return read_brand(connection, settings.brand)


def _apply(connection: Connection, settings: BrandSettings, now: Instant) -> dict[str, str]:
    """Let the settings hold; the new time zone of each brand that has another one now."""
    before = _timezones(connection, settings.brand)
    apply_brand(connection, settings, now)
    after = _timezones(connection, settings.brand)
    return {brand: timezone for brand, timezone in after.items() if timezone != before[brand]}


def _timezones(connection: Connection, brand: str) -> dict[str, str]:
    """Of each brand that has settings, and of this one."""
    brands = {brand, *connection.execute(select(schema.brands.c.brand)).scalars()}
    return {name: read_brand(connection, name).timezone for name in sorted(brands)}


def _without_own_timezone(connection: Connection, brand: str) -> list[str]:
    """The customers with a profile whose local hours are those of the brand."""
    own = {customer.customer_id for customer in read_customers(connection, brand) if customer.timezone is not None}
    known = connection.execute(select(schema.profiles.c.customer_id).where(schema.profiles.c.brand == brand))
    return sorted(set(known.scalars()) - own)


@contextmanager
def _folding(store: Store) -> Iterator["_InBulk | _OneByOne"]:
    """By aggregation, or where the service is installed alone, without the libraries of bulk history, one by one."""
    if find_spec("duckdb") is None or find_spec("ibis") is None:
        yield _OneByOne(store.lake)
        return
    with TemporaryDirectory() as scratch, open_duckdb(Path(scratch)) as duck:
        duck.execute(f"CREATE TABLE prepared ({columns_sql(_PREPARED)})")
        yield _InBulk(duck, store.lake)


@dataclass(frozen=True, slots=True)
class _OneByOne:
    lake: Path

    def prepare(self, connection: Connection, brand: str, timezone: str) -> None: ...

    def finish(self, connection: Connection, brand: str, timezone: str) -> None:  # noqa: ARG002 - the store knows it
        refold(connection, self.lake, brand, _without_own_timezone(connection, brand))


@dataclass(frozen=True, slots=True)
class _InBulk:
    duck: DuckDB
    lake: Path

    def prepare(self, connection: Connection, brand: str, timezone: str) -> None:
        """Make the profiles of now, and note from which ones they follow."""
        from features.bulk_profiles import folded, whereabouts

        known = replace(whereabouts(connection, brand), default_timezone=timezone)
        customer_ids = _without_own_timezone(connection, brand)
        for people, rows in folded(connection, self.duck, self.lake, brand, customer_ids, known):
            former = read_profiles(connection, brand, people)
            noted = [(brand, timezone, name, _digest(former[name]), body, last) for name, body, last in rows]
            insert_rows(self.duck, "prepared", _PREPARED, noted)

    def finish(self, connection: Connection, brand: str, timezone: str) -> None:
        """Put in the store what was prepared, and fold anew those who changed since."""
        from features.bulk_profiles import fold_anew

        left = set(_without_own_timezone(connection, brand))
        for rows in self._prepared(brand, timezone):
            present = read_profiles(connection, brand, [name for name, *_ in rows if name in left])
            good = [row for row in rows if row[0] in present and _digest(present[row[0]]) == row[1]]
            write_profiles(connection, brand, [(name, body, last) for name, _, body, last in good])
            left.difference_update(name for name, *_ in good)
        fold_anew(connection, self.duck, self.lake, brand, left)

    def _prepared(self, brand: str, timezone: str) -> Iterator[list[tuple[str, bytes, bytes, Instant]]]:
        cursor = self.duck.cursor()
        mine = "FROM prepared WHERE brand = ? AND timezone = ?"
        cursor.execute(f"SELECT customer_id, former, body, last_event_at {mine}", [brand, timezone])
        while rows := cursor.fetchmany(_CUSTOMERS_AT_ONCE):
            yield rows


def _digest(body: bytes) -> bytes:
    return sha256(body).digest()
