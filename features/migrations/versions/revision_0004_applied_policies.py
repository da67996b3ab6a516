"""The policies that were put in force, with who, when and their names."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applied_policies",
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("applied_at", sa.BigInteger, nullable=False),
        sa.Column("applied_by", sa.Text, nullable=False),
        sa.Column("restores", sa.Integer),
        sa.Column("finding", sa.Text),
    )
