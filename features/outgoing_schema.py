"""The tables of what goes out by itself: who subscribed, what is still to be delivered and what could not be.

They belong to the metadata of :mod:`features.schema`, in whose conventions they are written.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from features.schema import metadata

webhook_subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret_print", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index("webhook_subscriptions_by_brand", "brand", "ended_at"),
)
"""``events`` is a JSON list; the secret itself is not kept, ``secret_print`` tells whether it can still be derived."""

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_attempt_at", BigInteger),
    Column("next_attempt_at", BigInteger, nullable=False, server_default="0"),
    Column("last_error", Text),
    Index("webhook_outbox_by_turn", "subscription_id", "next_attempt_at", "queued_at"),
    Index("webhook_outbox_by_customer", "brand", "customer_id"),
)
"""What is still to be delivered, gone once it is; ``next_attempt_at`` 0 is at once, whatever the clock."""

webhook_dead = Table(
    "webhook_dead",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("died_at", BigInteger, nullable=False),
    Index("webhook_dead_by_customer", "brand", "customer_id"),
)
"""What no attempt within a day could deliver, until it is delivered after all or a month is over."""

TABLES = (webhook_subscriptions, webhook_outbox, webhook_dead)
