"""What must hold of a log of decisions before anything is estimated from it; each complaint names column and row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.off_policy import Log
from features.errors import FieldError

Vector = NDArray[np.float64]

LARGEST_REWARD = 1e100
LEAST_PROPENSITY = 1e-100
"""Beyond these, squares of what is weighted are no numbers any more."""


@dataclass(frozen=True, slots=True)
class LogColumns:
    """What was read, by our names for the columns; a number that is missing or none is not a number (NaN).

    ``row`` is each row's number in the file, from 1; ``called`` the columns' names there; ``text_of`` gives what stands
    in a column of the file at a row.
    """

    numbers: Mapping[str, Vector]
    texts: Mapping[str, NDArray[np.object_]]
    row: NDArray[np.int64]
    called: Mapping[str, str]
    text_of: Callable[[str, int], object]
    notes: tuple[str, ...] = ()

    def refuse(self, name: str, at: int, expected: str) -> FieldError:
        """The complaint about a column at one place."""
        row, called = int(self.row[at]), self.called.get(name, name)
        value = self.text_of(called, row) if name in self.called else float(self.numbers[name][at])
        code = "missing" if value is None else "invalid"
        return FieldError(f"{called} (row {row})", _as_number(value), expected, code)


def checked_log(columns: LogColumns) -> Log:
    """The log of these columns, each decision counted once.

    Raises
    ------
    FieldError
    """
    for name, column in columns.numbers.items():
        _require(columns, name, np.isfinite(column) & (np.abs(column) <= LARGEST_REWARD), _expected(name))
    propensity, target = columns.numbers["propensity"], columns.numbers["target_probability"]
    _require(columns, "propensity", (propensity >= LEAST_PROPENSITY) & (propensity <= 1), _expected("propensity"))
    _require(columns, "target_probability", (target >= 0) & (target <= 1), _expected("target_probability"))
    kept, notes = _once_each(columns)
    numbers = {name: column[kept] for name, column in columns.numbers.items()}
    names = {
        name: columns.texts[name][kept] for name in ("action", "decision_id", "customer_id") if name in columns.texts
    }
    return Log(
        numbers["reward"],
        numbers["propensity"],
        numbers["target_probability"],
        numbers.get("expected_reward_logged"),
        numbers.get("expected_reward_target"),
        names.get("action"),
        names.get("decision_id"),
        (*columns.notes, *notes),
        names.get("customer_id"),
    )


def _expected(name: str) -> str:
    known = {"propensity": "a probability in (0, 1]", "target_probability": "a probability in [0, 1]"}
    return known.get(name, "a finite number")


def _require(columns: LogColumns, name: str, holds: NDArray[np.bool_], expected: str) -> None:
    if not holds.all():
        raise columns.refuse(name, int((~holds).argmax()), expected)


def _once_each(columns: LogColumns) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Places of the rows that count: a decision that stands there twice with the same content counts once."""
    rows = len(columns.row)
    if "decision_id" not in columns.texts:
        return np.arange(rows), ()
    ids, first = columns.texts["decision_id"], np.arange(rows)
    brands = columns.texts.get("brand", np.full(rows, None, dtype=object))
    seen: dict[tuple[object, object], int] = {}
    for at, key in enumerate(zip(brands.tolist(), ids.tolist(), strict=True)):
        if key[1] is not None:
            first[at] = seen.setdefault(key, at)
    again = np.flatnonzero(first != np.arange(rows))
    for name, column in (*columns.numbers.items(), *columns.texts.items()):
        differs = again[column[again] != column[first[again]]]
        if len(differs):
            _refuse_conflict(columns, int(differs[0]), int(first[differs[0]]), name)
    notes = () if not len(again) else (f"{len(again)} rows stand there twice and were counted once",)
    return np.flatnonzero(first == np.arange(rows)), notes


def _refuse_conflict(columns: LogColumns, at: int, first: int, name: str) -> None:
    row, former = int(columns.row[at]), int(columns.row[first])
    expected = (
        f"each decision once, or again with the same content; "
        f"row {former} of this decision has another {columns.called.get(name, name)}"
    )
    called = columns.called.get("decision_id", "decision_id")
    raise FieldError(f"{called} (row {row})", columns.texts["decision_id"][at], expected, "conflict")


def _as_number(value: object) -> object:
    """A number where the text is one, so that a complaint shows 1.5 and not '1.5'."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
