"""Files written anew without what they say of a person; rows of ``others``, which are brands, stay."""

import csv
import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

LONG_ID = 5
"""A shorter id is looked for in columns of customers alone: anywhere else it may well be a number."""
_OF_CUSTOMERS = ("customer_id", "merged_customer_id")


def rewrite_table(file: Path, _others: Collection[str], people: Sequence[str]) -> bool:
    """Parquet that is all of the person's brand; whether anything had to go."""
    import duckdb

    with duckdb.connect() as duck:
        duck.execute("SET enable_progress_bar = false")
        duck.execute("CREATE TABLE gone AS SELECT unnest(?) AS customer_id", [list(people)])
        rows = f"read_parquet('{_quoted(file)}')"
        row: Any = duck.execute(f"SELECT count(*) FROM {rows} WHERE customer_id IN (FROM gone)").fetchone()
        if row[0] == 0:
            return False
        unfinished = _unfinished(file)
        kept = f"SELECT * FROM {rows} WHERE customer_id NOT IN (FROM gone)"
        duck.execute(f"COPY ({kept}) TO '{_quoted(unfinished)}' (FORMAT parquet)")
    _put(unfinished, file)
    return True


def rewrite_csv(file: Path, others: Collection[str], people: Sequence[str]) -> bool:
    """With a line of names first; whether anything had to go."""
    with file.open(encoding="utf-8", newline="") as given:
        rows = list(csv.reader(given))
    head, body = (rows[0], rows[1:]) if rows else ([], [])
    kept = [row for row in body if not _names(dict(zip(head, row, strict=False)), others, people)]
    if len(kept) == len(body):
        return False
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows([head, *kept])
    _replace(file, written.getvalue())
    return True


def rewrite_json_lines(file: Path, others: Collection[str], people: Sequence[str]) -> bool:
    """Whether anything had to go."""
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not _names(_fields(line), others, people)]
    if len(kept) == len(lines):
        return False
    _replace(file, "".join(f"{line}\n" for line in kept))
    return True


REWRITERS: Mapping[str, Callable[[Path, Collection[str], Sequence[str]], bool]] = {
    ".parquet": rewrite_table,
    ".csv": rewrite_csv,
    ".jsonl": rewrite_json_lines,
    ".ndjson": rewrite_json_lines,
}


def _fields(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"line": line}
    return found if isinstance(found, dict) else {"line": line}


def _names(fields: Mapping[str, Any], others: Collection[str], people: Sequence[str]) -> bool:
    """Whether a row names one of them: as a customer, or, if the id is long enough to be one anywhere, at all.

    A row that says it is of one of the ``others`` is of another brand's customer.
    """
    if fields.get("brand") in others:
        return False
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        if name in _OF_CUSTOMERS and text.strip('"') in people:
            return True
        if any(len(one) >= LONG_ID and one in text for one in people):
            return True
    return False


def _replace(file: Path, text: str) -> None:
    unfinished = _unfinished(file)
    unfinished.write_text(text, encoding="utf-8")
    _put(unfinished, file)


def _put(unfinished: Path, file: Path) -> None:
    shutil.copymode(file, unfinished)
    unfinished.replace(file)


def _unfinished(file: Path) -> Path:
    return file.with_name(f".{file.name}.unfinished")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
