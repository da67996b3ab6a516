"""Folders of baskets without dates: ``history.parquet`` and ``future.parquet`` (user_id, basket_no, items), and
``folds.parquet`` (fold, part, user_id) that says who is learned from and who is asked.

The baskets are dated a week apart, so that everybody's next one is the first after one common cutoff; from there they
go the way of any history.
"""

from collections.abc import Iterator
from pathlib import Path

import ibis
import numpy as np

from benchmarks.cases import Case
from features.event_fields import LAKE_COLUMNS
from features.history import History, Snapshot
from features.instant import MICROSECONDS_PER_DAY, parse
from features.lake import columns_sql
from features.source_files import quoted
from training.sample import take

CUTOFF = parse("2020-01-06T00:00:00Z")
DAYS_BETWEEN = 7
FOLDS = 5
"""Where the folder brings none of its own."""

LINES = """
INSERT INTO log BY NAME
SELECT concat_ws('-', {part}, user_id, basket_no, item) AS event_id, 'file' AS source, 'purchase' AS type,
       user_id::VARCHAR AS customer_id, item::VARCHAR AS product_id, 0 AS amount,
       concat_ws('-', {part}, user_id, basket_no) AS order_id,
       {cutoff} + (basket_no - ({before})) * {step} AS occurred_at
FROM (SELECT user_id, basket_no, max(basket_no) OVER (PARTITION BY user_id) AS last, unnest(items) AS item
      FROM read_parquet({file}))
"""


def is_basket_folder(folder: Path) -> bool:
    return all((folder / f"{name}.parquet").is_file() for name in ("history", "future"))


def cases_of_baskets(folder: Path, part: str = "test") -> Iterator[Case]:
    """One case a fold: asked are the customers of ``part``, learned from all others but those of ``test``."""
    everybody = read_baskets(folder)
    place = {customer: row for row, customer in enumerate(everybody.profiles.customer_ids)}
    for fold, asked, aside in folds_of(folder, list(place), part):
        rows = np.array(sorted(place[customer] for customer in asked), dtype=np.int64)
        others = np.array([row for customer, row in place.items() if customer not in asked | aside], dtype=np.int64)
        yield Case(folder.name, f"fold {fold}", [take(everybody, others)], take(everybody, rows))


def read_baskets(folder: Path) -> Snapshot:
    """Everybody at the cutoff, with the first basket after it."""
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")
    connection.raw_sql(f"CREATE TABLE log ({columns_sql(LAKE_COLUMNS)})")
    step = DAYS_BETWEEN * MICROSECONDS_PER_DAY
    for part, before in (("history", "last + 1"), ("future", "1")):
        file = quoted(str(folder / f"{part}.parquet"))
        connection.raw_sql(LINES.format(part=quoted(part), file=file, before=before, cutoff=CUTOFF, step=step))
    nothing: dict[str, str] = {}
    with History(
        connection, connection.table("log"), merges=[], timezones=nothing, default_timezone="UTC", registered=[],
        products=[],
    ) as history:  # fmt: skip
        return history.snapshot(CUTOFF, DAYS_BETWEEN)


def folds_of(folder: Path, customers: list[str], part: str) -> Iterator[tuple[int, set[str], set[str]]]:
    """(fold, who is asked, who is kept aside besides)."""
    file = folder / "folds.parquet"
    if not file.is_file():
        for fold in range(FOLDS):
            yield fold, set(customers[fold::FOLDS]), set()
        return
    connection = ibis.duckdb.connect()
    table = connection.read_parquet(file).mutate(user_id=lambda rows: rows.user_id.cast("string")).to_pyarrow()
    rows = list(zip(*(table[name].to_pylist() for name in ("fold", "part", "user_id")), strict=True))
    for fold in sorted({fold for fold, _, _ in rows}):
        members = {name: {user for f, p, user in rows if (f, p) == (fold, name)} for name in (part, "test")}
        yield fold, members[part], members["test"]
