"""What profiles and feature vectors cost, on the Complete Journey: ``python -m benchmarks.features``.

The backfill of all order lines and of twice as many (each belonging to a second customer, too), and the vector of one
customer and of 100,000, each as the median of several rounds.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np

from features.backfill import Whereabouts, aggregate
from features.instant import parse
from features.packing import pack_row, unpack
from features.profiles import Profiles
from features.vector import FEATURES, vector
from training.datasets.complete_journey import write_complete_journey

AS_OF = parse("2018-02-01")
TWICE = "SELECT * FROM once UNION ALL SELECT * REPLACE (customer_id || '-second' AS customer_id) FROM once"
LINES = """
CREATE TABLE once AS SELECT event_id, source, type, customer_id, epoch_us(occurred_at) AS occurred_at, channel,
  product_id, CAST(amount * 10000 AS BIGINT) AS amount, CAST(discount_amount * 10000 AS BIGINT) AS discount_amount,
  order_id, offer_id, properties, NULL::VARCHAR AS message_id,
  NULL::VARCHAR AS decision_id, NULL::BOOLEAN AS machine_open, NULL::VARCHAR AS purpose,
  NULL::BOOLEAN AS "granted", NULL::DOUBLE AS score, NULL::DOUBLE AS points_balance, NULL::BIGINT AS points_expire_at
FROM read_parquet('{path}')
"""


def median_seconds(action: Callable[[], Any], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def backfill(connection: Any, table: str) -> Profiles:
    return aggregate(connection.table(table), Whereabouts(default_timezone="America/New_York"))


def main(rounds: int) -> None:
    connection = ibis.duckdb.connect()
    with tempfile.TemporaryDirectory() as folder:
        files = write_complete_journey(Path(folder))
        connection.raw_sql(LINES.format(path=files.events))
    connection.raw_sql(f"CREATE TABLE twice AS {TWICE}")
    profiles = backfill(connection, "once")
    once = median_seconds(lambda: backfill(connection, "once"), rounds)
    twice = median_seconds(lambda: backfill(connection, "twice"), rounds)
    events = connection.table("once").count().to_pyarrow().as_py()
    print(f"backfill of {events:,} events, {len(profiles):,} customers   {once:6.2f} s   (goal: under 20 s)")
    print(f"backfill of twice as many                         {twice:6.2f} s   ratio {twice / once:.2f} (at most 2.2)")
    packed = [pack_row(profiles, row) for row in range(200)]
    one = unpack("one", packed[0])
    many = profiles.take(np.random.default_rng(0).integers(0, len(profiles), 100_000))
    vector(one, AS_OF)
    micro = median_seconds(lambda: [vector(one, AS_OF) for _ in range(1_000)], rounds) * 1e3
    read = median_seconds(lambda: [unpack("one", data) for data in packed], rounds) * 1e6 / len(packed)
    bulk = median_seconds(lambda: vector(many, AS_OF), rounds)
    print(f"vector of one customer ({len(FEATURES)} features)           {micro:6.1f} µs  (goal: under 150 µs)")
    print(
        f"unpacking one profile                             {read:6.1f} µs  ({np.mean([*map(len, packed)]):,.0f} bytes)"
    )
    print(f"vector of 100,000 customers                       {bulk:6.2f} s   (goal: under 2 s)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
