"""What customers have many of, as columns: orders, products, hours, messages, channels, contacts.

In every table the rows of customer ``i`` are ``offsets[i]:offsets[i + 1]``.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.id_table import Ids, IdTable

Integers = NDArray[np.int64]
CONTACT_FACETS = ("offer_presented", "offer_accepted", "offer_declined", "offer_expired")
_NO_NUMBERS = np.empty(0, dtype=np.int64)
_ZERO = np.zeros(1, dtype=np.int64)


class Orders(Struct, frozen=True, gc=False):
    """Orders with at least one line that stands, by first time within each customer.

    ``amount`` and ``refunded`` are money (ten-thousandths), ``hour`` is the local hour of the week of ``first_at``.
    """

    offsets: Integers
    key: NDArray[np.uint64]
    first_at: Integers
    amount: Integers
    lines: Integers
    refunded: Integers
    hour: NDArray[np.uint8]


class Remnants(Struct, frozen=True, gc=False):
    """Orders known only from a refund or a cancellation."""

    offsets: Integers
    key: NDArray[np.uint64]
    refunded: Integers
    cancellations: Integers


class Products(Struct, frozen=True, gc=False):
    """What each customer bought, by id; ``code`` points into ``vocabulary``.

    ``decayed`` counts lines with a half-life of 90 days at ``last_at`` (not at any common instant).
    """

    offsets: Integers
    code: NDArray[np.int32]
    lines: Integers
    amount: Integers
    last_at: Integers
    decayed: NDArray[np.float64]
    vocabulary: Sequence[str]

    def numbers_in(self, table: IdTable) -> Integers:
        """The number that the table has for each product of each customer, -1 where it has none."""
        numbers = table.of(self.vocabulary)
        return numbers[self.code] if numbers.size else _NO_NUMBERS


class Hours(Struct, frozen=True, gc=False):
    """How often a customer was active, and was written to, by local hour of the week."""

    offsets: Integers
    hour: NDArray[np.uint8]
    engaged: Integers
    sent: Integers


class Messages(Struct, frozen=True, gc=False):
    """Messages with an id, by time of sending; ``code`` points into ``vocabulary``: the channel, "" if it is unknown.

    ``sent_at`` and ``answered_at`` (the first opening by a human, or click) are ``NEVER_FIRST`` where nothing is known
    of it; ``hour`` is the local hour of the week of ``sent_at``.
    """

    offsets: Integers
    key: NDArray[np.uint64]
    sent_at: Integers
    answered_at: Integers
    hour: NDArray[np.uint8]
    code: NDArray[np.int32]
    vocabulary: Sequence[str]


class Channels(Struct, frozen=True, gc=False):
    offsets: Integers
    code: NDArray[np.int32]
    sent: Integers
    responses: Integers
    purchase_lines: Integers
    vocabulary: Sequence[str]


class Contacts(Struct, frozen=True, gc=False):
    """Presentations, acceptances, refusals and expiries of offers, by time; ``facet`` indexes ``CONTACT_FACETS``."""

    offsets: Integers
    code: NDArray[np.int32]
    facet: NDArray[np.uint8]
    at: Integers
    is_own_decision: NDArray[np.bool_]
    count: Integers
    vocabulary: Sequence[str]


Ragged = TypeVar("Ragged", Orders, Remnants, Products, Hours, Messages, Channels, Contacts)
_KINDS = (Orders, Remnants, Products, Hours, Messages, Channels, Contacts)
_WITH_VOCABULARY = (Products, Messages, Channels, Contacts)
_ARRAYS = {
    kind: attrgetter(*[name for name in kind.__struct_fields__ if name not in ("offsets", "vocabulary")])
    for kind in _KINDS
}
"""Gives the columns of a table in the order of its fields."""
_JOINED_AS_THEY_ARE = {
    kind: [name for name in kind.__struct_fields__ if name not in ("offsets", "vocabulary", "code")] for kind in _KINDS
}
"""Columns that mean the same in every table; a code does only beside its vocabulary."""


def ranges(starts: Integers, lengths: Integers) -> Integers:
    """The numbers of several ranges, one after the other.

    >>> ranges(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    positions: Integers = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions


def take_rows(table: Ragged, rows: Integers) -> Ragged:
    """The rows of the customers at those positions; the vocabulary stays whole."""
    lengths = np.diff(table.offsets)[rows]
    return _at(table, offsets_of(lengths), ranges(table.offsets[:-1][rows], lengths))


def without_rows_of(table: Ragged, is_left_out: NDArray[np.bool_]) -> Ragged:
    """The same customers, with nothing of those who are left out."""
    lengths = np.where(is_left_out, 0, np.diff(table.offsets))
    return _at(table, offsets_of(lengths), ranges(table.offsets[:-1], lengths))


def _at(table: Ragged, offsets: Integers, positions: Integers) -> Ragged:
    return _like(table, offsets, [column[positions] for column in _ARRAYS[type(table)](table)])


def rows_of_one(table: Ragged, row: int) -> Ragged:
    """The table of the customer at that position alone: a view."""
    start, end = table.offsets[row : row + 2].tolist()
    return _like(table, _offsets_of_one(end - start), [column[start:end] for column in _ARRAYS[type(table)](table)])


def _like(table: Ragged, offsets: Integers, columns: Sequence[NDArray[Any]]) -> Ragged:
    """A table of the columns, in the order of the fields, with the vocabulary of another."""
    make: Any = type(table)
    like: Any = table
    made: Ragged = make(offsets, *columns, *((like.vocabulary,) if isinstance(table, _WITH_VOCABULARY) else ()))
    return made


@lru_cache(maxsize=4096)
def _offsets_of_one(length: int) -> Integers:
    return np.array([0, length], dtype=np.int64)


def offsets_of(lengths: Integers) -> Integers:
    """
    >>> offsets_of(np.array([2, 0, 1]))
    array([0, 2, 2, 3])
    """
    return np.concatenate([_ZERO, np.cumsum(lengths, dtype=np.int64)])


def joined(tables: Sequence[Ragged]) -> Ragged:
    """One table of all customers, with a common vocabulary, in which one id may have several codes."""
    kind: Any = type(tables[0])
    columns = {name: np.concatenate([getattr(table, name) for table in tables]) for name in _JOINED_AS_THEY_ARE[kind]}
    offsets = _joined_offsets([table.offsets for table in tables])
    if kind not in _WITH_VOCABULARY:
        plain: Ragged = kind(offsets=offsets, **columns)
        return plain
    coded: Sequence[Any] = tables
    vocabulary, code = _joined_vocabularies([(table.vocabulary, table.code) for table in coded])
    made: Ragged = kind(offsets=offsets, code=code, vocabulary=vocabulary, **columns)
    return made


def _joined_offsets(parts: Sequence[Integers]) -> Integers:
    """
    >>> _joined_offsets([np.array([0, 2]), np.array([0, 1, 4])])
    array([0, 2, 3, 6])
    """
    starts = np.cumsum([0] + [part[-1] for part in parts[:-1]], dtype=np.int64)
    ends = np.concatenate([part[1:] for part in parts])
    ends += starts if ends.size == starts.size else np.repeat(starts, [part.size - 1 for part in parts])
    return np.concatenate([_ZERO, ends])


def _joined_vocabularies(
    parts: Sequence[tuple[Sequence[str], NDArray[np.int32]]],
) -> tuple[Sequence[str], NDArray[np.int32]]:
    """Of ids that are packed still an id may be there more than once: to find that out they would have to be read."""
    packed = [vocabulary for vocabulary, _ in parts if isinstance(vocabulary, Ids)]
    if len(packed) == len(parts):
        starts = offsets_of(np.array([len(vocabulary) for vocabulary in packed], dtype=np.int64))[:-1]
        codes = [code + start for (_, code), start in zip(parts, starts.astype(np.int32), strict=True)]
        return Ids.joined(packed), np.concatenate(codes)
    numbers: dict[str, int] = {}
    codes = [
        np.array([numbers.setdefault(word, len(numbers)) for word in vocabulary], dtype=np.int32)[code]
        for vocabulary, code in parts
    ]
    return list(numbers), np.concatenate(codes)
