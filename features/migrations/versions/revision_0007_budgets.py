"""Budgets of campaigns and brands: their counters, their prices, and what is earned."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COUNTED = """
    INSERT INTO budget_usage (brand, scope, name, cost_reserved, cost_charged)
    SELECT brand, {scope}, {name},
        SUM(CASE WHEN state IN ('reserved', 'confirmed') THEN cost ELSE 0 END), SUM(charged)
    FROM reservations GROUP BY 1, 2, 3
"""
_MICROSECONDS_PER_DAY = 86_400_000_000


def upgrade() -> None:
    op.add_column("reservations", sa.Column("campaign_id", sa.Text))
    op.add_column("reservations", _money("cost_expected"))
    op.add_column("offer_usage", _money("cost_expected"))
    op.create_table("budget_usage", *_key(), _money("cost_reserved"), _money("cost_charged"), _money("cost_expected"))
    day = f"CAST(decided_at / {_MICROSECONDS_PER_DAY} AS TEXT)"
    op.execute(_COUNTED.format(scope="'day'", name=day))
    op.execute(_COUNTED.format(scope="'brand'", name="''"))
    op.create_table(
        "budget_prices",
        *_key(),
        sa.Column("price", sa.Float, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "brand_revenues",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("revenue", sa.BigInteger, nullable=False),
        sa.Column("days", sa.Float, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def _money(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _key() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in ("brand", "scope", "name")]
