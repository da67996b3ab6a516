"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_log()
    _create_people()
    _create_catalogue()
    _create_decisions()
    _create_reservations()
    _create_experiments()
    _create_deployments()


def _create_log() -> None:
    op.create_table(
        "brands",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("accounting_currency", sa.Text),
        sa.Column("applied_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("events_by_customer", "events", ["brand", "customer_id", "occurred_at"])
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("brands", sa.Text, nullable=False),
        sa.Column("loaded_at", sa.BigInteger, nullable=False),
    )


def _create_people() -> None:
    op.create_table(
        "identifiers",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
    )
    op.create_index("identifiers_by_customer", "identifiers", ["brand", "customer_id"])
    op.create_table(
        "merges",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("merged_customer_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
    )
    op.create_index("merges_by_customer", "merges", ["brand", "customer_id"])
    op.create_table(
        "profiles",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("last_event_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "erased",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("customer_hash", sa.Text, primary_key=True),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
    )


def _create_catalogue() -> None:
    op.create_table(
        "customers",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "products",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("products_by_update", "products", ["updated_at"])
    op.create_table(
        "offers",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("offer_id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("offers_by_update", "offers", ["updated_at"])


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("decisions_by_customer", "decisions", ["brand", "customer_id", "decided_at"])
    op.create_index("decisions_by_idempotency_key", "decisions", ["brand", "idempotency_key"], unique=True)


def _create_reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("offer_id", sa.Text, primary_key=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("charged", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("reservations_by_customer", "reservations", ["brand", "customer_id"])
    op.create_index("reservations_by_offer", "reservations", ["brand", "offer_id"])
    waiting = sa.text("state = 'reserved'")
    op.create_index(
        "reservations_to_expire", "reservations", ["expires_at"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "offer_usage",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("offer_id", sa.Text, primary_key=True),
        sa.Column("issued", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cost_reserved", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cost_charged", sa.BigInteger, nullable=False, server_default="0"),
    )


def _create_experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("stopped_at", sa.BigInteger),
    )
    op.create_table(
        "assignments",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("unit_id", sa.Text, primary_key=True),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("assigned_at", sa.BigInteger, nullable=False),
    )
    op.create_index("assignments_by_unit", "assignments", ["brand", "unit_id"])


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("deployment_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("deployed_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_index("deployments_by_model", "deployments", ["brand", "model", "alias", "deployment_id"])
    op.create_table(
        "plans",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
