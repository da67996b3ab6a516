"""The tables of budgets that several offers share; all others are in ``features.schema``."""

from sqlalchemy import BigInteger, Column, Float, MetaData, Table, Text

metadata = MetaData()

budget_usage = Table(
    "budget_usage",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("cost_reserved", BigInteger, nullable=False, server_default="0"),
    Column("cost_charged", BigInteger, nullable=False, server_default="0"),
    Column("cost_expected", BigInteger, nullable=False, server_default="0"),
)
"""The same counters by ``campaign``, by ``day`` (of the decision, in UTC, since 1970) and of the ``brand``."""

budget_prices = Table(
    "budget_prices",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("price", Float, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
"""What a currency unit of each paced budget is worth, and what was spent of it when that was last reckoned."""

brand_revenues = Table(
    "brand_revenues",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("revenue", BigInteger, nullable=False),
    Column("days", Float, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""What customers paid in the days before ``until``, less refunds."""

leases = Table(
    "leases",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("brand", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
"""What a worker may give away by itself, in units or in money; counted as given away already by ``offer_usage`` and
``budget_usage``, moved in the same transaction.
"""

lease_holders = Table(
    "lease_holders",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)
"""Until when a worker may spend what it holds."""
