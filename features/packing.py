"""Profiles as bytes in the store, and back.

The bytes are MessagePack around the columns of :mod:`features.profiles`, little endian; the customer's fixed part is
sparse (a bit mask, then the values that differ from nothing). ``FORMAT`` changes with the statistics.
"""

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.batching import to_batch
from features.id_table import Ids
from features.instant import Instant
from features.profile import Profile, State
from features.profiles import (
    Channels,
    Contacts,
    Hours,
    Integers,
    Orders,
    Products,
    Profiles,
    Remnants,
)
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

FORMAT = 1
_NOTHING = np.array(identities(OF_CUSTOMER), dtype=np.int64)


class Packed(msgspec.Struct, array_like=True):
    version: int
    customer: bytes
    decayed: bytes
    orders: tuple[bytes, bytes, bytes, bytes, bytes, bytes]
    remnants: tuple[bytes, bytes, bytes]
    products: tuple[list[str], bytes, bytes, bytes, bytes]
    hours: tuple[bytes, bytes, bytes]
    channels: tuple[list[str], bytes]
    contacts: tuple[list[str], bytes, bytes, bytes, bytes, bytes]
    states: dict[str, tuple[Instant, State]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Packed)


def _sparse(values: NDArray[np.generic], nothing: NDArray[np.generic]) -> bytes:
    mask = values != nothing
    return bytes(np.packbits(mask).tobytes() + values[mask].tobytes())


def _dense(data: bytes, nothing: NDArray[np.generic]) -> NDArray[np.generic]:
    width = (nothing.size + 7) // 8
    mask = np.unpackbits(np.frombuffer(data, dtype=np.uint8, count=width), count=nothing.size).view(np.bool_)
    values = nothing.copy()
    values[mask] = np.frombuffer(data, dtype=nothing.dtype, offset=width)
    return values


_NO_DECAYED = np.zeros(len(DECAYED_OF_CUSTOMER))


def pack_row(profiles: Profiles, row: int) -> bytes:
    """The profile at one position, as bytes."""
    o = slice(*profiles.orders.offsets[row : row + 2])
    r = slice(*profiles.remnants.offsets[row : row + 2])
    h = slice(*profiles.hours.offsets[row : row + 2])
    orders, remnants, hours = profiles.orders, profiles.remnants, profiles.hours
    return _encoder.encode(
        Packed(
            FORMAT,
            _sparse(profiles.integers[row], _NOTHING),
            _sparse(profiles.decayed[row], _NO_DECAYED),
            (
                orders.key[o].tobytes(),
                orders.first_at[o].tobytes(),
                orders.amount[o].tobytes(),
                orders.lines[o].astype(np.int32).tobytes(),
                orders.refunded[o].tobytes() if orders.refunded[o].any() else b"",
                orders.hour[o].tobytes(),
            ),
            (remnants.key[r].tobytes(), remnants.refunded[r].tobytes(), remnants.cancellations[r].tobytes()),
            _pack_products(profiles.products, row),
            (hours.hour[h].tobytes(), hours.engaged[h].tobytes(), hours.sent[h].tobytes()),
            _pack_channels(profiles.channels, row),
            _pack_contacts(profiles.contacts, row),
            profiles.states[row],
        )
    )


def _pack_products(products: Products, row: int) -> tuple[list[str], bytes, bytes, bytes, bytes]:
    rows = slice(*products.offsets[row : row + 2])
    return (
        [products.vocabulary[code] for code in products.code[rows]],
        products.lines[rows].astype(np.int32).tobytes(),
        products.amount[rows].tobytes(),
        products.last_at[rows].tobytes(),
        products.decayed[rows].tobytes(),
    )


def _pack_channels(channels: Channels, row: int) -> tuple[list[str], bytes]:
    rows = slice(*channels.offsets[row : row + 2])
    counts = np.stack([channels.sent[rows], channels.responses[rows], channels.purchase_lines[rows]])
    return [channels.vocabulary[code] for code in channels.code[rows]], counts.tobytes()


def _pack_contacts(contacts: Contacts, row: int) -> tuple[list[str], bytes, bytes, bytes, bytes, bytes]:
    rows = slice(*contacts.offsets[row : row + 2])
    used, codes = np.unique(contacts.code[rows], return_inverse=True)
    return (
        [contacts.vocabulary[code] for code in used],
        codes.astype(np.int32).tobytes(),
        contacts.facet[rows].tobytes(),
        contacts.at[rows].tobytes(),
        contacts.is_own_decision[rows].tobytes(),
        contacts.count[rows].astype(np.int32).tobytes(),
    )


def _i64(data: bytes) -> Integers:
    return np.frombuffer(data, dtype=np.int64)


def _i32(data: bytes) -> Integers:
    return np.frombuffer(data, dtype=np.int32).astype(np.int64)


def _u8(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


def _offsets(size: int) -> Integers:
    return np.array([0, size], dtype=np.int64)


def unpack(customer_id: str, data: bytes) -> Profiles:
    """The profile as a batch of length one.

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
        _dense(packed.customer, _NOTHING)[None, :],  # type: ignore[arg-type]
        _dense(packed.decayed, _NO_DECAYED)[None, :],  # type: ignore[arg-type]
        _unpack_orders(packed.orders),
        _unpack_remnants(packed.remnants),
        _unpack_products(packed.products),
        Hours(_offsets(len(packed.hours[0])), _u8(packed.hours[0]), _i64(packed.hours[1]), _i64(packed.hours[2])),
        _unpack_channels(packed.channels),
        _unpack_contacts(packed.contacts),
        [packed.states],
    )


def _unpack_orders(columns: tuple[bytes, bytes, bytes, bytes, bytes, bytes]) -> Orders:
    key, first_at, amount, lines, refunded, hour = columns
    n = len(hour)
    return Orders(
        _offsets(n),
        np.frombuffer(key, dtype=np.uint64),
        _i64(first_at),
        _i64(amount),
        _i32(lines),
        _i64(refunded) if refunded else np.zeros(n, dtype=np.int64),
        _u8(hour),
    )


def _unpack_remnants(columns: tuple[bytes, bytes, bytes]) -> Remnants:
    key = np.frombuffer(columns[0], dtype=np.uint64)
    return Remnants(_offsets(key.size), key, _i64(columns[1]), _i64(columns[2]))


def _unpack_products(columns: tuple[list[str], bytes, bytes, bytes, bytes]) -> Products:
    ids, lines, amount, last_at, decayed = columns
    codes = np.arange(len(ids), dtype=np.int32)
    return Products(
        _offsets(len(ids)),
        codes,
        _i32(lines),
        _i64(amount),
        _i64(last_at),
        np.frombuffer(decayed, np.float64),
        Ids(ids),
    )


def _unpack_channels(columns: tuple[list[str], bytes]) -> Channels:
    names, counts = columns
    sent, responses, purchase_lines = _i64(counts).reshape(3, len(names))
    return Channels(_offsets(len(names)), np.arange(len(names), dtype=np.int32), sent, responses, purchase_lines, names)


def _unpack_contacts(columns: tuple[list[str], bytes, bytes, bytes, bytes, bytes]) -> Contacts:
    names, code, facet, at, own, count = columns
    return Contacts(
        _offsets(len(facet)),
        np.frombuffer(code, dtype=np.int32),
        _u8(facet),
        _i64(at),
        np.frombuffer(own, dtype=np.bool_),
        _i32(count),
        names,
    )


def pack(customer_id: str, profile: Profile, timezone: str) -> bytes:
    return pack_row(to_batch(customer_id, profile, timezone), 0)


def pack_all(profiles: Profiles) -> Iterable[tuple[str, bytes, Instant]]:
    """(customer_id, bytes, last event's time) of each profile."""
    last = profiles.last_event_at.tolist()
    for row, customer_id in enumerate(profiles.customer_ids):
        yield customer_id, pack_row(profiles, row), last[row]
