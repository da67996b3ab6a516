"""A profile is a commutative sum: aggregate(events) = fold(any permutation) = merge(any partition)."""

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.backfill import Whereabouts, aggregate
from features.batching import to_batch, to_profile
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.merging import merge_batches
from features.packing import pack, pack_row, unpack, unpack_all
from features.profile import Profile, fold, merge, needs_refold
from features.profiles import Profiles, concatenate
from features.vector import FEATURES, FutureProfileError, vector

ZONE = "America/New_York"
START = parse("2016-03-01")
HEARD = [kind for kind in EventType if kind not in (EventType.CUSTOMER_MERGED, EventType.CUSTOMER_ERASED)]
MESSAGES = [EventType.MESSAGE_SENT, EventType.MESSAGE_OPENED, EventType.MESSAGE_CLICKED]
RELATIVE = 1e-9

engine_runs = settings(max_examples=settings.default.max_examples // 4, suppress_health_check=[HealthCheck.too_slow])  # type: ignore[union-attr]
"""Fewer examples where each is a query."""

TEXTS = (
    "type",
    "event_id",
    "source",
    "customer_id",
    "channel",
    "product_id",
    "order_id",
    "offer_id",
    "decision_id",
    "message_id",
    "purpose",
)
WHOLE = ("occurred_at", "amount", "discount_amount", "points_expire_at")
NUMBERS = ("score", "points_balance")
TRUTHS = ("machine_open", "granted")


def table_of(events: list[Event]) -> ibis.Table:
    """The events as a table, as the log gives them."""
    types = {
        **dict.fromkeys(TEXTS, pa.string()),
        **dict.fromkeys(WHOLE, pa.int64()),
        **dict.fromkeys(NUMBERS, pa.float64()),
        **dict.fromkeys(TRUTHS, pa.bool_()),
    }
    columns = {name: pa.array([getattr(e, name) for e in events], kind) for name, kind in types.items()}
    return ibis.memtable(pa.table({**columns, "properties": pa.nulls(len(events), pa.string())}))


@st.composite
def event(draw: st.DrawFn, customers: tuple[str, ...] = ("anna",), cancellations: bool = False) -> Event:
    kinds = [kind for kind in HEARD if cancellations or kind is not EventType.ORDER_CANCELLED]
    kind = draw(st.sampled_from([*kinds, *[EventType.PURCHASE] * len(kinds), *MESSAGES * 3]))
    return Event(
        event_id=draw(st.uuids()).hex,
        type=kind,
        customer_id=draw(st.sampled_from(customers)),
        occurred_at=START + draw(st.integers(0, 900 * 24 * 4)) * MICROSECONDS_PER_HOUR // 4,
        channel=draw(st.sampled_from([None, "web", "store"])),
        product_id=draw(st.sampled_from([None, "milk", "bread", "чай"])),
        order_id=draw(st.sampled_from([None, "o1", "o2", "o3"])),
        amount=draw(st.integers(0, 10**9)),
        discount_amount=draw(st.one_of(st.none(), st.integers(0, 10**6))),
        offer_id=draw(st.sampled_from(["none", "tea", "cake"])),
        decision_id=draw(st.sampled_from([None, "d1"])),
        message_id=draw(st.sampled_from([None, "m1", "m2"])),
        machine_open=draw(st.sampled_from([None, True, False])),
        purpose=draw(st.sampled_from(["messages", "purchases"])),
        granted=draw(st.booleans()),
        score=draw(st.one_of(st.none(), st.integers(0, 10).map(float))),
        points_balance=draw(st.one_of(st.none(), st.floats(0, 1e6))),
    )


def events_of(**kinds: object) -> st.SearchStrategy[list[Event]]:
    return st.lists(event(**kinds), min_size=1, max_size=25)  # type: ignore[arg-type]


def assert_same(one: Profile, other: Profile) -> None:
    """Counts, money and times to the bit, decayed values to 1e-9."""
    assert one.customer == other.customer
    assert one.orders == other.orders
    assert one.hours == other.hours
    assert one.messages == other.messages
    assert one.channels == other.channels
    assert one.contacts == other.contacts
    assert one.states == other.states
    assert {key: values for key, (values, _) in one.products.items()} == {
        key: values for key, (values, _) in other.products.items()
    }
    np.testing.assert_allclose(one.decayed, other.decayed, rtol=RELATIVE, atol=0)
    for key, (_, decayed) in one.products.items():
        assert decayed == pytest.approx(other.products[key][1], rel=RELATIVE)


@given(st.data(), events_of(cancellations=True))
def test_fold_is_the_same_in_any_order(data: st.DataObject, events: list[Event]) -> None:
    shuffled = data.draw(st.permutations(events))

    assert_same(fold(events, ZONE), fold(shuffled, ZONE))


@given(events_of(), st.integers(0, 25), st.integers(0, 25))
def test_profiles_of_parts_merge_to_the_profile_of_the_whole(events: list[Event], one: int, other: int) -> None:
    low, high = sorted((one, other))
    parts = [fold(part, ZONE) for part in (events[:low], events[low:high], events[high:])]

    assert_same(merge(merge(parts[2], parts[0]), parts[1]), fold(events, ZONE))


@engine_runs
@given(events_of(customers=("anna", "boris", "вера"), cancellations=True))
def test_aggregate_equals_fold(events: list[Event]) -> None:
    profiles = aggregate(table_of(events), Whereabouts(default_timezone=ZONE))

    assert profiles.customer_ids == sorted({e.customer_id for e in events})
    for row, customer_id in enumerate(profiles.customer_ids):
        mine = [e for e in events if e.customer_id == customer_id]
        assert_same(to_profile(unpack(customer_id, pack_row(profiles, row))), fold(mine, ZONE))


@engine_runs
@given(events_of(customers=("anna", "boris", "вера")), st.integers(0, 25))
def test_batches_of_parts_merge_to_the_batch_of_the_whole(events: list[Event], cut: int) -> None:
    low, high = (aggregate(table_of(part), Whereabouts(default_timezone=ZONE)) for part in (events[:cut], events[cut:]))

    merged = merge_batches(high, low)

    assert merged.customer_ids == sorted({e.customer_id for e in events})
    for row, customer_id in enumerate(merged.customer_ids):
        mine = [e for e in events if e.customer_id == customer_id]
        assert_same(to_profile(unpack(customer_id, pack_row(merged, row))), fold(mine, ZONE))
        np.testing.assert_array_equal(merged.take([row]).orders.hour, to_batch("", fold(mine, ZONE), ZONE).orders.hour)


@engine_runs
@given(events_of(customers=("anna", "anna-phone")))
def test_merged_identities_are_one_profile(events: list[Event]) -> None:
    merged = aggregate(table_of(events), Whereabouts(roots={"anna-phone": "anna"}, default_timezone=ZONE))

    assert merged.customer_ids == ["anna"]
    assert_same(to_profile(unpack("anna", pack_row(merged, 0))), fold(events, ZONE))


@given(events_of(cancellations=True))
def test_packing_loses_nothing(events: list[Event]) -> None:
    profile = fold(events, ZONE)

    assert to_profile(unpack("anna", pack("anna", profile, ZONE))) == profile


@given(st.lists(events_of(cancellations=True), min_size=1, max_size=4), st.data())
def test_unpacked_together_each_is_what_it_would_be_alone(histories: list[list[Event]], data: st.DataObject) -> None:
    folded = [fold(events, ZONE) for events in histories]
    names = [str(number) for number in range(len(folded))]
    batch = unpack_all(names, [pack(name, one, ZONE) for name, one in zip(names, folded, strict=True)])
    apart = batch.apart()
    rows = data.draw(st.lists(st.sampled_from(range(len(folded))), min_size=1))

    assert [to_profile(one) for one in apart] == folded
    assert concatenate(apart) is batch
    assert_each(concatenate([apart[row] for row in rows]), [folded[row] for row in rows])
    mixed = [*apart, unpack("alone", pack("alone", folded[0], ZONE))]
    assert_each(concatenate(mixed), [*folded, folded[0]])


def assert_each(profiles: Profiles, expected: list[Profile]) -> None:
    assert [to_profile(profiles.take([row])) for row in range(len(profiles))] == expected


@given(events_of(), event())
def test_an_event_at_or_after_the_cutoff_changes_no_feature(events: list[Event], late: Event) -> None:
    cutoff = max(e.occurred_at for e in events) + 1
    late = Event(**{name: getattr(late, name) for name in late.__struct_fields__} | {"occurred_at": cutoff})
    before = [e for e in [*events, late] if e.occurred_at < cutoff]

    np.testing.assert_array_equal(features_of(before, cutoff), features_of(events, cutoff))
    with pytest.raises(FutureProfileError):
        features_of([*events, late], cutoff)


def features_of(events: list[Event], as_of: int) -> np.ndarray:
    return vector(to_batch("anna", fold(events, ZONE), ZONE), as_of)


@engine_runs
@given(events_of(cancellations=True), st.integers(1, 400))
def test_offline_and_online_vectors_are_equal(events: list[Event], days: int) -> None:
    as_of = max(e.occurred_at for e in events) + days * MICROSECONDS_PER_DAY
    offline = vector(aggregate(table_of(events), Whereabouts(default_timezone=ZONE)), as_of)
    online = vector(unpack("anna", pack("anna", fold(events, ZONE), ZONE)), as_of)

    np.testing.assert_allclose(online, offline, rtol=RELATIVE, atol=1e-300)


def purchase(event_id: str, day: float, **fields: object) -> Event:
    given = {"amount": 10_0000, "order_id": None, **fields}
    at = START + int(day * MICROSECONDS_PER_DAY)
    return Event(event_id=event_id, type=EventType.PURCHASE, customer_id="anna", occurred_at=at, **given)  # type: ignore[arg-type]


def named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, features[0].tolist(), strict=True))


def test_lines_of_one_basket_are_one_order() -> None:
    lines = [purchase("1", 0, order_id="o"), purchase("2", 0, order_id="o"), purchase("3", 10, order_id="p")]

    features = named(features_of(lines, START + 20 * MICROSECONDS_PER_DAY))

    assert (features["orders"], features["spend"], features["mean_gap_days"]) == (2, 30, 10)
    assert (features["days_since_last_order"], features["last_order_amount"]) == (10, 10)


def test_a_late_line_of_an_old_order_moves_the_order_not_the_count() -> None:
    known, late = purchase("1", 10, order_id="o"), purchase("2", 4, order_id="o")

    features = named(features_of([known, late], START + 20 * MICROSECONDS_PER_DAY))

    assert (features["orders"], features["days_since_last_order"]) == (1, 16)
    assert features["orders_decayed_7"] == pytest.approx(2 ** (-16 / 7), rel=RELATIVE)


def test_a_refund_touches_neither_first_nor_last_nor_count() -> None:
    refund = Event(
        event_id="r", type=EventType.REFUND, customer_id="anna", order_id="o", amount=4_0000,
        occurred_at=START + 9 * MICROSECONDS_PER_DAY,
    )  # fmt: skip
    features = named(features_of([purchase("1", 0, order_id="o"), refund], START + 10 * MICROSECONDS_PER_DAY))

    assert (features["orders"], features["spend"], features["days_since_last_order"]) == (1, 10, 10)
    assert features["refund_share"] == pytest.approx(0.4)
    assert features["refunded_decayed_30"] == pytest.approx(4 * 2 ** (-10 / 30), rel=RELATIVE)


def test_a_refund_of_nothing_tells_of_no_order() -> None:
    event = Event(
        event_id="r", type=EventType.REFUND, customer_id="anna", occurred_at=START, order_id="unheard of", amount=0
    )

    profiles = aggregate(table_of([event]), Whereabouts(default_timezone=ZONE))

    assert fold([event], ZONE).orders == {}
    assert_same(to_profile(profiles), fold([event], ZONE))


def test_a_cancelled_order_never_happened_and_asks_for_a_refold() -> None:
    lines = [purchase("1", 0, order_id="o"), purchase("2", 5, order_id="p")]
    cancelled = Event(
        event_id="c", type=EventType.ORDER_CANCELLED, customer_id="anna", order_id="p",
        occurred_at=START + 6 * MICROSECONDS_PER_DAY,
    )  # fmt: skip

    features = named(features_of([*lines, cancelled], START + 10 * MICROSECONDS_PER_DAY))

    assert needs_refold(fold(lines, ZONE), cancelled)
    assert (features["orders"], features["days_since_last_order"]) == (1, 10)


def test_decay_at_half_lives_by_hand() -> None:
    features = named(features_of([purchase("1", 0)], START + 30 * MICROSECONDS_PER_DAY))

    assert features["orders_decayed_30"] == pytest.approx(0.5, rel=RELATIVE)
    assert features["spend_decayed_30"] == pytest.approx(5.0, rel=RELATIVE)
    assert features["spend_decayed_90"] == pytest.approx(10 * 2 ** (-1 / 3), rel=RELATIVE)


def test_hours_are_those_of_the_customers_clock() -> None:
    monday_noon_in_new_york = Event(
        event_id="v", type=EventType.VIEW, customer_id="anna", occurred_at=parse("2017-07-03T16:30:00+00:00")
    )

    assert fold([monday_noon_in_new_york], ZONE).hours == {12: [1, 0]}
    assert fold([monday_noon_in_new_york], "Asia/Kolkata").hours == {22: [1, 0]}


def test_opting_out_of_a_purpose_blanks_its_features_only() -> None:
    view = Event(event_id="v", type=EventType.VIEW, customer_id="anna", occurred_at=START)
    refusal = Event(
        event_id="c", type=EventType.CONSENT_CHANGED, customer_id="anna", purpose="purchases", granted=False,
        occurred_at=START + 1,
    )  # fmt: skip
    features = named(features_of([purchase("1", 0), view, refusal], START + MICROSECONDS_PER_DAY))

    assert np.isnan(features["orders"])
    assert features["views"] == 1
