"""What is spent of the budgets that several offers share, counted together with the reservations that draw on them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from features.budget_schema import budget_usage
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import Money

CAMPAIGN, DAY, BRAND = "campaign", "day", "brand"
_CHUNK = 400


class BudgetKey(NamedTuple):
    """One row of counters; ``name`` is a campaign's, or the number of a day since 1970 in UTC, or empty."""

    brand: str
    scope: str
    name: str = ""


class Spending(NamedTuple):
    """``reserved`` is the most that what is held may cost, ``expected`` what it is expected to."""

    reserved: Money = 0
    charged: Money = 0
    expected: Money = 0

    @property
    def committed(self) -> Money:
        return self.reserved + self.charged

    def __bool__(self) -> bool:
        return any(self)

    def plus(self, other: "Spending") -> "Spending":
        return Spending(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING_SPENT = Spending()


def day_of(at: Instant) -> int:
    return at // MICROSECONDS_PER_DAY


def day_key(brand: str, day: int) -> BudgetKey:
    return BudgetKey(brand, DAY, str(day))


def budgets_of(brand: str, campaign_id: str | None, decided_at: Instant) -> tuple[BudgetKey, ...]:
    """The counters that a reservation moves."""
    of_all = BudgetKey(brand, BRAND), day_key(brand, day_of(decided_at))
    return of_all if campaign_id is None else (*of_all, BudgetKey(brand, CAMPAIGN, campaign_id))


def read_spending(connection: Connection, keys: Iterable[BudgetKey]) -> dict[BudgetKey, Spending]:
    """What is spent by these counters; nothing by one that is not there."""
    wanted = list(dict.fromkeys(keys))
    found = dict.fromkeys(wanted, NOTHING_SPENT)
    for start in range(0, len(wanted), _CHUNK):
        of = budget_usage.c
        query = select(budget_usage).where(tuple_(of.brand, of.scope, of.name).in_(wanted[start : start + _CHUNK]))
        for brand, scope, name, *spending in connection.execute(query):
            found[BudgetKey(brand, scope, name)] = Spending(*spending)
    return found


def move(connection: Connection, changes: Mapping[BudgetKey, Spending]) -> None:
    """Move the counters by so much."""
    names = budget_usage.c.keys()
    rows = [dict(zip(names, (*key, *moved_by), strict=True)) for key, moved_by in sorted(changes.items()) if moved_by]
    if rows:
        connection.execute(MOVE[connection.dialect.name], rows)


def _moving(insert_into: Callable[[Table], Any]) -> Any:
    """Counters that are moved by so much, from nothing where there are none yet."""
    new = insert_into(budget_usage)
    moved = {name: budget_usage.c[name] + new.excluded[name] for name in _COUNTERS}
    return new.on_conflict_do_update(index_elements=["brand", "scope", "name"], set_=moved)


_COUNTERS = ("cost_reserved", "cost_charged", "cost_expected")
MOVE = {"sqlite": _moving(sqlite.insert), "postgresql": _moving(postgresql.insert)}
"""By the name of the database."""
