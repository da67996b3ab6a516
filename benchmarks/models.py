"""Our models beside what people would otherwise use, on real data, every figure measured in this run.

``python -m benchmarks.models [--data FOLDER ...] [--only DATA ...] [--model NAME ...] [--last]``

A folder holds files in the form that ``ingest`` takes, or baskets (history.parquet and future.parquet).

Each model is trained at several past cutoffs as ``train --as-of`` would have trained it then, and measured on the
horizon after. Of each data set the newest cutoff is kept aside until ``--last`` asks for it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.basket_files import cases_of_baskets, is_basket_folder
from benchmarks.cases import Case, cases_of
from benchmarks.churn import compare_churn
from benchmarks.comparison import Bound, Finding, Row, Skipped
from benchmarks.datasets import DataSet, NoDataError, cdnow, complete_journey, contract_folder
from benchmarks.favourite_product import compare_favourites
from benchmarks.lifetime_value import compare_lifetime_value
from benchmarks.send_time import compare_send_time, compare_simulated
from benchmarks.simulated_sends import WORLDS
from benchmarks.simulated_shop import seasonal_shop

HORIZONS_DAYS = (30, 90, 365)
CUTOFFS = 4
MODELS = ("churn", "lifetime-value", "favourite-product", "send-time")
OF_EVERY_HORIZON = ("churn", "lifetime-value")
"""What is next bought, and at which hour, is asked with the first horizon only."""
SEEDS_OF_SENDS = (0, 1, 2)
SENDS = "simulated-sends"


def main(arguments: Sequence[str]) -> int:
    asked = _parsed(arguments)
    found: list[Finding] = []
    console = Console(width=180)
    for name, measured in _sources(asked).items():
        started = time.monotonic()
        try:
            found.extend(measured())
        except NoDataError as error:
            found.append(Skipped(name, "all", str(error)))
        console.print(f"{name}: {time.monotonic() - started:.0f} s")
    show(found, console, is_every_cutoff=asked.every_cutoff)
    if asked.json:
        Path(asked.json).write_text(json.dumps([_document(finding) for finding in found], indent=1), encoding="utf-8")
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.models", description=__doc__)
    parser.add_argument("--data", action="append", type=Path, default=[], help="a folder of files to measure on too")
    parser.add_argument("--only", action="append", default=[], help="data sets by name, instead of all")
    parser.add_argument("--model", action="append", default=[], choices=MODELS, help="instead of all")
    parser.add_argument("--horizon-days", action="append", type=int, default=[], help="instead of 30, 90 and 365")
    parser.add_argument("--cutoffs", type=int, default=CUTOFFS)
    parser.add_argument("--last", action="store_true", help="on the newest cutoff only, which is else kept aside")
    parser.add_argument("--every-cutoff", action="store_true", help="also the rows of single cutoffs, not only pooled")
    parser.add_argument("--json", help="also write every finding to this file")
    return parser.parse_args(arguments)


def _sources(asked: argparse.Namespace) -> dict[str, Callable[[], list[Finding]]]:
    """By name, what measures all that is asked for on some data."""
    known: dict[str, Callable[[], list[Finding]]] = {
        name: partial(_measured, opened, asked)
        for name, opened in (("complete-journey", complete_journey), ("cdnow", cdnow), ("seasonal-shop", seasonal_shop))
    }
    known[SENDS] = partial(_simulated_sends, asked)
    for path in asked.data:
        known[path.name] = partial(_baskets if is_basket_folder(path) else _folder, path, asked)
    return {name: measured for name, measured in known.items() if not asked.only or name in asked.only}


def _measured(opened: Callable[[], AbstractContextManager[DataSet]], asked: argparse.Namespace) -> list[Finding]:
    with opened() as data:
        return list(_findings(data, asked))


def _folder(path: Path, asked: argparse.Namespace) -> list[Finding]:
    return _measured(partial(contract_folder, path), asked)


def _baskets(path: Path, asked: argparse.Namespace) -> list[Finding]:
    if not _is_wanted("favourite-product", asked):
        return []
    return list(compare_favourites(list(cases_of_baskets(path))))


def _simulated_sends(asked: argparse.Namespace) -> list[Finding]:
    if not _is_wanted("send-time", asked):
        return []
    return [finding for seed in SEEDS_OF_SENDS for world in WORLDS for finding in compare_simulated(seed, world)]


def _is_wanted(model: str, asked: argparse.Namespace) -> bool:
    return not asked.model or model in asked.model


def _findings(data: DataSet, asked: argparse.Namespace) -> Iterator[Finding]:
    for number, days in enumerate(asked.horizon_days or HORIZONS_DAYS):
        wanted = [model for model in MODELS if _is_wanted(model, asked) and (number == 0 or model in OF_EVERY_HORIZON)]
        if not wanted:
            continue
        name = f"{data.name}, {days} days"
        cases = list(cases_of(data.store, name, data.brand, days, asked.cutoffs, is_last=asked.last))
        if not cases:
            yield Skipped(name, "all", "the history is too short for a horizon to learn from and a later one")
        for model in wanted if cases else ():
            yield from _compared(model, cases, data)


def _compared(model: str, cases: Sequence[Case], data: DataSet) -> Iterator[Finding]:
    if model == "churn":
        return compare_churn(cases)
    if model == "lifetime-value":
        return compare_lifetime_value(cases)
    if model == "favourite-product":
        return compare_favourites(cases, data.store, data.brand)
    return compare_send_time(cases)


def show(found: Sequence[Finding], console: Console, *, is_every_cutoff: bool) -> None:
    rows = [finding for finding in found if isinstance(finding, Row)]
    single = {key for key, count in _counts(rows).items() if count == 1}
    table = Table("data", "model", "metric", "cutoff", "reference", "ours", "theirs", "ratio", "better by (95 %)", "")
    for row in rows:
        if is_every_cutoff or row.cutoff == "pooled" or _key(row) in single or row.verdict == "worse":
            interval = f"{row.low:+.4g} to {row.high:+.4g}"
            numbers = (f"{row.ours:.4g}", f"{row.theirs:.4g}", f"{row.ratio:.3f}", interval)
            table.add_row(row.data, row.model, row.metric, row.cutoff, row.reference, *numbers, row.verdict)
    console.print(table)
    limits = Table("data", "model", "metric", "cutoff", "ours", "from", "to", "holds", "note")
    for bound in (finding for finding in found if isinstance(finding, Bound)):
        numbers = (f"{bound.ours:.4g}", f"{bound.least:.4g}", f"{bound.most:.4g}", "yes" if bound.holds else "NO")
        limits.add_row(bound.data, bound.model, bound.metric, bound.cutoff, *numbers, bound.note)
    console.print(limits)
    for skipped in (finding for finding in found if isinstance(finding, Skipped)):
        console.print(f"skipped: {skipped.data}, {skipped.model}: {skipped.reason}")


def _key(row: Row) -> tuple[str, ...]:
    return row.data, row.model, row.metric, row.reference


def _counts(rows: Sequence[Row]) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for row in rows:
        counts[_key(row)] = counts.get(_key(row), 0) + 1
    return counts


def _document(finding: Finding) -> dict[str, Any]:
    document = {"kind": type(finding).__name__.lower(), **asdict(finding)}
    if isinstance(finding, Row):
        document |= {"ratio": finding.ratio, "verdict": finding.verdict}
    return document


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
