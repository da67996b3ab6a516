"""What is left of the budgets, as decisions see it: offers that no longer fit, and the price of those that do."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from features.budget_schema import budget_prices
from features.budget_usage import BRAND, CAMPAIGN, BudgetKey, Spending, read_spending
from features.entities import Offer
from features.instant import Instant
from features.revenue import read_revenue
from serving.limits import Limits, keys_of
from serving.offer_table import OfferTable, OfferUsage, least_cost, with_usage

OFFER = "offer"
"""The scope of the price of one offer's own budget."""
Prices = Mapping[BudgetKey, float]


def read_prices(connection: Connection) -> dict[BudgetKey, float]:
    """Of all brands; a budget that is not scarce has none."""
    of = budget_prices.c
    query = select(of.brand, of.scope, of.name, of.price).where(of.price > 0.0)
    return {BudgetKey(brand, scope, name): price for brand, scope, name, price in connection.execute(query)}


def with_budgets(
    connection: Connection, table: OfferTable, usage: Mapping[str, OfferUsage], prices: Prices, at: Instant
) -> OfferTable:
    """The table, with what offers' own and shared budgets refuse to everybody at ``at``, and its offers priced."""
    table = with_usage(table, usage)
    if table.limits.brand:
        limits = _as_earned(connection, table.limits)
        spending = read_spending(connection, keys_of(limits, table.offers, at))
        table = _without_spent(replace(table, limits=limits), spending, at)
    return replace(table, shadow_price=_priced(table, prices) if prices else None)


def budgets_drawn_on(brand: str, offer: Offer) -> tuple[BudgetKey, ...]:
    """The budgets that an acceptance of the offer is paid from."""
    own = BudgetKey(brand, OFFER, offer.offer_id), BudgetKey(brand, BRAND)
    return own if offer.campaign_id is None else (*own, BudgetKey(brand, CAMPAIGN, offer.campaign_id))


def _as_earned(connection: Connection, limits: Limits) -> Limits:
    share = limits.cost_share
    if share is None:
        return limits
    revenue = read_revenue(connection, limits.brand, share.days) or 0
    return structs.replace(limits, cost_share=structs.replace(share, revenue=revenue))


def _without_spent(table: OfferTable, spending: Mapping[BudgetKey, Spending], at: Instant) -> OfferTable:
    """A budget is refused once even the least costly acceptance would not fit."""
    standing, used_up = table.rules.standing.copy(), dict(table.used_up)
    for row, offer in enumerate(table.offers):
        cost = least_cost(table.worth, row)
        refused = [one.refusal for one in table.limits.of(offer, at) if not one.has_room_for(cost, spending)]
        if cost and refused:
            standing[row] = used_up[row] = int(refused[-1])
    return replace(table, rules=replace(table.rules, standing=standing), used_up=used_up)


def _priced(table: OfferTable, prices: Prices) -> NDArray[np.float64] | None:
    """Of each offer the prices of all budgets that it draws on together; nothing where all are free."""
    brand = table.terms.brand
    found = np.array([sum(prices.get(key, 0.0) for key in budgets_drawn_on(brand, offer)) for offer in table.offers])
    return found if found.any() else None
