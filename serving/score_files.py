"""The Parquet files of the ``score`` verb."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.id_table import Ids
from features.product_lists import ProductLists
from features.replenishment import UNKNOWN
from serving.parquet import complete_file
from serving.predictions import NAMES
from serving.score_columns import Column, ScoreColumns
from serving.score_lists import NumberLists, WordLists, Words
from serving.score_notes import NOTED, coded
from serving.score_offers import OfferScores
from serving.scoring import COLUMNS

if TYPE_CHECKING:
    import pyarrow

WRITTEN_AT_ONCE = 20_000
"""Rows: many small groups take half as long again, to write and to read."""


def write_scores(path: Path, batches: Iterable[ScoreColumns], versions: Sequence[str]) -> int:
    """How many rows were written.

    ``versions`` are the keys of ``model_versions``, which is a struct as ``fallbacks`` is, so that a reader finds a
    dictionary in each row; a reason is null where there is nothing to tell of the customer.
    """
    import pyarrow as pa

    schema = _score_schema(versions or NAMES, NOTED)
    rows, waiting = 0, 0
    tables: list[pa.Table] = []
    with complete_file(path, schema) as writer:
        for batch in batches:
            tables.append(_scores_table(batch, schema))
            rows, waiting = rows + len(batch), waiting + len(batch)
            if waiting >= WRITTEN_AT_ONCE:
                writer.write_table(pa.concat_tables(tables))
                tables, waiting = [], 0
        if tables:
            writer.write_table(pa.concat_tables(tables))
    return rows


def _scores_table(batch: ScoreColumns, schema: "pyarrow.Schema") -> "pyarrow.Table":
    import pyarrow as pa

    count = len(batch)
    alike = {"brand": batch.brand, "as_of": batch.as_of, "horizon_days": int(batch.horizon_days)}
    columns: dict[str, Any] = {
        "customer_id": pa.array(batch.customer_ids, pa.string()),
        **{name: pa.repeat(pa.scalar(value, schema.field(name).type), count) for name, value in alike.items()},
        **{name: _cells(values, count, schema.field(name).type) for name, values in batch.values.items()},
        "model_versions": _alike(batch.model_versions, count, schema.field("model_versions").type),
        "fallbacks": _told(batch, schema.field("fallbacks").type),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _cells(values: Column, count: int, kind: "pyarrow.DataType") -> "pyarrow.Array":
    import pyarrow as pa

    if values is None:
        return pa.nulls(count, kind)
    if isinstance(values, Words):
        return _words(values.codes, values.labels)
    if isinstance(values, WordLists):
        return _lists(values.offsets, _words(values.codes, values.labels))
    if isinstance(values, NumberLists):
        return _lists(values.offsets, pa.array(values.numbers))
    if isinstance(values, ProductLists):
        told = (_words(values.code, values.vocabulary), pa.array(values.value).cast(kind.value_type.field(1).type))
        return _lists(values.offsets, pa.StructArray.from_arrays(told, fields=list(kind.value_type)))
    if values.ndim > 1:
        return _lists(np.arange(count + 1) * values.shape[1], pa.array(values.ravel()))
    unknown = np.isnan(values) if values.dtype.kind == "f" else values == UNKNOWN
    return pa.array(values, mask=unknown).cast(kind)


def _words(codes: NDArray[np.integer], labels: Sequence[str]) -> "pyarrow.Array":
    """Of many labels only those that are there are made text; -1 is null."""
    import pyarrow as pa

    if len(labels) <= len(codes):
        return pa.array(list(labels), pa.string()).take(pa.array(codes, mask=codes < 0))
    used, place = np.unique(codes, return_inverse=True)
    texts = labels.texts if isinstance(labels, Ids) else labels
    words = pa.array([None if code < 0 else texts[code] for code in used.tolist()], pa.string())
    return words.take(pa.array(place))


def _lists(offsets: NDArray[np.int64], values: "pyarrow.Array") -> "pyarrow.Array":
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def _alike(values: Mapping[str, str], count: int, kind: "pyarrow.DataType") -> "pyarrow.Array":
    import pyarrow as pa

    known = [pa.repeat(pa.scalar(values.get(field.name), pa.string()), count) for field in kind]
    return pa.StructArray.from_arrays(known, fields=list(kind))


def _told(batch: ScoreColumns, kind: "pyarrow.DataType") -> "pyarrow.Array":
    """By output one column of codes into the few reasons that there are."""
    import pyarrow as pa

    children = []
    for field in kind:
        labels, codes = coded(field.name, batch.common, batch.notes, len(batch))
        reasons = pa.array([label or None for label in labels], pa.string())
        children.append(reasons.take(pa.array(codes)))
    return pa.StructArray.from_arrays(children, fields=list(kind))


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
    numbers = pyarrow.array(np.repeat(np.arange(customers, dtype=np.int32), offers))
    columns = [
        pyarrow.array(scores.customer_ids, pyarrow.string()).take(numbers),
        pyarrow.array(list(scores.offer_ids) * customers, pyarrow.string()),
        pyarrow.array(scores.codes.ravel() == 0),
        pyarrow.array(scores.reasons(), schema.field("reasons").type),
        pyarrow.array(scores.accept_probability.ravel()),
        pyarrow.array(scores.uplift.ravel(), mask=~np.isfinite(scores.uplift.ravel())),
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
