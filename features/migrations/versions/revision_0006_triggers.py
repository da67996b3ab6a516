"""Who is to be looked at for which trigger, and what has fired."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trigger_due",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("trigger_name", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False, server_default="1"),
        sa.Column("claimed_until", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("trigger_due_by_time", "trigger_due", ["due_at"])
    op.create_index("trigger_due_by_customer", "trigger_due", ["brand", "customer_id"])
    op.create_table(
        "trigger_firings",
        *_of_customer(),
        sa.Column("occasion", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("decision_id", sa.Text),
    )
    op.create_table("trigger_levels", *_of_customer(), sa.Column("is_above", sa.Integer, nullable=False))
    op.create_table(
        "trigger_scans",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("after_customer", sa.Text, nullable=False),
        sa.Column("previous_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("is_finished", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.BigInteger, nullable=False),
    )


def _of_customer() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in ("brand", "customer_id", "trigger_name")]
