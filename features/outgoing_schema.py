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

trigger_due = Table(
    "trigger_due",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("trigger_name", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False, server_default="1"),
    Column("claimed_until", BigInteger, nullable=False, server_default="0"),
    Index("trigger_due_by_time", "due_at"),
    Index("trigger_due_by_customer", "brand", "customer_id"),
)
"""Whom to look at for which trigger, and when; ``asked`` counts how often that was asked for, so that what is asked
while somebody looks is not lost. ``claimed_until`` is of the real clock.
"""

trigger_firings = Table(
    "trigger_firings",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("trigger_name", Text, primary_key=True),
    Column("occasion", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("decision_id", Text),
)
"""Every occasion once: that it ``fired``, or why it did not."""

trigger_levels = Table(
    "trigger_levels",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("trigger_name", Text, primary_key=True),
    Column("is_above", Integer, nullable=False),
)
"""On which side of a trigger's line a customer was when last looked at; no row before the first look."""

trigger_scans = Table(
    "trigger_scans",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("day", Text, nullable=False),
    Column("after_customer", Text, nullable=False),
    Column("previous_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("is_finished", Integer, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
)
"""How far the nightly look at everybody of a brand has come."""

TABLES = (
    webhook_subscriptions,
    webhook_outbox,
    webhook_dead,
    trigger_due,
    trigger_firings,
    trigger_levels,
    trigger_scans,
)
OF_CUSTOMERS = (webhook_outbox, webhook_dead, trigger_due, trigger_firings, trigger_levels)
"""Those that name a customer, whose rows go when the customer is erased."""
