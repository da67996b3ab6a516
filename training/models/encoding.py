"""Words and numbers by name as columns for trees: numbers as they are, of words a column for each that is common."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

Word = float | str | bool | None
Words = Mapping[str, Word]

MOST_WORDS = 24
"""Columns for one name; rarer words are all alike."""
FEWEST_OF_WORD = 2


class Encoding(msgspec.Struct, frozen=True):
    """``numbers`` are the names that are numbers everywhere, ``words`` holds of the others which have a column."""

    numbers: tuple[str, ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, rows: Sequence[Words]) -> "Encoding":
        """An encoding of all names that tell any two of the rows apart."""
        values: dict[str, list[float | str]] = {}
        for row in rows:
            for name, word in row.items():
                if (value := _plain(word)) is not None:
                    values.setdefault(name, []).append(value)
        numbers, words = [], []
        for name, known in sorted(values.items()):
            if len(known) == len(rows) and len(set(known)) == 1:
                continue
            if all(isinstance(value, float) for value in known):
                numbers.append(name)
                continue
            counted = Counter(map(str, known)).most_common(MOST_WORDS)
            if common := sorted(word for word, count in counted if count >= FEWEST_OF_WORD or len(rows) < MOST_WORDS):
                words.append((name, tuple(common)))
        return cls(tuple(numbers), tuple(words))

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.numbers, *(f"{name} = {word}" for name, words in self.words for word in words))

    def encode(self, rows: Sequence[Words]) -> NDArray[np.float64]:
        """(len(rows), len(columns)); NaN where a name is not there or is no number."""
        return np.array([self._row(row) for row in rows], dtype=np.float64).reshape(len(rows), len(self.columns))

    def _row(self, row: Words) -> list[float]:
        found: list[float] = []
        for name in self.numbers:
            value = _plain(row.get(name))
            found.append(value if isinstance(value, float) else np.nan)
        for name, words in self.words:
            value = _plain(row.get(name))
            found += [np.nan] * len(words) if value is None else [float(str(value) == word) for word in words]
        return found


def _plain(word: object) -> float | str | None:
    """A number also of a text that is one; nothing of what is neither.

    >>> _plain("12"), _plain(True), _plain("gold"), _plain(float("nan"))
    (12.0, 1.0, 'gold', None)
    """
    if isinstance(word, bool | int | float):
        return float(word) if isfinite(word) else None
    if not isinstance(word, str) or not word.strip():
        return None
    try:
        number = float(word)
    except ValueError:
        return word.strip()
    return number if isfinite(number) else None
