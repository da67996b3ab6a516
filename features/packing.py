"""Profiles as bytes in the store, and back.

The bytes are MessagePack around the columns of :mod:`features.profiles`, little endian: of the customer's fixed part a
bit mask and the values that differ from nothing, of every table its columns one by one, so that those of many customers
are joined without a look into them. Ids of products are MessagePack of their own beside their hashes, so that
who needs only the hashes reads no ids. ``FORMAT`` changes with the statistics. Format 2, before messages were kept, is
read as that of customers without any.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from features.batching import to_batch
from features.compiled import compiled
from features.fixed_part import IDENTITIES, IDENTITIES_DECAYED, dense, sparse
from features.id_table import Ids
from features.instant import MICROSECONDS_PER_SECOND, Instant
from features.profile import Profile, State
from features.profile_tables import Channels, Contacts, Hours, Integers, Messages, Orders, Products, Remnants
from features.profiles import Profiles, empty
from features.statistics import NEVER_FIRST

FORMAT = 3
_READABLE = (2, FORMAT)
_SHORT = np.dtype(np.int32)
_Columns = tuple[tuple[str, np.dtype[Any]], ...]
_Pieces = tuple[bytes, ...]


def _columns(**kinds: type) -> _Columns:
    return tuple([(name, np.dtype(kind)) for name, kind in kinds.items()])


# Of each table the columns, in the order of its fields, and how they are stored: the first always, another unless all
# of it is zero.
_ORDERS = _columns(key=np.uint64, first_at=np.int64, amount=np.int64, lines=np.int32, refunded=np.int64, hour=np.uint8)
_REMNANTS = _columns(key=np.uint64, refunded=np.int64, cancellations=np.int64)
_PRODUCTS = _columns(last_at=np.int64, amount=np.int64, decayed=np.float64, lines=np.int32)
_HOURS = _columns(hour=np.uint8, engaged=np.int64, sent=np.int64)
_MESSAGES = _columns(key=np.uint64, sent_at=np.uint32, answered_at=np.uint32, hour=np.uint8, code=np.int16)
_CHANNELS = _columns(sent=np.int64, responses=np.int64, purchase_lines=np.int64)
_CONTACTS = _columns(at=np.int64, facet=np.uint8, is_own_decision=np.bool_, count=np.int32)

_NO_MESSAGES = (b"",) * len(_MESSAGES)


class Packed(msgspec.Struct, array_like=True):
    version: int
    customer: bytes
    decayed: bytes
    orders: _Pieces
    remnants: _Pieces
    products: _Pieces
    product_ids: bytes
    product_hashes: bytes
    hours: _Pieces
    channels: _Pieces
    channel_names: list[str]
    contacts: _Pieces
    contact_codes: bytes
    contact_names: list[str]
    states: dict[str, tuple[Instant, State]]
    messages: _Pieces = ()
    message_channels: list[str] = []


class _Version(msgspec.Struct, array_like=True):
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Packed)
_decode_version = msgspec.msgpack.Decoder(_Version).decode


def pack(customer_id: str, profile: Profile, timezone: str) -> bytes:
    return pack_row(to_batch(customer_id, profile, timezone), 0)


def pack_all(profiles: Profiles) -> Iterable[tuple[str, bytes, Instant]]:
    """(customer_id, bytes, last event's time) of each profile."""
    last = profiles.last_event_at.tolist()
    for row, customer_id in enumerate(profiles.customer_ids):
        yield customer_id, pack_row(profiles, row), last[row]


def pack_row(profiles: Profiles, row: int) -> bytes:
    """The profile at one position, as bytes."""
    products, channels, contacts = profiles.products, profiles.channels, profiles.contacts
    ids = _ids_of(products.vocabulary, products.code[_rows(products, row)])
    used, codes = np.unique(contacts.code[_rows(contacts, row)], return_inverse=True)
    return _encoder.encode(
        Packed(
            version=FORMAT,
            customer=sparse(profiles.integers[row], IDENTITIES),
            decayed=sparse(profiles.decayed[row], IDENTITIES_DECAYED),
            orders=_pieces(profiles.orders, row, _ORDERS),
            remnants=_pieces(profiles.remnants, row, _REMNANTS),
            products=_pieces(products, row, _PRODUCTS),
            product_ids=ids.packed,
            product_hashes=ids.hashes.tobytes(),
            hours=_pieces(profiles.hours, row, _HOURS),
            channels=_pieces(channels, row, _CHANNELS),
            channel_names=[channels.vocabulary[code] for code in channels.code[_rows(channels, row)]],
            contacts=_pieces(contacts, row, _CONTACTS),
            contact_codes=codes.astype(np.int32).tobytes(),
            contact_names=[contacts.vocabulary[code] for code in used],
            states=profiles.states[row],
            **_packed_messages(profiles.messages, row),
        )
    )


def _rows(table: Any, row: int) -> slice:
    return slice(*table.offsets[row : row + 2])


def _pieces(table: Any, row: int, columns: _Columns) -> _Pieces:
    rows = _rows(table, row)
    values = [getattr(table, name)[rows].astype(kind) for name, kind in columns]
    return values[0].tobytes(), *(column.tobytes() if column.any() else b"" for column in values[1:])


def _packed_messages(messages: Messages, row: int) -> dict[str, Any]:
    """Seconds since 1970, and one, so that what never happened is zero."""
    rows = _rows(messages, row)
    if rows.start == rows.stop:
        return {}
    used, codes = np.unique(messages.code[rows], return_inverse=True)
    times = (messages.sent_at[rows], messages.answered_at[rows])
    sent, answered = (np.where(at == NEVER_FIRST, 0, at // MICROSECONDS_PER_SECOND + 1) for at in times)
    values: tuple[NDArray[Any], ...] = (messages.key[rows], sent, answered, messages.hour[rows], codes)
    columns = [value.astype(kind) for value, (_, kind) in zip(values, _MESSAGES, strict=True)]
    pieces = columns[0].tobytes(), *(column.tobytes() if column.any() else b"" for column in columns[1:])
    return {"messages": pieces, "message_channels": [messages.vocabulary[code] for code in used]}


def _ids_of(vocabulary: Sequence[str], codes: NDArray[np.int32]) -> Ids:
    if isinstance(vocabulary, Ids) and np.array_equal(codes, np.arange(len(vocabulary))):
        return vocabulary
    return Ids.of([vocabulary[code] for code in codes.tolist()])


def unpack(customer_id: str, data: bytes) -> Profiles:
    """The profile as a batch of length one.

    Raises
    ------
    ValueError
        If the bytes were packed by another format than this one.
    """
    return unpack_all([customer_id], [data])


def unpack_all(customer_ids: Sequence[str], data: Sequence[bytes]) -> Profiles:
    """:func:`unpack` of several, as one batch; an id may have several codes in a vocabulary."""
    if not data:
        return empty()
    by_field: Any = zip(*[astuple(_decoded(one)) for one in data], strict=True)
    _, customer, decayed, orders, remnants, products, product_ids, product_hashes, *others = by_field
    hours, channels, channel_names, contacts, contact_codes, contact_names, states, messages, names = others
    return Profiles(
        list(customer_ids),
        *dense(customer, decayed),
        Orders(*_table(orders, _ORDERS)),
        Remnants(*_table(remnants, _REMNANTS)),
        _products(products, product_ids, product_hashes),
        Hours(*_table(hours, _HOURS)),
        _messages(messages, names),
        _channels(channels, channel_names),
        _contacts(contacts, contact_codes, contact_names),
        list(states),
    )


def _decoded(data: bytes) -> Packed:
    try:
        packed = _decoder.decode(data)
    except msgspec.ValidationError:
        version = _decode_version(data).version
    else:
        version = packed.version
        if version in _READABLE:
            return packed
    raise ValueError(f"profile format: got {version}, expected {FORMAT}; profiles must be folded anew")


def _table(pieces: Sequence[_Pieces], columns: _Columns) -> Sequence[NDArray[Any]]:
    """The offsets, then each column of all customers."""
    by_column = list(zip(*pieces, strict=True))
    if not any(by_column[0]):
        return _no_rows(len(pieces), columns)
    width = columns[0][1].itemsize
    lengths = [len(first) // width for first in by_column[0]]
    count = sum(lengths)
    made: list[NDArray[Any]] = [np.fromiter(accumulate(lengths, initial=0), np.int64, len(lengths) + 1)]
    for some, (_, kind) in zip(by_column, columns, strict=True):
        joined = bytearray().join(some)  # not bytes: what is compiled is compiled for arrays one can write to
        if joined and len(joined) < count * kind.itemsize:
            joined = _with_zeros(some, lengths, kind.itemsize)
        values: NDArray[Any] = np.frombuffer(joined, kind) if joined else np.zeros(count, kind)
        made.append(values.astype(np.int64) if kind is _SHORT else values)
    return made


@lru_cache
def _no_rows(customers: int, columns: _Columns) -> Sequence[NDArray[Any]]:
    """:func:`_table` of customers without a row; the same arrays for all who ask."""
    none = [np.empty(0, np.int64 if kind is _SHORT else kind) for _, kind in columns]
    return np.zeros(customers + 1, np.int64), *none


def _with_zeros(some: Sequence[bytes], lengths: Sequence[int], width: int) -> bytearray:
    return bytearray().join([one or bytes(length * width) for one, length in zip(some, lengths, strict=True)])


@lru_cache(maxsize=4096)
def _all_codes(count: int) -> NDArray[np.int32]:
    return np.arange(count, dtype=np.int32)


def _products(pieces: Sequence[_Pieces], packed_ids: tuple[bytes, ...], hashes: Sequence[bytes]) -> Products:
    offsets, last_at, amount, decayed, lines = _table(pieces, _PRODUCTS)
    ids = Ids(packed_ids, np.frombuffer(bytearray().join(hashes), np.int64))
    return Products(offsets, _all_codes(len(ids)), lines, amount, last_at, decayed, ids)


def _messages(pieces: Sequence[_Pieces], names: Sequence[list[str]]) -> Messages:
    if not any(pieces):
        return _no_messages(len(pieces))
    offsets, key, sent, answered, hour, short = _table([piece or _NO_MESSAGES for piece in pieces], _MESSAGES)
    code = short.astype(np.int32)
    _shift(code, offsets, np.array([len(some) for some in names], np.int64))
    return Messages(offsets, key, _instants(sent), _instants(answered), hour, code, list(chain.from_iterable(names)))


@lru_cache
def _no_messages(customers: int) -> Messages:
    """Of customers who were never written to; the same table for all who ask."""
    times = np.empty(0, np.int64)
    no_codes = np.empty(0, np.int32)
    return Messages(
        np.zeros(customers + 1, np.int64), np.empty(0, np.uint64), times, times, np.empty(0, np.uint8), no_codes, []
    )


def _instants(second: NDArray[np.uint32]) -> Integers:
    at: Integers = second.astype(np.int64)
    at -= 1
    at *= MICROSECONDS_PER_SECOND
    at[at < 0] = NEVER_FIRST
    return at


def _channels(pieces: Sequence[_Pieces], names: Sequence[list[str]]) -> Channels:
    offsets, sent, responses, purchase_lines = _table(pieces, _CHANNELS)
    vocabulary = list(chain.from_iterable(names))
    return Channels(offsets, _all_codes(len(vocabulary)), sent, responses, purchase_lines, vocabulary)


def _contacts(pieces: Sequence[_Pieces], codes: Sequence[bytes], names: Sequence[list[str]]) -> Contacts:
    offsets, at, facet, own, count = _table(pieces, _CONTACTS)
    code: NDArray[np.int32] = np.frombuffer(bytearray().join(codes), np.int32)
    _shift(code, offsets, np.array([len(some) for some in names], np.int64))
    return Contacts(offsets, code, facet, at, own, count, list(chain.from_iterable(names)))


@compiled
def _shift(code: NDArray[np.int32], offsets: Integers, names: Integers) -> None:
    """Change codes of each customer's own names to codes of the names of all, which follow one another."""
    start = 0
    for row in range(names.size):
        for at in range(offsets[row], offsets[row + 1]):
            code[at] += start
        start += names[row]
