"""The simulated world beside a real data set, and how fast it lives: ``python -m benchmarks.simulated_world``.

Complete Journey: 2,469 households, the year 2017, their times as the demo has them.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection, connect

from experiments.world import begin, live_through, make_world, present
from experiments.world_baskets import make_baskets
from experiments.world_events import Decisions, make_narrator
from experiments.world_terms import WorldTerms
from training.datasets.complete_journey import write_complete_journey

_LINES = """
SELECT order_id, any_value(customer_id) AS customer_id, min(occurred_at) AS happened_at, sum(amount) AS amount,
    count(*) AS lines FROM events WHERE type = 'purchase' GROUP BY order_id
"""
_MARGINS = """
WITH gaps AS (
    SELECT epoch(happened_at - lag(happened_at) OVER (PARTITION BY customer_id ORDER BY happened_at)) / 86400 AS gap
    FROM orders
), rates AS (SELECT count(*) / {days} AS rate FROM orders GROUP BY customer_id)
SELECT quantile_cont(lines, [0.1, 0.25, 0.5, 0.75, 0.9]), avg(lines) FROM orders
UNION ALL SELECT quantile_cont(amount, [0.1, 0.25, 0.5, 0.75, 0.9]), avg(amount) FROM orders
UNION ALL SELECT quantile_cont(gap, [0.1, 0.25, 0.5, 0.75, 0.9]), avg(gap) FROM gaps WHERE gap > 0.5
UNION ALL SELECT quantile_cont(rate, [0.1, 0.25, 0.5, 0.75, 0.9]), avg(rate) FROM rates
"""
_NAMES = ("lines of an order", "spend of an order", "days between orders", "orders a day")


def lived(customers: int, days: int, seed: int, *, is_kept: bool) -> tuple[list[pa.Table], int, float]:
    """The events of a world in which offers are made at random, how many there were, and the seconds that it took."""
    world = make_world(WorldTerms(), customers, seed)
    state, narrator, tables = begin(world), make_narrator(world, make_baskets(world)), []
    events = 0
    chance, started = np.random.default_rng(seed), time.perf_counter()
    for day in range(days):
        who = world.decided_on(day)
        offers = chance.integers(-1, len(world.terms.offers), len(who))
        present(world, state, day, who, offers)
        happened = live_through(world, state, day)
        told = narrator.tell(day, Decisions(who, offers, np.full(len(who), 0.2)), happened)
        events += len(told)
        if is_kept:
            tables.append(told)
    return tables, events, time.perf_counter() - started


def compare(connection: DuckDBPyConnection, name: str, days: int) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE orders AS {_LINES}")
    rows = connection.execute(_MARGINS.format(days=days)).fetchall()
    for what, (quantiles, mean) in zip(_NAMES, rows, strict=True):
        print(f"| {what} | {name} | {' | '.join(f'{one:.3g}' for one in quantiles)} | {mean:.3g} |")
    shares = connection.execute("SELECT isodow(happened_at), count(*) FROM orders GROUP BY 1 ORDER BY 1").fetchall()
    total = sum(count for _, count in shares)
    print(f"{name}, share of orders by weekday: {' '.join(f'{count / total:.3f}' for _, count in shares)}")
    hours = dict(connection.execute("SELECT hour(happened_at) // 4, count(*) FROM orders GROUP BY 1").fetchall())
    print(f"{name}, share of orders by four hours: {' '.join(f'{hours.get(one, 0) / total:.3f}' for one in range(6))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2_469)
    parser.add_argument("--days", type=int, default=364)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-time", action="store_true", help="do not compare, only live")
    given = parser.parse_args()
    if given.only_time:
        _, events, seconds = lived(given.customers, given.days, given.seed, is_kept=False)
        print(f"{given.customers:,} customers, {given.days} days, {events:,} events: {seconds:.1f} s")
        return
    tables, _, _ = lived(given.customers, given.days, given.seed, is_kept=True)
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        events = pa.concat_tables(tables)
        connection.register("events", events)
        compare(connection, "simulated", given.days)
        connection.unregister("events")
        files = write_complete_journey(Path(folder))
        connection.execute(f"CREATE VIEW events AS SELECT * FROM read_parquet('{files.events}')")
        compare(connection, "real", 365)


if __name__ == "__main__":
    main()
