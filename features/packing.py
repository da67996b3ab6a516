"""Profiles as bytes in the store, and back.

The bytes are MessagePack around the columns of :mod:`features.profiles`, little endian: of the customer's fixed part a
bit mask and the values that differ from nothing, of every table its columns one by one, so that those of many customers
are joined without a look into them. Ids of products are MessagePack of their own beside their hashes, so that
who needs only the hashes reads no ids. ``FORMAT`` changes with the statistics.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.batching import to_batch
from features.compiled import compiled
from features.id_table import Ids
from features.instant import Instant
from features.profile import Profile, State
from features.profile_tables import Channels, Contacts, Hours, Integers, Orders, Products, Remnants, offsets_of
from features.profiles import Profiles, empty
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

FORMAT = 2
_IDENTITIES = np.array(identities(OF_CUSTOMER), dtype=np.int64)
_IDENTITIES_DECAYED = np.zeros(len(DECAYED_OF_CUSTOMER))
_Columns = tuple[tuple[str, type], ...]
_Pieces = tuple[bytes, ...]

# Of each table the columns, in the order of its fields, and how they are stored: the first always, another unless all
# of it is zero.
_ORDERS: _Columns = (
    ("key", np.uint64),
    ("first_at", np.int64),
    ("amount", np.int64),
    ("lines", np.int32),
    ("refunded", np.int64),
    ("hour", np.uint8),
)
_REMNANTS: _Columns = (("key", np.uint64), ("refunded", np.int64), ("cancellations", np.int64))
_PRODUCTS: _Columns = (("last_at", np.int64), ("amount", np.int64), ("decayed", np.float64), ("lines", np.int32))
_HOURS: _Columns = (("hour", np.uint8), ("engaged", np.int64), ("sent", np.int64))
_CHANNELS: _Columns = (("sent", np.int64), ("responses", np.int64), ("purchase_lines", np.int64))
_CONTACTS: _Columns = (("at", np.int64), ("facet", np.uint8), ("is_own_decision", np.bool_), ("count", np.int32))


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
            customer=_sparse(profiles.integers[row], _IDENTITIES),
            decayed=_sparse(profiles.decayed[row], _IDENTITIES_DECAYED),
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
        )
    )


def _rows(table: Any, row: int) -> slice:
    return slice(*table.offsets[row : row + 2])


def _pieces(table: Any, row: int, columns: _Columns) -> _Pieces:
    rows = _rows(table, row)
    values = [getattr(table, name)[rows].astype(kind) for name, kind in columns]
    return values[0].tobytes(), *(column.tobytes() if column.any() else b"" for column in values[1:])


def _ids_of(vocabulary: Sequence[str], codes: NDArray[np.int32]) -> Ids:
    if isinstance(vocabulary, Ids) and np.array_equal(codes, np.arange(len(vocabulary))):
        return vocabulary
    return Ids.of([vocabulary[code] for code in codes.tolist()])


def _sparse(values: NDArray[np.generic], absent: NDArray[np.generic]) -> bytes:
    mask = values != absent
    return bytes(np.packbits(mask).tobytes() + values[mask].tobytes())


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
    packed = [_decoded(one) for one in data]
    return Profiles(
        list(customer_ids),
        _dense([one.customer for one in packed], _IDENTITIES),
        _dense([one.decayed for one in packed], _IDENTITIES_DECAYED),
        Orders(*_table([one.orders for one in packed], _ORDERS)),
        Remnants(*_table([one.remnants for one in packed], _REMNANTS)),
        _products(packed),
        Hours(*_table([one.hours for one in packed], _HOURS)),
        _channels(packed),
        _contacts(packed),
        [one.states for one in packed],
    )


def _decoded(data: bytes) -> Packed:
    try:
        packed = _decoder.decode(data)
    except msgspec.ValidationError:
        version = _decode_version(data).version
    else:
        version = packed.version
        if version == FORMAT:
            return packed
    raise ValueError(f"profile format: got {version}, expected {FORMAT}; profiles must be folded anew")


def _table(pieces: Sequence[_Pieces], columns: _Columns) -> list[NDArray[Any]]:
    """The offsets, then each column of all customers."""
    width = np.dtype(columns[0][1]).itemsize
    lengths = [len(some[0]) // width for some in pieces]
    if not any(lengths):
        return [_offsets(tuple(lengths)), *_no_rows(columns)]
    return [_offsets(tuple(lengths)), *(_column(pieces, at, kind, lengths) for at, (_, kind) in enumerate(columns))]


@lru_cache
def _no_rows(columns: _Columns) -> tuple[NDArray[Any], ...]:
    return tuple(np.empty(0, dtype=np.int64 if kind is np.int32 else kind) for _, kind in columns)


def _column(pieces: Sequence[_Pieces], at: int, kind: type, lengths: Sequence[int]) -> NDArray[Any]:
    joined = bytearray().join([some[at] for some in pieces])  # what is compiled is compiled for arrays one can write to
    width, count = np.dtype(kind).itemsize, sum(lengths)
    if len(joined) != count * width:
        every = [some[at] or bytes(length * width) for some, length in zip(pieces, lengths, strict=True)]
        joined = bytearray().join(every)
    values: NDArray[Any] = np.frombuffer(joined, dtype=kind)
    return values.astype(np.int64) if kind is np.int32 else values


@lru_cache(maxsize=4096)
def _offsets(lengths: tuple[int, ...]) -> Integers:
    return offsets_of(np.array(lengths, dtype=np.int64))


@lru_cache(maxsize=4096)
def _all_codes(count: int) -> NDArray[np.int32]:
    return np.arange(count, dtype=np.int32)


def _products(packed: Sequence[Packed]) -> Products:
    offsets, last_at, amount, decayed, lines = _table([one.products for one in packed], _PRODUCTS)
    hashes: Integers = np.frombuffer(bytearray().join([one.product_hashes for one in packed]), dtype=np.int64)
    ids = Ids(tuple([one.product_ids for one in packed]), hashes)
    return Products(offsets, _all_codes(len(ids)), lines, amount, last_at, decayed, ids)


def _channels(packed: Sequence[Packed]) -> Channels:
    offsets, sent, responses, purchase_lines = _table([one.channels for one in packed], _CHANNELS)
    names = list(chain.from_iterable([one.channel_names for one in packed]))
    return Channels(offsets, _all_codes(len(names)), sent, responses, purchase_lines, names)


def _contacts(packed: Sequence[Packed]) -> Contacts:
    offsets, at, facet, own, count = _table([one.contacts for one in packed], _CONTACTS)
    code, start = [], 0
    for one in packed:
        code.append(np.frombuffer(one.contact_codes, dtype=np.int32) + start)
        start += len(one.contact_names)
    names = list(chain.from_iterable([one.contact_names for one in packed]))
    return Contacts(offsets, np.concatenate(code), facet, at, own, count, names)


def _dense(data: Sequence[bytes], absent: NDArray[Any]) -> NDArray[Any]:
    dense = np.empty((len(data), absent.size), dtype=absent.dtype)
    width = (absent.size + 7) // 8
    for row, one in enumerate(data):
        mask = np.frombuffer(one, dtype=np.uint8, count=width)
        _spread(mask, np.frombuffer(one, dtype=absent.dtype, offset=width), absent, dense[row])
    return dense


@compiled
def _spread(mask: NDArray[np.uint8], values: NDArray[Any], absent: NDArray[Any], into: NDArray[Any]) -> None:
    following = 0
    for i in range(into.size):
        if mask[i >> 3] >> (7 - (i & 7)) & 1:
            into[i] = values[following]
            following += 1
        else:
            into[i] = absent[i]
