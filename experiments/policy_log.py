"""Reading the log that ``evaluate-policy`` is given: Parquet, CSV or JSON lines, checked column by column."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy import Log
from features.errors import FieldError

_REQUIRED = ("reward", "propensity", "target_probability")
_MODEL = ("expected_reward_logged", "expected_reward_target")
_READERS = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, all_varchar = true)",
    ".jsonl": "read_json(?, format = 'newline_delimited')",
    ".ndjson": "read_json(?, format = 'newline_delimited')",
}


def read_policy_log(path: Path, brand: str | None = None) -> Log:
    """The log, or of a log with a column ``brand`` the rows of one.

    Raises
    ------
    FieldError
        Naming the file, the missing column, or the column and the row that is out of its range.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FieldError("log", str(path), f"a file ending in {', '.join(_READERS)}")
    if not path.is_file():
        raise FieldError("log", str(path), "a file that exists")
    columns = _read_columns(path, reader, brand)
    _require_between("propensity", columns["propensity"], lowest_excluded=True)
    _require_between("target_probability", columns["target_probability"], lowest_excluded=False)
    return Log(**columns)


def _read_columns(path: Path, reader: str, brand: str | None) -> dict[str, NDArray[np.float64]]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")  # it would be drawn on standard output
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {reader}", [str(path)]).fetchall()  # noqa: S608 - a constant of ours
            names = [row[0] for row in described]
            wanted = _wanted(names)
            casts = ", ".join(f"try_cast({name} AS DOUBLE) AS {name}" for name in wanted)
            chosen = brand if "brand" in names else None
            rows = f"SELECT {casts} FROM {reader}" + ("" if chosen is None else " WHERE brand = ?")  # noqa: S608 - likewise
            table = connection.execute(rows, [str(path)] if chosen is None else [str(path), chosen]).fetchnumpy()
        except duckdb.Error as error:
            raise FieldError("log", str(path), f"a readable log ({str(error).splitlines()[0]})") from error
    columns = {name: np.ma.filled(np.ma.asarray(table[name], dtype=np.float64), np.nan) for name in wanted}
    for name, column in columns.items():
        _require(name, column, np.isfinite(column), "a number")
    return columns


def _wanted(names: list[str]) -> tuple[str, ...]:
    for name in _REQUIRED:
        if name not in names:
            raise FieldError(name, None, f"a column of that name; the log has {', '.join(names)}", "missing")
    return _REQUIRED + (_MODEL if all(name in names for name in _MODEL) else ())


def _require_between(name: str, column: NDArray[np.float64], *, lowest_excluded: bool) -> None:
    above = column > 0 if lowest_excluded else column >= 0
    _require(name, column, above & (column <= 1), "a probability in (0, 1]" if lowest_excluded else "one in [0, 1]")


def _require(name: str, column: NDArray[np.float64], holds: NDArray[np.bool_], expected: str) -> None:
    if not holds.all():
        row = int((~holds).argmax())
        raise FieldError(f"{name} (row {row + 1})", float(column[row]), expected)
