"""A shop with a strong autumn, whose customers come, buy at a rate of their own, and leave unseen.

Weekly demand follows a yearly curve and nothing else that a model could know: what is to be learned is that this
autumn will be like the last one. Amounts are heavy-tailed, with some wholesalers among the customers.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from benchmarks.datasets import NOW, DataSet
from features.event_files import ingest_events
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.store import open_store

START = parse("2021-12-01")
DAYS = 850
CUSTOMERS = 6_000
YEAR_DAYS = 365.25


def demand(day: NDArray[np.int64]) -> NDArray[np.float64]:
    """By the day of the year (0 is 1 January): twice as much from mid-September to mid-December, less after."""
    autumn = np.exp(-0.5 * ((day - 315) / 32.0) ** 2)
    slack = np.exp(-0.5 * ((day - 25) / 25.0) ** 2)
    return 0.8 + 1.5 * autumn - 0.25 * slack


def purchases(seed: int = 0, customers: int = CUSTOMERS, days: int = DAYS) -> pyarrow.Table:
    """One row an order, in the contract's columns, by time."""
    generator = np.random.default_rng(seed)
    day = np.arange(days)
    of_year = ((START // MICROSECONDS_PER_DAY + day) * 1.0 - parse("2021-01-01") // MICROSECONDS_PER_DAY) % YEAR_DAYS
    level = demand(of_year.astype(np.int64))
    joined = np.where(generator.random(customers) < 0.3, 0, generator.integers(0, days, customers))
    rate = generator.gamma(0.9, 0.022, customers)
    stays = generator.exponential(400.0, customers)
    scale = np.exp(generator.normal(5.4, 0.8, customers))
    rows = []
    for customer in range(customers):
        present = (day >= joined[customer]) & (day < joined[customer] + stays[customer])
        bought = np.flatnonzero(generator.random(days) < rate[customer] * level * present)
        if not bought.size or bought[0] != joined[customer]:
            bought = np.append(joined[customer], bought)
        amount = scale[customer] * np.exp(generator.normal(0.0, 0.6, bought.size))
        rows.append(np.stack([np.full(bought.size, customer), bought, amount], axis=1))
    table = np.concatenate(rows)
    at = START + table[:, 1].astype(np.int64) * MICROSECONDS_PER_DAY
    at += generator.integers(8, 20, len(table)) * MICROSECONDS_PER_HOUR
    order = np.argsort(at, kind="stable")
    numbers = np.arange(len(table)).astype(str)
    return pyarrow.table(
        {
            "event_id": numbers,
            "type": np.full(len(table), "purchase"),
            "customer_id": np.char.add("c", table[order, 0].astype(np.int64).astype(str)),
            "occurred_at": pyarrow.array(at[order], pyarrow.timestamp("us", tz="UTC")),
            "amount": np.round(table[order, 2], 2),
            "currency": np.full(len(table), "EUR"),
            "order_id": numbers,
        }
    )


@contextmanager
def seasonal_shop() -> Iterator[DataSet]:
    with tempfile.TemporaryDirectory(prefix="lagniappe-benchmark-") as scratch:
        path = Path(scratch) / "events.parquet"
        pyarrow.parquet.write_table(purchases(), path)
        store = open_store(Path(scratch) / "workspace")
        try:
            ingest_events(store, [path], now=NOW)
            yield DataSet("Simulated autumn shop", store)
        finally:
            store.close()
