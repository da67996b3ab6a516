"""What decisions were made of, so that they can be made again: their evidence, catalogues and policies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("evidence", sa.LargeBinary))
    _create_contents("catalogues", sa.LargeBinary())
    _create_contents("policies", sa.Text())


def _create_contents(table: str, body: sa.LargeBinary | sa.Text) -> None:
    op.create_table(
        table,
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("body", body, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
