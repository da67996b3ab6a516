"""The training examples as a file: what was known of each customer at past cutoffs, and what came of it."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.instant import Instant
from features.store import Store
from features.vector import FEATURES, vector
from training.cutoffs import choose_cutoffs
from training.errors import NotEnoughData

if TYPE_CHECKING:
    import pyarrow

    from features.history import History, Snapshot
    from features.profiles import Profiles


def write_examples(store: Store, brand: str, as_of: Instant, horizon_days: int | None, out: Path) -> int:
    """How many rows were written: one a customer and cutoff, those at ``as_of`` itself without labels.

    Columns: ``customer_id, as_of, horizon_days``, the features (missing is null), and the labels ``label_orders,
    label_spend, label_churned, label_next_basket`` of [as_of, as_of + horizon), null where that window was not over at
    ``as_of``.

    Raises
    ------
    NotEnoughData
        If nothing happened before ``as_of``.
    """
    from features.history import open_history

    with open_history(store, brand, before=as_of) as past:
        if past.first_at is None:
            raise NotEnoughData("history", "no events", "some before the time asked for")
        horizon, cutoffs = _horizon_and_cutoffs(past, horizon_days)
        parts = chain(
            (_labelled(past.snapshot(cutoff, horizon)) for cutoff in cutoffs),
            (_table(past.profiles(as_of), as_of, horizon, {}) for _ in range(1)),
        )
        return _write(parts, out)


def _write(parts: "Iterable[pyarrow.Table]", out: Path) -> int:
    """The number of rows; the file appears under its name only when it is complete."""
    import pyarrow.parquet

    unfinished = out.with_name(f".{out.name}.unfinished")
    rows = 0
    try:
        with pyarrow.parquet.ParquetWriter(unfinished, _schema()) as writer:
            for part in parts:
                writer.write_table(part)
                rows += int(part.num_rows)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows


def _horizon_and_cutoffs(past: "History", horizon_days: int | None) -> tuple[int, tuple[Instant, ...]]:
    try:
        chosen = choose_cutoffs(past, horizon_days)
    except NotEnoughData:
        return horizon_days or 0, ()
    return chosen.horizon_days, chosen.all


def _labelled(snapshot: "Snapshot") -> "pyarrow.Table":
    labels = {
        "label_orders": snapshot.orders,
        "label_spend": snapshot.spend,
        "label_churned": snapshot.orders == 0,
        "label_next_basket": snapshot.next_basket,
    }
    return _table(snapshot.profiles, snapshot.as_of, snapshot.horizon_days, labels)


def _table(profiles: "Profiles", as_of: Instant, horizon_days: int, labels: dict[str, Any]) -> "pyarrow.Table":
    import pyarrow

    count = len(profiles)
    features = vector(profiles, as_of)
    columns: dict[str, Any] = {
        "customer_id": profiles.customer_ids,
        "as_of": np.full(count, as_of),
        "horizon_days": np.full(count, horizon_days),
        **{name: pyarrow.array(features[:, i], mask=np.isnan(features[:, i])) for i, name in enumerate(FEATURES)},
    }
    schema = _schema()
    return pyarrow.table(
        [
            pyarrow.array(columns[field.name], field.type)
            if field.name in columns
            else pyarrow.array(labels.get(field.name, [None] * count), field.type)
            for field in schema
        ],
        schema=schema,
    )


def _schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema(
        [
            ("customer_id", pyarrow.string()),
            ("as_of", pyarrow.timestamp("us", tz="UTC")),
            ("horizon_days", pyarrow.int64()),
            *((name, pyarrow.float64()) for name in FEATURES),
            ("label_orders", pyarrow.int64()),
            ("label_spend", pyarrow.float64()),
            ("label_churned", pyarrow.bool_()),
            ("label_next_basket", pyarrow.list_(pyarrow.string())),
        ]
    )
