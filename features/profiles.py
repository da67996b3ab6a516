"""Profiles of many customers as columns: what feature vectors, models and decisions read.

Whatever a customer has many of (orders, products, ...) lies in flat arrays; the rows of customer ``i`` are
``offsets[i]:offsets[i + 1]``. One customer is a batch of length one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.id_table import Ids, IdTable
from features.instant import Instant
from features.profile import State
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

Integers = NDArray[np.int64]
INTEGER_COLUMNS = {statistic.name: index for index, statistic in enumerate(OF_CUSTOMER)}
DECAYED_COLUMNS = {statistic.name: index for index, statistic in enumerate(DECAYED_OF_CUSTOMER)}
_NO_NUMBERS = np.empty(0, dtype=np.int64)
_ZERO = np.zeros(1, dtype=np.int64)
CONTACT_FACETS = ("offer_presented", "offer_accepted", "offer_declined", "offer_expired")


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


@dataclass(frozen=True, slots=True)
class Profiles:
    """``n`` profiles.

    ``integers`` is (n, len(OF_CUSTOMER)), ``decayed`` is (n, len(DECAYED_OF_CUSTOMER)) at each customer's own
    ``last_event_at``. ``states`` holds (when, value) by name; see :func:`features.profile.states_of`.
    """

    customer_ids: list[str]
    integers: Integers
    decayed: NDArray[np.float64]
    orders: Orders
    remnants: Remnants
    products: Products
    hours: Hours
    channels: Channels
    contacts: Contacts
    states: list[dict[str, tuple[Instant, State]]]
    lies_in: "tuple[Profiles, int] | None" = field(init=False, default=None, compare=False, repr=False)
    """The batch, and the position there, that this is a view of."""

    def __len__(self) -> int:
        return len(self.customer_ids)

    def column(self, name: str) -> Integers:
        """The statistic of that name, one value a customer."""
        values: Integers = self.integers[:, INTEGER_COLUMNS[name]]
        return values

    @property
    def last_event_at(self) -> Integers:
        return self.column("last_event_at")

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> "Profiles":
        """The profiles at those positions, in that order; vocabularies stay whole."""
        index = np.asarray(rows, dtype=np.int64)
        return Profiles(
            [self.customer_ids[i] for i in index],
            self.integers[index],
            self.decayed[index],
            take_rows(self.orders, index),
            take_rows(self.remnants, index),
            take_rows(self.products, index),
            take_rows(self.hours, index),
            take_rows(self.channels, index),
            take_rows(self.contacts, index),
            [self.states[i] for i in index],
        )

    def apart(self) -> "list[Profiles]":
        """Each customer as a batch of length one: views, which all together are :func:`concatenate`-d for nothing."""
        if len(self) == 1:
            return [self]
        tables = zip(
            _tables_apart(self.orders),
            _tables_apart(self.remnants),
            _tables_apart(self.products),
            _tables_apart(self.hours),
            _tables_apart(self.channels),
            _tables_apart(self.contacts),
            strict=True,
        )
        singles = []
        for row, (orders, remnants, products, hours, channels, contacts) in enumerate(tables):
            one = Profiles(
                [self.customer_ids[row]],
                self.integers[row : row + 1],
                self.decayed[row : row + 1],
                orders,
                remnants,
                products,
                hours,
                channels,
                contacts,
                [self.states[row]],
            )
            object.__setattr__(one, "lies_in", (self, row))
            singles.append(one)
        return singles


Ragged = TypeVar("Ragged", Orders, Remnants, Products, Hours, Channels, Contacts)
_WITHOUT_VOCABULARY = (Orders, Remnants, Hours)
_ARRAYS = {
    table: attrgetter(*[name for name in table.__struct_fields__ if name not in ("offsets", "vocabulary")])
    for table in (Orders, Remnants, Products, Hours, Channels, Contacts)
}
"""Gives the columns of a table in the order of its fields."""
_COLUMNS = {
    table: [name for name in table.__struct_fields__ if name not in ("offsets", "vocabulary", "code")]
    for table in (Orders, Remnants, Products, Hours, Channels, Contacts)
}


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
    lengths = np.diff(table.offsets)[rows]
    positions = ranges(table.offsets[:-1][rows], lengths)
    columns = [column[positions] for column in _ARRAYS[type(table)](table)]
    return _table(type(table), offsets_of(lengths), columns, table)


def _tables_apart(table: Ragged) -> list[Ragged]:
    columns, kind = _ARRAYS[type(table)](table), type(table)
    return [
        _table(kind, _offsets_of_one(end - start), [column[start:end] for column in columns], table)
        for start, end in pairwise(table.offsets.tolist())
    ]


def _table(kind: type[Ragged], offsets: Integers, columns: Sequence[NDArray[Any]], like: Any) -> Ragged:
    """Of the columns in the order of the fields, with the vocabulary of another."""
    make: Any = kind
    table: Ragged = make(offsets, *columns, *(() if kind in _WITHOUT_VOCABULARY else (like.vocabulary,)))
    return table


@lru_cache(maxsize=4096)
def _offsets_of_one(length: int) -> Integers:
    return np.array([0, length], dtype=np.int64)


def offsets_of(lengths: Integers) -> Integers:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def concatenate(parts: Sequence[Profiles]) -> Profiles:
    """All the profiles, with common vocabularies, in which one id may have several codes."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    if (batch := _of_one_batch(parts)) is not None:
        return batch
    return Profiles(
        [customer_id for part in parts for customer_id in part.customer_ids],
        np.concatenate([part.integers for part in parts]),
        np.concatenate([part.decayed for part in parts]),
        _concatenate([part.orders for part in parts]),
        _concatenate([part.remnants for part in parts]),
        _concatenate([part.products for part in parts]),
        _concatenate([part.hours for part in parts]),
        _concatenate([part.channels for part in parts]),
        _concatenate([part.contacts for part in parts]),
        [states for part in parts for states in part.states],
    )


def _of_one_batch(parts: Sequence[Profiles]) -> Profiles | None:
    """What lies in one batch anyway need not be put together; where it is all of the batch, not even be taken out."""
    places = [part.lies_in for part in parts]
    if places[0] is None:
        return None
    batch = places[0][0]
    rows = [place[1] for place in places if place is not None and place[0] is batch]
    if len(rows) < len(parts):
        return None
    return batch if rows == list(range(len(batch))) else batch.take(rows)


def _concatenate(tables: list[Ragged]) -> Ragged:
    some = [table for table in tables if table.offsets[-1]]
    first = some[0] if some else tables[0]
    if len(some) < 2 and len(tables) == len(some or tables[:1]):
        return first
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in some or tables[:1]]) for name in _COLUMNS[type(first)]
    }
    columns["offsets"] = _joined_offsets([table.offsets for table in tables])
    if isinstance(first, Orders | Remnants | Hours):
        return type(first)(**columns)
    vocabulary, codes = _joined_vocabularies(
        [(table.vocabulary, table.code) for table in tables if not isinstance(table, Orders | Remnants | Hours)]
    )
    return type(first)(**columns, code=codes, vocabulary=vocabulary)


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


def empty(customer_ids: Sequence[str] = ()) -> Profiles:
    """Customers of whom nothing is known yet."""
    n = len(customer_ids)
    offsets = np.zeros(n + 1, dtype=np.int64)
    integers = np.tile(np.array(identities(OF_CUSTOMER), dtype=np.int64), (n, 1))
    numbers = np.zeros(0, dtype=np.int64)
    keys, codes, bytes_ = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    return Profiles(
        list(customer_ids),
        integers,
        np.zeros((n, len(DECAYED_OF_CUSTOMER))),
        Orders(offsets, keys, numbers, numbers, numbers, numbers, bytes_),
        Remnants(offsets, keys, numbers, numbers),
        Products(offsets, codes, numbers, numbers, numbers, np.zeros(0), []),
        Hours(offsets, bytes_, numbers, numbers),
        Channels(offsets, codes, numbers, numbers, numbers, []),
        Contacts(offsets, codes, bytes_, numbers, np.zeros(0, dtype=np.bool_), numbers, []),
        [{} for _ in customer_ids],
    )
