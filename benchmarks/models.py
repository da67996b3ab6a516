"""Our models beside what people would otherwise use, on real data, every figure measured in this run.

``python -m benchmarks.models [--data FOLDER ...] [--model NAME ...] [--last]``

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
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cases import Case, cases_of
from benchmarks.churn import compare_churn
from benchmarks.comparison import Bound, Finding, Row, Skipped
from benchmarks.datasets import DataSet, NoDataError, cdnow, complete_journey, contract_folder
from benchmarks.lifetime_value import compare_lifetime_value

HORIZONS_DAYS = (30, 90)
CUTOFFS = 4
COMPARISONS: dict[str, Callable[[Sequence[Case]], Iterator[Finding]]] = {
    "churn": compare_churn,
    "lifetime-value": compare_lifetime_value,
}


def main(arguments: Sequence[str]) -> int:
    asked = _parsed(arguments)
    found: list[Finding] = []
    console = Console(width=180)
    for name, opened in _data(asked).items():
        started = time.monotonic()
        try:
            with opened as data:
                found.extend(_findings(data, asked))
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
    parser.add_argument("--model", action="append", default=[], choices=list(COMPARISONS), help="instead of all")
    parser.add_argument("--horizon-days", action="append", type=int, default=[], help="instead of 30 and 90")
    parser.add_argument("--cutoffs", type=int, default=CUTOFFS)
    parser.add_argument("--last", action="store_true", help="on the newest cutoff only, which is else kept aside")
    parser.add_argument("--every-cutoff", action="store_true", help="also the rows of single cutoffs, not only pooled")
    parser.add_argument("--json", help="also write every finding to this file")
    return parser.parse_args(arguments)


def _data(asked: argparse.Namespace) -> dict[str, AbstractContextManager[DataSet]]:
    known = {"complete-journey": complete_journey(), "cdnow": cdnow()}
    known |= {path.name: contract_folder(path) for path in asked.data}
    return {name: opened for name, opened in known.items() if not asked.only or name in asked.only}


def _findings(data: DataSet, asked: argparse.Namespace) -> Iterator[Finding]:
    for days in asked.horizon_days or HORIZONS_DAYS:
        name = f"{data.name}, {days} days"
        cases = list(cases_of(data.store, name, data.brand, days, asked.cutoffs, is_last=asked.last))
        if not cases:
            yield Skipped(name, "all", "the history is too short for that horizon")
            continue
        for model, comparison in COMPARISONS.items():
            if not asked.model or model in asked.model:
                yield from comparison(cases)


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
