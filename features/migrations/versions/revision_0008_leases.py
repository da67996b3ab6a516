"""Leases: what workers hold of scarce limits, to go on by themselves while the store is away."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("holder", "brand", "scope", "name")),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lease_holders",
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
