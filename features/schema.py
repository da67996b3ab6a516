"""Every table of the store, once: SQLite and PostgreSQL are given the same statements. Those of budgets lie beside it.

Instants and money are whole numbers (``features.instant``, ``features.money``); a ``body`` is the JSON of one struct,
so a new field of a struct needs no new column. ``migrations/`` builds these tables and is tested to agree with them.
A partial index names its condition in ``info``: the keywords for it would import both databases' dialects. The tables
of what goes out by itself are in :mod:`features.outgoing_schema`.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from features.budget_schema import metadata as metadata

REVISION = "0008"
"""The revision of ``migrations/`` that makes the tables below."""

brands = Table(
    "brands",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("settings", Text, nullable=False),
    Column("accounting_currency", Text),
    Column("applied_at", BigInteger, nullable=False),
)
"""``settings`` is the brand file's content; ``accounting_currency`` the one that amounts have been taken in so far."""

events = Table(
    "events",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("order_id", Text),
    Column("body", Text, nullable=False),
    Index("events_by_customer", "brand", "customer_id", "occurred_at"),
)

segments = Table(
    "segments",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("sources", Text, nullable=False),
    Column("brands", Text, nullable=False),
    Column("loaded_at", BigInteger, nullable=False),
)
"""The Parquet files of the lake that count; any other file there is what an interrupted ingest left behind."""

identifiers = Table(
    "identifiers",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Index("identifiers_by_customer", "brand", "customer_id"),
)

merges = Table(
    "merges",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("merged_customer_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Index("merges_by_customer", "brand", "customer_id"),
)

profiles = Table(
    "profiles",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("last_event_at", BigInteger, nullable=False),
)

erased = Table(
    "erased",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("customer_hash", Text, primary_key=True),
    Column("erased_at", BigInteger, nullable=False),
)

customers = Table(
    "customers",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("products_by_update", "updated_at"),
)

offers = Table(
    "offers",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("offer_id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("offers_by_update", "updated_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("offer_id", Text, nullable=False),
    Column("channel", Text),
    Column("idempotency_key", Text),
    Column("body", Text, nullable=False),
    Column("evidence", LargeBinary),
    Index("decisions_by_customer", "brand", "customer_id", "decided_at"),
    Index(
        "decisions_by_idempotency_key",
        "brand",
        "idempotency_key",
        unique=True,
        info={"where": "idempotency_key IS NOT NULL"},
    ),
)
"""``offer_id`` is the first offer's, or ``none``; ``evidence`` is all else that the decision was made of, so that it
can be made again: empty of decisions that an earlier version logged, and of customers who were erased.
"""

catalogues = Table(
    "catalogues",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""The offers that decisions were made of, with what they were worth; ``version`` is a digest of the content."""

policies = Table(
    "policies",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""The policies by which decisions were made; ``version`` is a digest of the content."""

applied_policies = Table(
    "applied_policies",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("applied_at", BigInteger, nullable=False),
    Column("applied_by", Text, nullable=False),
    Column("restores", Integer),
    Column("finding", Text),
)
"""What people put in force as a brand's policy; the newest version holds, and none is ever overwritten."""

reservations = Table(
    "reservations",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("offer_id", Text, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("charged", BigInteger, nullable=False, server_default="0"),
    Column("campaign_id", Text),
    Column("cost_expected", BigInteger, nullable=False, server_default="0"),
    Index("reservations_by_customer", "brand", "customer_id", "state", "offer_id", "decided_at", "expires_at"),
    Index("reservations_to_expire", "expires_at", info={"where": "state = 'reserved'"}),
)
"""``state`` is reserved, confirmed, accepted or released; ``cost`` is the worst case, ``charged`` what it came to,
``cost_expected`` what an acceptance was expected to cost times its chance. ``campaign_id`` is the offer's of then.

``reservations_by_customer`` holds all that a decision asks of them, with those released out of its way.
"""

offer_usage = Table(
    "offer_usage",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("offer_id", Text, primary_key=True),
    Column("issued", BigInteger, nullable=False, server_default="0"),
    Column("cost_reserved", BigInteger, nullable=False, server_default="0"),
    Column("cost_charged", BigInteger, nullable=False, server_default="0"),
    Column("cost_expected", BigInteger, nullable=False, server_default="0"),
)
"""Counters over ``reservations``, moved in the same transaction as they are; what is expected, of those still held."""

experiments = Table(
    "experiments",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("started_at", BigInteger),
    Column("stopped_at", BigInteger),
)

assignments = Table(
    "assignments",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("unit_id", Text, primary_key=True),
    Column("variant", Text, nullable=False),
    Column("assigned_at", BigInteger, nullable=False),
    Index("assignments_by_unit", "brand", "unit_id"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("deployment_id", Integer, primary_key=True, autoincrement=True),
    Column("brand", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("run_id", Text),
    Column("path", Text, nullable=False),
    Column("deployed_at", BigInteger, nullable=False),
    Column("reason", Text),
    Index("deployments_by_model", "brand", "model", "alias", "deployment_id"),
)
"""The newest row of a (brand, model, alias) says which version serves."""

plans = Table(
    "plans",
    metadata,
    Column("brand", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("path", Text),
    Column("body", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

import features.outgoing_schema  # noqa: E402, F401 - so that whoever asks the metadata for every table gets every table
