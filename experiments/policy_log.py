"""Reading the log that ``evaluate-policy`` is given: Parquet, CSV, JSON lines or arrays, checked column by column."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy import Log
from experiments.off_policy_target import TargetPolicy, with_target
from experiments.policy_log_checks import LogColumns, checked_log
from features.errors import FieldError

LogForm = Literal["lagniappe", "obp"]
REQUIRED = ("reward", "propensity", "target_probability")
OF_CANDIDATES = ("reward", "propensity", "action", "candidates")
"""Required instead where the evaluated policy's probabilities are to be made from the candidates."""
MODEL = ("expected_reward_logged", "expected_reward_target")
TEXTS = ("decision_id", "customer_id", "action", "candidates")
_OF_OPEN_BANDIT_DATASET = {"reward": "click", "propensity": "propensity_score", "action": "item_id"}
"""What our columns are called in the Open Bandit Dataset; those it has no word for are called as here."""
_READERS = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, all_varchar = true)",
    ".jsonl": "read_json(?, format = 'newline_delimited')",
    ".ndjson": "read_json(?, format = 'newline_delimited')",
}


def read_policy_log(
    path: Path, brand: str | None = None, form: LogForm = "lagniappe", target: TargetPolicy | None = None
) -> Log:
    """The log, or of a log with a column ``brand`` the rows of one.

    With ``target`` the evaluated policy's probabilities are made from the column ``candidates``.

    Raises
    ------
    FieldError
        Naming the file, the missing column, or the column and the row that is out of its range.
    """
    if not path.is_file():
        raise FieldError("log", str(path), "a file that exists")
    if form == "obp" and path.suffix.lower() == ".npz":
        from experiments.policy_log_arrays import read_arrays

        return checked_log(read_arrays(path))
    called = _OF_OPEN_BANDIT_DATASET if form == "obp" else {}
    if target is None:
        return checked_log(_read_columns(path, brand, called, REQUIRED))
    return checked_log(with_target(_read_columns(path, brand, called, OF_CANDIDATES), target))


def _read_columns(path: Path, brand: str | None, called: Mapping[str, str], required: Sequence[str]) -> LogColumns:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FieldError("log", str(path), f"a file ending in {', '.join(_READERS)}, or with --form obp in .npz")
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn on standard output
        try:
            return _read(connection, path, reader, brand, called, required)
        except duckdb.Error as error:
            raise FieldError("log", str(path), f"a readable log ({str(error).splitlines()[0]})") from error


def _read(
    connection: Any, path: Path, reader: str, brand: str | None, called: Mapping[str, str], required: Sequence[str]
) -> LogColumns:
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}", [str(path)]).fetchall()]  # noqa: S608 - a constant of ours
    wanted = _wanted(names, called, required)
    brands = "CAST(brand AS VARCHAR)" if "brand" in names else "NULL"
    numbered = f"SELECT row_number() OVER () AS row, {brands} AS brand, {_selected(wanted)} FROM {reader}"  # noqa: S608 - names of the file, quoted
    chosen = [brand] if brand is not None and "brand" in names else []
    query = f"SELECT * FROM ({numbered})" + (" WHERE brand = ?" if chosen else "") + " ORDER BY row"  # noqa: S608 - likewise
    table = connection.execute(query, [str(path), *chosen]).fetchnumpy()

    def text_of(name: str, row: int) -> object:
        column = f"SELECT CAST({_quoted(name)} AS VARCHAR) FROM {reader} LIMIT 1 OFFSET {row - 1}"  # noqa: S608 - likewise
        return _first_of(column, path)

    return LogColumns(
        numbers={name: _numbers(table[name]) for name in wanted if name not in TEXTS},
        texts={name: _texts(table[name]) for name in ("brand", *wanted) if name == "brand" or name in TEXTS},
        row=np.asarray(table["row"], dtype=np.int64),
        called=wanted,
        text_of=text_of,
        notes=_notes(names),
    )


def _first_of(query: str, path: Path) -> object:
    import duckdb

    with duckdb.connect() as connection:
        found: tuple[object, ...] | None = connection.execute(query, [str(path)]).fetchone()
    return None if found is None else found[0]


def _selected(wanted: Mapping[str, str]) -> str:
    kinds = {name: "CAST({} AS VARCHAR)" if name in TEXTS else "TRY_CAST({} AS DOUBLE)" for name in wanted}
    return ", ".join(f"{kinds[ours].format(_quoted(there))} AS {ours}" for ours, there in wanted.items())


def _wanted(names: Sequence[str], called: Mapping[str, str], required: Sequence[str]) -> dict[str, str]:
    """By our name what a column is called in the file, of those that are there."""
    found = {}
    for ours in dict.fromkeys((*required, *REQUIRED, *MODEL, *TEXTS)):
        there = next((name for name in (called.get(ours, ours), ours) if name in names), None)
        if there is None and ours in required:
            expected = f"a column of that name; the log has {', '.join(names)}"
            raise FieldError(called.get(ours, ours), None, expected, "missing")
        if there is not None:
            found[ours] = there
    return found


def _notes(names: Sequence[str]) -> tuple[str, ...]:
    logged, target = MODEL
    if target in names and logged not in names:
        return (f"{target} without {logged}: dr and switch-dr are left out",)
    return ()


def _numbers(column: Any) -> NDArray[np.float64]:
    """What is missing, or no number, is not a number."""
    return np.asarray(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan), dtype=np.float64)


def _texts(column: Any) -> NDArray[np.object_]:
    """Missing is ``None``."""
    texts = np.array(np.ma.getdata(column), dtype=object)
    texts[np.ma.getmaskarray(column)] = None
    return texts


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
