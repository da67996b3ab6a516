"""The shadow prices of budgets that have an end, followed in the store: one worker takes each step for all."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from features.budget_schema import budget_prices
from features.budget_usage import BRAND, CAMPAIGN, BudgetKey, read_spending
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.money import Money
from features.revenue import reckon_revenue, revenue_known_at
from features.schema import offer_usage
from features.store import Store, upsert
from serving.budgets import OFFER
from serving.limits import FAR_FUTURE, Purse
from serving.offer_table import OfferTable
from serving.shadow_price import Pace, next_pace

STEP_MICROSECONDS = 60 * MICROSECONDS_PER_SECOND
REVENUE_MICROSECONDS = 3_600 * MICROSECONDS_PER_SECOND


class Paced(NamedTuple):
    key: BudgetKey
    purse: Purse


def paced_budgets(table: OfferTable) -> Iterator[Paced]:
    """The budgets of a brand that have an amount and an end."""
    brand = table.terms.brand
    for offer in table.offers:
        if offer.budget is not None and offer.valid_to is not None:
            yield Paced(BudgetKey(brand, OFFER, offer.offer_id), Purse(offer.budget, ends_at=offer.valid_to))
    for name, purse in table.limits.campaigns.items():
        if purse.ends_at != FAR_FUTURE:
            yield Paced(BudgetKey(brand, CAMPAIGN, name), purse)
    if table.limits.purse is not None and table.limits.purse.ends_at != FAR_FUTURE:
        yield Paced(BudgetKey(brand, BRAND), table.limits.purse)


def reckon_revenues(store: Store, tables: Iterable[OfferTable], now: Instant, report: Callable[[str], None]) -> None:
    """What was earned, anew every hour, for the brands whose offers may cost a share of it."""
    for limits in (table.limits for table in tables):
        share = limits.cost_share
        if share is None:
            continue
        with store.reading() as connection:
            known_at = revenue_known_at(connection, limits.brand, share.days)
        if known_at is not None and known_at <= now < known_at + REVENUE_MICROSECONDS:
            continue
        try:
            reckon_revenue(store, limits.brand, share.days, now)
        except ModuleNotFoundError as error:
            report(f"brand {limits.brand!r}: what was earned cannot be reckoned, which needs {error.name}")


def pace_budgets(store: Store, tables: Iterable[OfferTable], now: Instant) -> int:
    """Take the steps that are due; of how many budgets the price was reckoned."""
    budgets = {one.key: one.purse for table in tables for one in paced_budgets(table)}
    started = {key: purse for key, purse in budgets.items() if purse.starts_at <= now}
    if not started:
        return 0
    with store.reading() as connection:
        if not _due(connection, started, now):
            return 0
    with store.writing() as connection:
        due = _due(connection, started, now)
        spent = _spent(connection, due)
        rows = [_row(key, _stepped(pace, started[key], spent[key], now)) for key, pace in due.items()]
        if rows:
            connection.execute(upsert(connection, budget_prices), rows)
    return len(rows)


def _due(connection: Connection, budgets: dict[BudgetKey, Purse], now: Instant) -> dict[BudgetKey, Pace | None]:
    """Where the last step was long enough ago, or there was none; of what has ended, one more."""
    known = {
        BudgetKey(row.brand, row.scope, row.name): Pace(row.price, row.spent, row.updated_at, row.started_at)
        for row in connection.execute(select(budget_prices))
    }
    return {key: known.get(key) for key, purse in budgets.items() if _is_due(known.get(key), purse, now)}


def _is_due(pace: Pace | None, purse: Purse, now: Instant) -> bool:
    if pace is None:
        return now < purse.ends_at
    return now >= pace.at + STEP_MICROSECONDS and (now < purse.ends_at or pace.price > 0.0)


def _stepped(pace: Pace | None, purse: Purse, spent: Money, now: Instant) -> Pace:
    """A budget begins without a price."""
    return Pace(0.0, spent, now, now) if pace is None else next_pace(pace, purse.amount, spent, now, purse.ends_at)


def _spent(connection: Connection, keys: Iterable[BudgetKey]) -> dict[BudgetKey, Money]:
    """What was charged, and what is expected of what is still held."""
    wanted = list(keys)
    shared = read_spending(connection, [key for key in wanted if key.scope != OFFER])
    spent = {key: spending.charged + spending.expected for key, spending in shared.items()}
    of = offer_usage.c
    own = {key.brand for key in wanted if key.scope == OFFER}
    for row in connection.execute(select(offer_usage).where(of.brand.in_(own))) if own else ():
        spent[BudgetKey(row.brand, OFFER, row.offer_id)] = row.cost_charged + row.cost_expected
    return {key: spent.get(key, 0) for key in wanted}


def _row(key: BudgetKey, pace: Pace) -> dict[str, object]:
    counted = {"price": pace.price, "spent": pace.spent, "started_at": pace.started_at, "updated_at": pace.at}
    return {**key._asdict(), **counted}
