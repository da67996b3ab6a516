"""Of profiles that lie packed in the store, any may be asked for together."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from features.events import Event, EventType
from features.packing import Packed, pack, pack_row, unpack, unpack_all
from features.profile import fold
from features.profiles import Profiles, empty


def packed(*kinds: EventType, **fields: object) -> bytes:
    events = [
        Event(event_id=str(at), type=kind, customer_id="somebody", occurred_at=at, **fields)  # type: ignore[arg-type]
        for at, kind in enumerate(kinds)
    ]
    return pack("somebody", fold(events, "UTC"), "UTC")


NOBODY = pack_row(empty(["nobody"]), 0)
PACKED = (
    NOBODY,
    packed(EventType.PURCHASE, EventType.PURCHASE, channel="web", product_id="milk", amount=3),
    packed(EventType.PURCHASE, EventType.REFUND, order_id="o", product_id="tea", amount=2),
    packed(EventType.REFUND, EventType.ORDER_CANCELLED, order_id="unheard of", amount=2),
    packed(EventType.OFFER_PRESENTED, offer_id="cake"),
    packed(EventType.MESSAGE_SENT, EventType.MESSAGE_OPENED, channel="push", message_id="m"),
    packed(EventType.MESSAGE_CLICKED, message_id="of which nothing else is known"),
    packed(EventType.OFFER_PRESENTED, EventType.OFFER_ACCEPTED, channel="app", offer_id="tea", decision_id="d"),
)


def arrays_of(profiles: Profiles) -> list[np.ndarray]:
    tables = (
        getattr(profiles, name)
        for name in ("orders", "remnants", "products", "hours", "messages", "channels", "contacts")
    )
    columns = [column for table in tables for column in astuple(table) if isinstance(column, np.ndarray)]
    return [profiles.integers, profiles.decayed, *columns]


@given(st.lists(st.sampled_from(PACKED), min_size=1, max_size=8))
def test_profiles_unpacked_together_are_packed_apart_to_the_same_bytes(data: list[bytes]) -> None:
    together = unpack_all([str(number) for number in range(len(data))], data)

    assert [pack_row(together, row) for row in range(len(data))] == data


@given(st.lists(st.sampled_from(PACKED), min_size=1, max_size=8))
def test_arrays_are_of_one_kind_whatever_the_customers_have(data: list[bytes]) -> None:
    arrays = arrays_of(unpack_all([str(number) for number in range(len(data))], data))

    assert [array.dtype for array in arrays] == [array.dtype for array in arrays_of(unpack("", PACKED[1]))]
    assert all(array.flags.carray for array in arrays), "else what is compiled is compiled once more, in a request"


def test_a_profile_packed_before_messages_were_kept_is_one_without_messages() -> None:
    *fields, _, _ = msgspec.msgpack.decode(PACKED[1])
    before = msgspec.msgpack.encode([2, *fields[1:]])

    assert pack_row(unpack("", before), 0) == PACKED[1]


def test_a_profile_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="profile format: got 1, expected 3"):
        unpack("", msgspec.msgpack.encode([1]))


@pytest.mark.parametrize("part", ["customer", "decayed"])
@pytest.mark.parametrize("kept", [slice(0), slice(1), slice(-8), slice(-1)])
def test_a_fixed_part_that_was_cut_short_is_an_error_wherever_it_lies(part: str, kept: slice) -> None:
    cut = msgspec.msgpack.Decoder(Packed).decode(PACKED[1])
    setattr(cut, part, getattr(cut, part)[kept])
    data = [PACKED[2], msgspec.msgpack.encode(cut)]

    for several in (data, data[::-1], data[1:]):
        with pytest.raises(ValueError, match="not as long as its mask says"):
            unpack_all([""] * len(several), several)
