"""What customers paid a brand in a stretch of time: what its offers may cost a share of."""

from typing import Any

from sqlalchemy import BigInteger, Connection, Text, case, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from features.budget_schema import brand_revenues
from features.events import EventType
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.lake import files_sql, open_duckdb, read_segments, workbench
from features.money import Money
from features.schema import events
from features.store import Store, upsert

_PAID, _GIVEN_BACK = EventType.PURCHASE.value, EventType.REFUND.value


def read_revenue(connection: Connection, brand: str, days: float) -> Money | None:
    """As last reckoned for so many days."""
    of = brand_revenues.c
    found: Money | None = connection.execute(select(of.revenue).where(of.brand == brand, of.days == days)).scalar()
    return found


def revenue_known_at(connection: Connection, brand: str, days: float) -> Instant | None:
    """Until when what was earned in so many days was reckoned last."""
    of = brand_revenues.c
    found: Instant | None = connection.execute(select(of.until).where(of.brand == brand, of.days == days)).scalar()
    return found


def reckon_revenue(store: Store, brand: str, days: float, until: Instant) -> Money:
    """Purchases less refunds of the days before ``until``, also kept for :func:`read_revenue`.

    Raises
    ------
    ModuleNotFoundError
        If there is bulk history, and nothing installed that reads it.
    """
    since = until - int(days * MICROSECONDS_PER_DAY)
    with store.reading() as connection:
        revenue = _of_store(connection, brand, since, until) + _of_lake(store, connection, brand, since, until)
    with store.writing() as connection:
        row = {"brand": brand, "revenue": revenue, "days": days, "until": until}
        connection.execute(upsert(connection, brand_revenues), row)
    return revenue


def _of_store(connection: Connection, brand: str, since: Instant, until: Instant) -> Money:
    of = events.c
    amount: Any = func.json_extract(of.body, "$.amount")
    if connection.dialect.name == "postgresql":
        amount = cast(cast(of.body, JSONB)["amount"].astext, BigInteger)
    paid = case((of.type == cast(_PAID, Text), amount), else_=-amount)
    query = select(func.coalesce(func.sum(paid), 0)).where(
        of.brand == brand, of.type.in_([_PAID, _GIVEN_BACK]), of.occurred_at >= since, of.occurred_at < until
    )
    return int(connection.execute(query).scalar_one())


def _of_lake(store: Store, connection: Connection, brand: str, since: Instant, until: Instant) -> Money:
    found = [one for one in read_segments(connection, brand) if one.last_at >= since and one.first_at < until]
    if not found:
        return 0
    with workbench(store.lake) as scratch, open_duckdb(scratch) as duck:
        paid = f"CASE type WHEN '{_PAID}' THEN amount ELSE -amount END"
        row = duck.execute(
            f"SELECT coalesce(sum({paid}), 0) FROM read_parquet({files_sql(store.lake, found)}) "  # noqa: S608 — names of our own making
            "WHERE brand = ? AND type IN (?, ?) AND occurred_at >= ? AND occurred_at < ?",
            [brand, _PAID, _GIVEN_BACK, since, until],
        ).fetchone()
    return int(row[0])
