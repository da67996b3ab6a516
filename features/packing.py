"""Profiles as bytes in the store, and back.

The bytes are MessagePack around the columns of :mod:`features.profiles`, little endian; the customer's fixed part is
sparse (a bit mask, then the values that differ from nothing). Ids of products are MessagePack of their own beside their
hashes, so that who needs only the hashes reads no ids. ``FORMAT`` changes with the statistics.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.batching import to_batch
from features.compiled import compiled
from features.id_table import Ids
from features.instant import Instant
from features.profile import Profile, State
from features.profiles import Channels, Contacts, Hours, Integers, Orders, Products, Profiles, Remnants, empty
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

FORMAT = 2
_NOTHING = np.array(identities(OF_CUSTOMER), dtype=np.int64)


class Packed(msgspec.Struct, array_like=True):
    """Of the columns of a table those of one type stand in one piece, one after the other."""

    version: int
    customer: bytes
    decayed: bytes
    orders: tuple[bytes, bytes, bytes]
    remnants: bytes
    products: tuple[bytes, bytes, bytes, bytes]
    hours: tuple[bytes, bytes]
    channels: tuple[list[str], bytes]
    contacts: tuple[list[str], bytes, bytes, bytes]
    states: dict[str, tuple[Instant, State]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Packed)


def _sparse(values: NDArray[np.generic], nothing: NDArray[np.generic]) -> bytes:
    mask = values != nothing
    return bytes(np.packbits(mask).tobytes() + values[mask].tobytes())


def _dense(data: bytes, nothing: NDArray[np.generic]) -> NDArray[np.generic]:
    """As a table of one row."""
    width = (nothing.size + 7) // 8
    values = np.frombuffer(data, dtype=nothing.dtype, offset=width)
    dense = np.empty((1, nothing.size), dtype=nothing.dtype)
    _spread(np.frombuffer(data, dtype=np.uint8, count=width), values, nothing, dense[0])
    return dense


@compiled
def _spread(
    mask: NDArray[np.uint8], values: NDArray[np.generic], nothing: NDArray[np.generic], into: NDArray[np.generic]
) -> None:
    following = 0
    for i in range(into.size):
        if mask[i >> 3] >> (7 - (i & 7)) & 1:
            into[i] = values[following]
            following += 1
        else:
            into[i] = nothing[i]


_NO_DECAYED = np.zeros(len(DECAYED_OF_CUSTOMER))


def pack_row(profiles: Profiles, row: int) -> bytes:
    """The profile at one position, as bytes."""
    return _encoder.encode(
        Packed(
            FORMAT,
            _sparse(profiles.integers[row], _NOTHING),
            _sparse(profiles.decayed[row], _NO_DECAYED),
            _pack_orders(profiles.orders, row),
            _pack_remnants(profiles.remnants, row),
            _pack_products(profiles.products, row),
            _pack_hours(profiles.hours, row),
            _pack_channels(profiles.channels, row),
            _pack_contacts(profiles.contacts, row),
            profiles.states[row],
        )
    )


def _pack_orders(orders: Orders, row: int) -> tuple[bytes, bytes, bytes]:
    rows = slice(*orders.offsets[row : row + 2])
    refunded = [orders.refunded[rows]] if orders.refunded[rows].any() else []
    return (
        _joined(orders.key[rows].view(np.int64), orders.first_at[rows], orders.amount[rows], *refunded),
        orders.lines[rows].astype(np.int32).tobytes(),
        orders.hour[rows].tobytes(),
    )


def _unpack_orders(columns: tuple[bytes, bytes, bytes]) -> Orders:
    count = len(columns[2])
    if not count:
        return _EMPTY.orders
    key, first_at, amount, *refunded = _split(columns[0], count)
    return Orders(
        _offsets(count),
        key.view(np.uint64),
        first_at,
        amount,
        _i32(columns[1]),
        refunded[0] if refunded else np.zeros(count, dtype=np.int64),
        np.frombuffer(columns[2], dtype=np.uint8),
    )


def _pack_remnants(remnants: Remnants, row: int) -> bytes:
    rows = slice(*remnants.offsets[row : row + 2])
    return _joined(remnants.key[rows].view(np.int64), remnants.refunded[rows], remnants.cancellations[rows])


def _unpack_remnants(columns: bytes) -> Remnants:
    if not columns:
        return _EMPTY.remnants
    count = len(columns) // 24
    key, refunded, cancellations = _split(columns, count)
    return Remnants(_offsets(count), key.view(np.uint64), refunded, cancellations)


def _pack_products(products: Products, row: int) -> tuple[bytes, bytes, bytes, bytes]:
    rows = slice(*products.offsets[row : row + 2])
    ids = _ids_of(products.vocabulary, products.code[rows])
    return (
        ids.packed,
        _joined(ids.hashes, products.amount[rows], products.last_at[rows]),
        products.decayed[rows].tobytes(),
        products.lines[rows].astype(np.int32).tobytes(),
    )


def _ids_of(vocabulary: Sequence[str], codes: NDArray[np.int32]) -> Ids:
    if isinstance(vocabulary, Ids) and np.array_equal(codes, np.arange(len(vocabulary))):
        return vocabulary
    return Ids.of([vocabulary[code] for code in codes.tolist()])


def _unpack_products(columns: tuple[bytes, bytes, bytes, bytes]) -> Products:
    ids, integers, decayed, lines = columns
    count = len(lines) // 4
    if not count:
        return _EMPTY.products
    hashes, amount, last_at = _split(integers, count)
    return Products(
        _offsets(count),
        _all_codes(count),
        _i32(lines),
        amount,
        last_at,
        np.frombuffer(decayed, dtype=np.float64),
        Ids((ids,), hashes),
    )


def _pack_hours(hours: Hours, row: int) -> tuple[bytes, bytes]:
    rows = slice(*hours.offsets[row : row + 2])
    return hours.hour[rows].tobytes(), _joined(hours.engaged[rows], hours.sent[rows])


def _unpack_hours(columns: tuple[bytes, bytes]) -> Hours:
    count = len(columns[0])
    if not count:
        return _EMPTY.hours
    return Hours(_offsets(count), np.frombuffer(columns[0], dtype=np.uint8), *_split(columns[1], count))


def _pack_channels(channels: Channels, row: int) -> tuple[list[str], bytes]:
    rows = slice(*channels.offsets[row : row + 2])
    counts = _joined(channels.sent[rows], channels.responses[rows], channels.purchase_lines[rows])
    return [channels.vocabulary[code] for code in channels.code[rows]], counts


def _unpack_channels(columns: tuple[list[str], bytes]) -> Channels:
    names, counts = columns
    if not names:
        return _EMPTY.channels
    sent, responses, purchase_lines = _split(counts, len(names))
    return Channels(_offsets(len(names)), _all_codes(len(names)), sent, responses, purchase_lines, names)


def _pack_contacts(contacts: Contacts, row: int) -> tuple[list[str], bytes, bytes, bytes]:
    rows = slice(*contacts.offsets[row : row + 2])
    used, codes = np.unique(contacts.code[rows], return_inverse=True)
    return (
        [contacts.vocabulary[code] for code in used],
        _joined(contacts.at[rows]),
        codes.astype(np.int32).tobytes() + contacts.count[rows].astype(np.int32).tobytes(),
        contacts.facet[rows].tobytes() + contacts.is_own_decision[rows].tobytes(),
    )


def _unpack_contacts(columns: tuple[list[str], bytes, bytes, bytes]) -> Contacts:
    names, at, numbers, marks = columns
    if not at:
        return _EMPTY.contacts
    code, count = np.frombuffer(numbers, dtype=np.int32).reshape(2, -1)
    facet, own = np.frombuffer(marks, dtype=np.uint8).reshape(2, -1)
    return Contacts(
        _offsets(len(facet)),
        code,
        facet,
        np.frombuffer(at, dtype=np.int64),
        own.view(np.bool_),
        count.astype(np.int64),
        names,
    )


_EMPTY = empty(("nobody",))


def _joined(*columns: Integers) -> bytes:
    return b"".join([column.tobytes() for column in columns])


def _split(data: bytes, count: int) -> Iterable[Integers]:
    return np.frombuffer(data, dtype=np.int64).reshape(-1, count)


def _i32(data: bytes) -> Integers:
    return np.frombuffer(data, dtype=np.int32).astype(np.int64)


@lru_cache(maxsize=4096)
def _offsets(size: int) -> Integers:
    offsets = np.array([0, size], dtype=np.int64)
    offsets.flags.writeable = False
    return offsets


@lru_cache(maxsize=4096)
def _all_codes(count: int) -> NDArray[np.int32]:
    codes = np.arange(count, dtype=np.int32)
    codes.flags.writeable = False
    return codes


def unpack(customer_id: str, data: bytes) -> Profiles:
    """The profile as a batch of length one; its arrays cannot be written to.

    Raises
    ------
    ValueError
        If the bytes were packed by another format than this one.
    """
    packed = _decoder.decode(data)
    if packed.version != FORMAT:
        raise ValueError(f"profile format: got {packed.version}, expected {FORMAT}; profiles must be folded anew")
    return Profiles(
        [customer_id],
        _dense(packed.customer, _NOTHING),  # type: ignore[arg-type]
        _dense(packed.decayed, _NO_DECAYED),  # type: ignore[arg-type]
        _unpack_orders(packed.orders),
        _unpack_remnants(packed.remnants),
        _unpack_products(packed.products),
        _unpack_hours(packed.hours),
        _unpack_channels(packed.channels),
        _unpack_contacts(packed.contacts),
        [packed.states],
    )


def pack(customer_id: str, profile: Profile, timezone: str) -> bytes:
    return pack_row(to_batch(customer_id, profile, timezone), 0)


def pack_all(profiles: Profiles) -> Iterable[tuple[str, bytes, Instant]]:
    """(customer_id, bytes, last event's time) of each profile."""
    last = profiles.last_event_at.tolist()
    for row, customer_id in enumerate(profiles.customer_ids):
        yield customer_id, pack_row(profiles, row), last[row]
