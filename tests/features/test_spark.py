"""The aggregation of profiles on Spark; needs ``requirements/spark.txt`` and a Java 17."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from features.backfill import Whereabouts, aggregate
from features.event_fields import LAKE_COLUMNS
from features.events import Event, EventType
from features.facts import UNHEARD
from features.instant import MICROSECONDS_PER_HOUR, parse
from features.lake import row_of_event
from features.money import LARGEST_AMOUNT, MONEY_SCALE
from features.profiles import Profiles
from features.statistics import LARGEST_SUM, OF_CUSTOMER

pyspark_sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: requirements/spark.txt")
HAS_JAVA = shutil.which("java") is not None or "JAVA_HOME" in os.environ
pytestmark = [
    pytest.mark.skipif(not HAS_JAVA, reason="neither java on the path nor JAVA_HOME: Spark needs a Java 17"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),  # PySpark 4.3 with pandas 3
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option"),  # Ibis 12 with pandas 3
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]

START = parse("2016-03-01")
WHEREABOUTS = Whereabouts({"boris-phone": "boris"}, {"anna": "Asia/Kolkata"}, "America/New_York")
TYPES = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_()}


def some_events(count: int, seed: int) -> list[Event]:
    """Events of every type that is heard, half of them purchases, in random order."""
    draw = random.Random(seed)
    kinds = [kind for kind in EventType if kind not in UNHEARD]
    return [
        Event(
            event_id=str(number),
            type=draw.choice([*kinds, *[EventType.PURCHASE] * len(kinds)]),
            customer_id=draw.choice(["anna", "boris", "boris-phone", "вера"]),
            occurred_at=START + draw.randrange(900 * 24 * 4) * MICROSECONDS_PER_HOUR // 4,
            channel=draw.choice([None, "web", "store"]),
            product_id=draw.choice([None, "milk", "bread", "чай"]),
            order_id=draw.choice([None, *(f"o{order}" for order in range(30))]),
            amount=draw.randrange(10**9),
            discount_amount=draw.choice([None, draw.randrange(10**6)]),
            offer_id=draw.choice(["none", "tea", "cake"]),
            decision_id=draw.choice([None, "d1"]),
            machine_open=draw.choice([None, True, False]),
            purpose=draw.choice(["messages", "purchases"]),
            granted=draw.choice([True, False]),
            score=draw.choice([None, 3.0, 9.0]),
            points_balance=draw.choice([None, draw.random() * 1e6]),
            points_expire_at=draw.choice([None, START + draw.randrange(10**15)]),
            properties=draw.choice([None, {"tier": "gold"}, {"tier": "золото"}]),
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    session = pyspark_sql.SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    yield ibis.pyspark.connect(session)
    session.stop()


def on_both(spark: Any, folder: Path, events: list[Event]) -> tuple[Profiles, Profiles]:
    """From Spark and from DuckDB, which agrees with the fold."""
    columns = zip(*map(row_of_event, events), strict=True)
    arrays = [pa.array(column, TYPES[type_]) for column, type_ in zip(columns, LAKE_COLUMNS.values(), strict=True)]
    file = folder / "events.parquet"
    pyarrow.parquet.write_table(pa.table(arrays, names=list(LAKE_COLUMNS)), file)
    engines = spark, ibis.duckdb.connect()
    on_spark, on_duckdb = (aggregate(engine.read_parquet(file), WHEREABOUTS) for engine in engines)
    engines[1].disconnect()
    return on_spark, on_duckdb


def assert_same(one: object, other: object) -> None:
    """Decayed values to 1e-9, all else to the bit."""
    if isinstance(one, np.ndarray) and one.dtype == np.float64:
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=0)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif hasattr(one, "__slots__"):
        for name in one.__slots__:
            assert_same(getattr(one, name), getattr(other, name))
    else:
        assert one == other


def test_spark_aggregates_what_duckdb_does(spark: Any, tmp_path: Path) -> None:
    on_spark, on_duckdb = on_both(spark, tmp_path, some_events(2_000, seed=1))

    assert on_spark.customer_ids == ["anna", "boris", "вера"]
    assert_same(on_spark, on_duckdb)


def test_money_beyond_64_bits_stays_at_the_limit_on_spark_too(spark: Any, tmp_path: Path) -> None:
    amount = LARGEST_AMOUNT * MONEY_SCALE - 1
    line = Event(event_id="", type=EventType.PURCHASE, customer_id="anna", occurred_at=START, amount=amount)
    names = line.__struct_fields__
    lines = [
        Event(**{name: getattr(line, name) for name in names} | {"event_id": str(n), "order_id": "o"})
        for n in range(LARGEST_SUM // amount + 1)
    ]

    on_spark, on_duckdb = on_both(spark, tmp_path, lines)

    total = [statistic.name for statistic in OF_CUSTOMER].index("purchase_amount")
    assert on_spark.integers[0, total] == on_spark.orders.amount[0] == LARGEST_SUM
    assert_same(on_spark, on_duckdb)
