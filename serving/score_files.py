"""The Parquet files of the ``score`` verb."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.parquet import complete_file
from serving.predictions import NAMES
from serving.score_offers import OfferScores
from serving.scoring import COLUMNS, Score

if TYPE_CHECKING:
    import pyarrow


def write_scores(path: Path, batches: Iterable[Sequence[Score]], versions: Sequence[str], notes: Sequence[str]) -> int:
    """How many rows were written.

    ``versions`` and ``notes`` are the keys of ``model_versions`` and ``fallbacks``, which are structs, so that a reader
    finds a dictionary in each row.
    """
    import pyarrow

    schema = _score_schema(versions or NAMES, notes or ("none",))
    rows = 0
    with complete_file(path, schema) as writer:
        for batch in batches:
            columns = {name: [getattr(score, name) for score in batch] for name in COLUMNS}
            columns["replenishment"] = [
                [{"product_id": product_id, "due_at": due_at} for product_id, due_at in score.replenishment]
                for score in batch
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))
            rows += len(batch)
    return rows


def write_offer_scores(path: Path, batches: Iterable[OfferScores]) -> int:
    """How many rows were written: one a customer and offer."""

    schema = _offers_schema()
    rows = 0
    with complete_file(path, schema) as writer:
        for scores in batches:
            table = _offers_table(scores, schema)
            writer.write_table(table)
            rows += int(table.num_rows)
    return rows


def _offers_table(scores: OfferScores, schema: "pyarrow.Schema") -> "pyarrow.Table":
    import pyarrow

    customers, offers = scores.codes.shape
    rows = customers * offers
    numbers = pyarrow.array(np.repeat(np.arange(customers, dtype=np.int32), offers))
    columns = [
        pyarrow.array(scores.customer_ids, pyarrow.string()).take(numbers),
        pyarrow.array(list(scores.offer_ids) * customers, pyarrow.string()),
        pyarrow.array(scores.codes.ravel() == 0),
        pyarrow.array([scores.reasons[code] for code in scores.codes.ravel().tolist()], schema.field("reasons").type),
        pyarrow.array(scores.accept_probability.ravel()),
        pyarrow.nulls(rows, pyarrow.float64()),
        pyarrow.array(scores.expected_value.ravel()),
    ]
    return pyarrow.table(columns, schema=schema)


def _score_schema(versions: Sequence[str], notes: Sequence[str]) -> "pyarrow.Schema":
    import pyarrow as pa

    text, number, instant = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")
    types: dict[str, Any] = dict.fromkeys(COLUMNS, number) | {
        "customer_id": text,
        "brand": text,
        "as_of": instant,
        "horizon_days": pa.int64(),
        "churn_risk_band": text,
        "expected_next_purchase_at": instant,
        "favourite_products": pa.list_(text),
        "favourite_scores": pa.list_(number),
        "favourite_categories": pa.list_(text),
        "send_time_scores": pa.list_(number),
        "best_send_hour": pa.int64(),
        "best_channel": text,
        "rfm_segment": text,
        "replenishment": pa.list_(pa.struct({"product_id": text, "due_at": instant})),
        "model_versions": pa.struct(dict.fromkeys(versions, text)),
        "fallbacks": pa.struct(dict.fromkeys(notes, text)),
    }
    return pa.schema(types)


def _offers_schema() -> "pyarrow.Schema":
    import pyarrow as pa

    return pa.schema(
        {
            "customer_id": pa.string(),
            "offer_id": pa.string(),
            "eligible": pa.bool_(),
            "reasons": pa.list_(pa.string()),
            "accept_probability": pa.float64(),
            "uplift": pa.float64(),
            "expected_value": pa.float64(),
        }
    )
