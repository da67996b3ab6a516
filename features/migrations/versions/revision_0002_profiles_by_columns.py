"""Profiles with the hashes of products beside the ids, column by column; indexes that decisions need, and no others."""

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from features.id_table import hashes_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FORMER_FORMAT, FORMAT = 1, 2
_AT_ONCE = 1_000
_decode = msgspec.msgpack.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


def upgrade() -> None:
    has_key = sa.text("idempotency_key IS NOT NULL")
    op.drop_index("reservations_by_offer", "reservations")
    op.drop_index("reservations_by_customer", "reservations")
    of_customer = ["brand", "customer_id", "state", "offer_id", "decided_at", "expires_at"]
    op.create_index("reservations_by_customer", "reservations", of_customer)
    op.drop_index("decisions_by_idempotency_key", "decisions")
    op.create_index(
        "decisions_by_idempotency_key",
        "decisions",
        ["brand", "idempotency_key"],
        unique=True,
        sqlite_where=has_key,
        postgresql_where=has_key,
    )
    profiles = sa.table("profiles", *(sa.column(name) for name in ("brand", "customer_id", "body")))
    repack = (
        sa.update(profiles)
        .where(profiles.c.brand == sa.bindparam("of_brand"), profiles.c.customer_id == sa.bindparam("of_customer"))
        .values(body=sa.bindparam("repacked"))
    )
    connection = op.get_bind()
    for rows in _batches(connection, profiles):
        connection.execute(
            repack, [{"of_brand": row[0], "of_customer": row[1], "repacked": repacked(row[2])} for row in rows]
        )


def _batches(connection: sa.Connection, profiles: Any) -> Iterator[list[Any]]:
    last = ("", "")
    in_order = sa.tuple_(profiles.c.brand, profiles.c.customer_id)
    while True:
        query = sa.select(profiles).where(in_order > last).order_by(profiles.c.brand, profiles.c.customer_id)
        rows = list(connection.execute(query.limit(_AT_ONCE)).all())
        if not rows:
            return
        yield rows
        last = (rows[-1][0], rows[-1][1])


def repacked(body: bytes) -> bytes:
    """The profile of the former format in the present one."""
    version, customer, decayed, orders, remnants, products, hours, channels, contacts, states = _decode(body)
    if version != FORMER_FORMAT:
        return body
    key, first_at, amount, lines, refunded, hour = orders
    ids, product_lines, product_amount, last_at, product_decayed = products
    offer_ids, offer_code, facet, at, is_own, count = contacts
    third = len(channels[1]) // 3
    sent, responses, purchases = (channels[1][third * i : third * (i + 1)] for i in range(3))
    return _encode(
        [
            FORMAT,
            customer,
            decayed,
            _pieces(key, first_at, amount, lines, refunded, hour),
            _pieces(*remnants),
            _pieces(last_at, product_amount, product_decayed, product_lines),
            _encode(ids),
            hashes_of(ids).tobytes(),
            _pieces(*hours),
            _pieces(sent, responses, purchases),
            channels[0],
            _pieces(at, facet, is_own, count),
            offer_code,
            offer_ids,
            states,
        ]
    )


def _pieces(first: bytes, *others: bytes) -> list[bytes]:
    """All but the first are left out where they are all zero."""
    return [first, *(column if any(column) else b"" for column in others)]
