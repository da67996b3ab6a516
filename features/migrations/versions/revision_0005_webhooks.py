"""Who is told of what happens, and what is still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_subscriptions",
        sa.Column("subscription_id", sa.Text, primary_key=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("secret_print", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("webhook_subscriptions_by_brand", "webhook_subscriptions", ["brand", "ended_at"])
    op.create_table(
        "webhook_outbox",
        *_message(),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_attempt_at", sa.BigInteger),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("webhook_outbox_by_turn", "webhook_outbox", ["subscription_id", "next_attempt_at", "queued_at"])
    op.create_index("webhook_outbox_by_customer", "webhook_outbox", ["brand", "customer_id"])
    op.create_table(
        "webhook_dead",
        *_message(),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("died_at", sa.BigInteger, nullable=False),
    )
    op.create_index("webhook_dead_by_customer", "webhook_dead", ["brand", "customer_id"])


def _message() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        sa.Column("subscription_id", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
    ]
