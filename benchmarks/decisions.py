"""Which offer for whom, beside what people would otherwise do, on real and simulated logs, measured in this run.

``python -m benchmarks.decisions [--data FOLDER] [--only NAME ...] [--json]``

The folder holds ``hillstrom`` (an e-mail test: visits and spend after two mails and none) and ``starbucks`` (offers
drawn evenly, accepted or not, simulated). What is not there is skipped. ``better by`` is the improvement of ours over
the reference; above zero ours is better.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.comparison import Row, Skipped
from benchmarks.decisions_data import logged_offers
from benchmarks.decisions_policies import MARGIN_SHARE, PolicyValue, compare_policies
from benchmarks.decisions_uplift import REPEATS, compare_uplift
from features.presented_terms import Outcome

Finding = Row | PolicyValue | Skipped
Source = Callable[[Path, int], Iterator[Finding]]
"""Of the folder, and how often uplift is cross-validated."""


def visits(folder: Path, repeats: int) -> Iterator[Finding]:
    return compare_uplift("e-mail test, visits", logged_offers(folder / "hillstrom", Outcome.VIEW), repeats)


def spend(folder: Path, repeats: int) -> Iterator[Finding]:
    return compare_uplift("e-mail test, spend", logged_offers(folder / "hillstrom", Outcome.SPEND), repeats)


def rewards(folder: Path, _: int) -> Iterator[Finding]:
    presentations = logged_offers(folder / "starbucks", Outcome.ACCEPTED)
    spend_needed, value = (
        presentations.terms[:, presentations.term_columns.index(name)] for name in ("minimum_spend", "value")
    )
    return compare_policies("ten offers, simulated", presentations, MARGIN_SHARE * spend_needed - value)


SOURCES: dict[str, tuple[str, Source]] = {
    "visits": ("hillstrom", visits),
    "spend": ("hillstrom", spend),
    "rewards": ("starbucks", rewards),
}


def main(arguments: Sequence[str]) -> int:
    asked = _parsed(arguments)
    console, found = Console(width=200, stderr=asked.json), list[Finding]()
    for name in asked.only or SOURCES:
        needed, measured = SOURCES[name]
        started = time.monotonic()
        if asked.data is None or not (asked.data / needed / "events.parquet").exists():
            found.append(Skipped(name, "offer-response", f"no folder {needed} with events.parquet in --data"))
            continue
        found.extend(measured(asked.data, asked.repeats))
        console.print(f"{name}: {time.monotonic() - started:.0f} s")
    if asked.json:
        print(json.dumps([_document(finding) for finding in found], indent=1))
    else:
        _show(found, console)
    return 0


def _show(found: Sequence[Finding], console: Console) -> None:
    table = Table("data", "metric", "reference", "ours", "theirs", "better by (95 %)", "")
    values = Table("data", "metric", "policy", "value", "95 %")
    for each in found:
        if isinstance(each, Row):
            interval = f"{each.ours - each.theirs:+.4g} ({each.low:+.4g} to {each.high:+.4g})"
            numbers = (f"{each.ours:.4g}", f"{each.theirs:.4g}", interval)
            table.add_row(each.data, each.metric, each.reference, *numbers, each.verdict)
        elif isinstance(each, PolicyValue):
            interval = f"{each.low:.4g} to {each.high:.4g}"
            values.add_row(each.data, each.metric, each.policy, f"{each.value:.4g}", interval)
        else:
            console.print(f"skipped: {each.data}: {each.reason}")
    console.print(table)
    console.print(values)


def _document(finding: Finding) -> dict[str, Any]:
    document = {"kind": type(finding).__name__.lower(), **asdict(finding)}
    return document | {"verdict": finding.verdict} if isinstance(finding, Row) else document


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.decisions", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder with hillstrom and starbucks in it")
    parser.add_argument("--only", action="append", default=[], choices=list(SOURCES), help="instead of all")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="times that uplift is cross-validated")
    parser.add_argument("--json", action="store_true", help="one document instead of tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
