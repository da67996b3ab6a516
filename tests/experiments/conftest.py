"""A log of events as a table, the way the store gives it."""

import ibis
import pyarrow as pa
import pytest

TEXTS = ("type", "event_id", "source", "customer_id", "channel", "product_id", "order_id", "offer_id", "decision_id")
TEXTS += ("purpose", "message_id", "experiment", "variant")
WHOLE = ("occurred_at", "amount", "discount_amount", "points_expire_at")
NUMBERS = ("score", "points_balance")
TRUTHS = ("machine_open", "granted")


@pytest.fixture
def table_of():
    """The table of a list of events."""

    def table(events):
        types = dict.fromkeys(TEXTS, pa.string()) | dict.fromkeys(WHOLE, pa.int64())
        types |= dict.fromkeys(NUMBERS, pa.float64()) | dict.fromkeys(TRUTHS, pa.bool_())
        columns = {name: pa.array([getattr(event, name) for event in events], kind) for name, kind in types.items()}
        return ibis.memtable(pa.table({**columns, "properties": pa.nulls(len(events), pa.string())}))

    return table
