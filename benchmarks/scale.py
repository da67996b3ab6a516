"""How long a large history takes: ``python -m benchmarks.scale [--customers N] [--events M] [--workspace DIR]``.

A history is generated, taken in, all models are trained on it, lifetime value once more alone, and every customer is
scored, each by the command that a user would call; seconds, rates, and the peak of memory are printed. Memory is what
the command's processes hold resident, sampled every half second.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from benchmarks.demo import SAMPLE_SECONDS, family, memory
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse, to_iso

Integers = NDArray[np.int64]
START = parse("2024-01-01")
DAYS = 540
PRODUCTS = 5_000
LINES_PER_ORDER = 4
EVENTS_A_FILE = 5_000_000
MOST_TRAINING_SECONDS = 20 * 60
MOST_LIFETIME_VALUE_SECONDS = 5 * 60
MOST_BYTES = 12 * 2**30
FEWEST_CUSTOMERS_A_SECOND = 20_000


def history(folder: Path, customers: int, events: int, seed: int = 0) -> list[Path]:
    """Files of purchases: customers of unlike rates who come and go, products of unlike popularity and habit."""
    generator = np.random.default_rng(seed)
    rate = generator.gamma(0.7, 1.0, customers)
    joined = np.where(generator.random(customers) < 0.5, 0, generator.integers(0, DAYS, customers))
    ends = np.minimum(joined + generator.exponential(500.0, customers), DAYS)
    weight = rate * (ends - joined)
    chance = weight / weight.sum()
    popular = 1.0 / np.arange(1, PRODUCTS + 1) ** 0.8
    favourites = generator.choice(PRODUCTS, (customers, 6), p=popular / popular.sum()).astype(np.int16)
    files = []
    for number, count in enumerate(_parts(events)):
        orders = count // LINES_PER_ORDER
        buyer = np.repeat(generator.choice(customers, orders, p=chance), LINES_PER_ORDER)
        day = joined[buyer] + np.repeat(generator.random(orders), LINES_PER_ORDER) * (ends[buyer] - joined[buyer])
        hour = np.repeat(generator.normal(15.0, 3.0, orders).clip(7, 22).astype(np.int64), LINES_PER_ORDER)
        at = START + day.astype(np.int64) * MICROSECONDS_PER_DAY + hour * MICROSECONDS_PER_HOUR
        usual = favourites[buyer, generator.integers(0, 6, len(buyer))]
        product = np.where(generator.random(len(buyer)) < 0.6, usual, generator.integers(0, PRODUCTS, len(buyer)))
        path = folder / f"events-{number:03}.parquet"
        order = np.repeat(np.arange(orders) + number * EVENTS_A_FILE, LINES_PER_ORDER)
        pyarrow.parquet.write_table(_table(number, buyer, at, product, order, generator), path)
        files.append(path)
    return files


def _parts(events: int) -> Iterator[int]:
    for start in range(0, events, EVENTS_A_FILE):
        yield min(EVENTS_A_FILE, events - start)


def _table(
    number: int, buyer: Integers, at: Integers, product: Integers, order: Integers, generator: np.random.Generator
) -> pyarrow.Table:
    text = pyarrow.string()
    rows = len(buyer)
    amount = np.round(np.exp(generator.normal(1.5, 0.7, rows)) + 0.01, 2)
    return pyarrow.table(
        {
            "event_id": pyarrow.array(np.arange(rows) + number * EVENTS_A_FILE).cast(text),
            "type": pyarrow.array(["purchase"]).dictionary_encode().take(pyarrow.array(np.zeros(rows, np.int8))),
            "customer_id": pyarrow.array(buyer).cast(text),
            "occurred_at": pyarrow.array(at, pyarrow.timestamp("us", tz="UTC")),
            "product_id": pyarrow.array(product).cast(text),
            "order_id": pyarrow.array(order).cast(text),
            "amount": amount,
            "currency": pyarrow.array(["EUR"]).dictionary_encode().take(pyarrow.array(np.zeros(rows, np.int8))),
        }
    )


def measured(name: str, *arguments: str) -> tuple[float, int]:
    """(seconds, peak bytes) of one verb; its exit must be 0."""
    started, peak = time.monotonic(), 0
    with subprocess.Popen([sys.executable, "-m", "lagniappe", *arguments], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(memory(member)[0] for member in family(process.pid)))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise SystemExit(f"{name} failed with {process.returncode}")
    seconds = time.monotonic() - started
    print(f"{name}: {seconds:.0f} s, peak {peak / 2**30:.2f} GiB", flush=True)
    return seconds, peak


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--workspace", type=Path, help="keep it there; one that is there already is not filled again")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lagniappe-scale-") as scratch:
        workspace = asked.workspace or Path(scratch) / "workspace"
        where = ("--workspace", str(workspace))
        if not workspace.exists():
            files = history(Path(scratch), asked.customers, asked.events)
            seconds, _ = measured("ingest", "ingest", "events", *map(str, files), *where)
            print(f"  {asked.events / seconds:,.0f} events a second")
        trained, peak = measured("train all", "train", "all", *where)
        alone, _ = measured("train lifetime-value", "train", "lifetime-value", *where)
        end = to_iso(START + DAYS * MICROSECONDS_PER_DAY)
        out = Path(scratch) / "scores.parquet"
        measured("first score, which compiles", "score", "--as-of", end, "--out", str(out), *where)
        scored, _ = measured("score", "score", "--as-of", end, "--out", str(out), *where)
        rate = pyarrow.parquet.read_metadata(out).num_rows / scored
    reached = {
        f"train all within {MOST_TRAINING_SECONDS} s": trained <= MOST_TRAINING_SECONDS,
        f"train all within {MOST_BYTES / 2**30:.0f} GiB": peak <= MOST_BYTES,
        f"lifetime value within {MOST_LIFETIME_VALUE_SECONDS} s": alone <= MOST_LIFETIME_VALUE_SECONDS,
        f"{rate:,.0f} customers scored a second, at least {FEWEST_CUSTOMERS_A_SECOND:,}": (
            rate >= FEWEST_CUSTOMERS_A_SECOND
        ),
    }
    for goal, is_reached in reached.items():
        print(f"{'reached' if is_reached else 'NOT REACHED'}: {goal}")
    return int(not all(reached.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
