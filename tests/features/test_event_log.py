import json
from typing import Any

import ibis
import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from features import schema
from features.batching import to_profile
from features.brand import read_brand
from features.event_border import parse_event
from features.event_log import CONFLICT, AppendResult, append, log_table, refold
from features.events import Event
from features.identity import anonymous_id
from features.instant import MICROSECONDS_PER_DAY, parse
from features.packing import unpack
from features.profile import Profile, fold
from features.profile_store import read_profile
from features.store import Store

NOW = parse("2024-06-01")


def event(event_id: str, type_: str = "purchase", **fields: Any) -> Event:
    row = {"event_id": event_id, "type": type_, "occurred_at": "2024-01-05T10:00:00Z", "customer_id": "anna", **fields}
    if type_ == "purchase":
        row = {"amount": 10, "product_id": "milk", **row}
    return parse_event(row, default_source="api", received_at=NOW)


def take(store: Store, *events: Event) -> AppendResult:
    with store.writing() as connection:
        return append(connection, events, NOW, lake=store.lake)


def profile(store: Store, customer_id: str = "anna") -> Profile | None:
    with store.reading() as connection:
        body = read_profile(connection, "default", customer_id)
    return None if body is None else to_profile(unpack(customer_id, body))


def count(store: Store, table: Any = schema.events) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def assert_profile_is(store: Store, customer_id: str, *events: Event, zone: str = "UTC") -> None:
    found, expected = profile(store, customer_id), fold(events, zone)
    assert found is not None
    assert found.decayed == pytest.approx(expected.decayed, rel=1e-9)
    found.decayed = expected.decayed
    assert found.products.keys() == expected.products.keys()
    found.products = expected.products
    assert found == expected


def test_the_same_event_again_is_a_duplicate(store: Store) -> None:
    first = take(store, event("1"), event("1"), event("2"))
    second = take(store, event("1"), event("2"))

    assert (first.accepted, first.duplicates) == (2, 1)
    assert (second.accepted, second.duplicates) == (0, 2)
    assert_profile_is(store, "anna", event("1"), event("2"))


def test_the_same_id_with_other_content_is_a_conflict(store: Store) -> None:
    take(store, event("1"))

    result = take(store, event("1", amount=11), event("2"))

    assert result.rejected == [("1", "event_id", CONFLICT)]
    assert result.accepted == 1


def test_sources_and_brands_have_ids_of_their_own(store: Store) -> None:
    assert take(store, event("1"), event("1", source="till"), event("1", brand="north")).accepted == 3


def test_profiles_equal_the_fold_of_the_log_in_whatever_order_it_came(store: Store) -> None:
    events = [event(str(n), occurred_at=f"2024-01-{20 - n}", order_id=f"o{n % 3}", amount=n) for n in range(10)]
    for one in events:
        take(store, one)

    assert_profile_is(store, "anna", *events)


def test_a_cancelled_order_leaves_the_profile(store: Store) -> None:
    lines = [event("1", order_id="o"), event("2", order_id="o"), event("3", order_id="p")]
    take(store, *lines)
    cancelled = event("4", "order_cancelled", order_id="o")

    take(store, cancelled, event("5", order_id="o"))

    assert_profile_is(store, "anna", *lines, cancelled, event("5", order_id="o"))


def test_an_anonymous_profile_joins_the_customer_that_the_identifier_turns_out_to_be(store: Store) -> None:
    unknown = event("1", customer_id=None, identifiers={"card": "7"})
    take(store, unknown)
    assert profile(store, anonymous_id({"card": "7"})) is not None

    known = event("2", identifiers={"card": "7"})
    late = event("3", customer_id=None, identifiers={"card": "7"}, occurred_at="2024-01-01")
    take(store, known, late)

    assert profile(store, anonymous_id({"card": "7"})) is None
    assert_profile_is(store, "anna", unknown, known, late)


def test_an_identifier_of_another_customer_is_refused(store: Store) -> None:
    take(store, event("1", identifiers={"card": "7"}))

    result = take(store, event("2", customer_id="boris", identifiers={"card": "7"}))

    assert [(event_id, field) for event_id, field, _ in result.rejected] == [("2", "identifiers")]
    assert profile(store, "boris") is None


def test_merged_customers_have_one_profile_and_later_events_follow(store: Store) -> None:
    before = [event("1"), event("2", customer_id="anya", order_id="o")]
    take(store, *before)

    take(store, event("3", "customer_merged", merged_customer_id="anya"))
    after = event("4", customer_id="anya", order_id="o")
    take(store, after)

    assert profile(store, "anya") is None
    assert_profile_is(store, "anna", *before, after)


def test_a_merge_that_brings_a_cancellation_to_its_lines_folds_anew(store: Store) -> None:
    events = [event("1", order_id="o"), event("2", "order_cancelled", order_id="o", customer_id="anya"), event("3")]
    take(store, *events)

    take(store, event("4", "customer_merged", merged_customer_id="anya"))

    assert_profile_is(store, "anna", *events)


def test_blocking_is_in_the_profile_at_once(store: Store) -> None:
    take(store, event("1"), event("2", "contact_blocked", occurred_at="2024-02-01"))

    found = profile(store)

    assert found is not None
    assert found.states["blocked"][1] == "yes"


def test_a_changed_time_zone_folds_the_customer_anew(store: Store) -> None:
    take(store, event("1"))
    with store.writing() as connection:
        row = {"customer_id": "anna", "brand": "default", "timezone": "Asia/Tokyo"}
        body = msgspec.json.encode(row).decode()
        values = {"brand": "default", "customer_id": "anna", "body": body, "updated_at": 0}
        connection.execute(insert(schema.customers).values(values))
        refold(connection, store.lake, "default", ["anna"])

    assert_profile_is(store, "anna", event("1"), zone="Asia/Tokyo")


def test_erasure_leaves_nothing_but_a_hash(store: Store) -> None:
    take(store, event("1", identifiers={"card": "7"}), event("2", customer_id="boris"))
    erasure = event("3", "customer_erased", occurred_at="2024-03-01")

    result = take(store, erasure)

    assert result.accepted == 1
    assert profile(store) is None
    assert count(store) == 1
    assert count(store, schema.identifiers) == 0
    with store.reading() as connection:
        assert "anna" not in str(connection.execute(select(schema.erased)).all())


def test_what_happened_before_an_erasure_does_not_come_back(store: Store) -> None:
    take(store, event("1"), event("2", "customer_erased", occurred_at="2024-03-01"))

    again = take(store, event("1"), event("2", "customer_erased", occurred_at="2024-03-01"))
    later = take(store, event("4", occurred_at="2024-03-02"))

    assert [rejection[:2] for rejection in again.rejected] == [("1", "customer_id")]
    assert again.duplicates == 1
    assert later.accepted == 1
    assert_profile_is(store, "anna", event("4", occurred_at="2024-03-02"))


def test_the_first_currency_becomes_the_brands_and_others_need_a_rate(store: Store) -> None:
    dollars = {"currency": "USD", "amount": 10}

    result = take(
        store,
        event("1", currency="RUB"),
        event("2", **dollars),
        event("3", **dollars, exchange_rate=90.5),
        event("3", **dollars, exchange_rate=90.5),
        event("4"),
    )

    assert [rejection[:2] for rejection in result.rejected] == [("2", "currency")]
    assert (result.accepted, result.duplicates) == (3, 1)
    assert_profile_is(store, "anna", event("1"), event("3", amount=905), event("4"))
    with store.reading() as connection:
        assert read_brand(connection).currency == "RUB"


DECISION = {
    "decision_id": "d",
    "brand": "default",
    "customer_id": "anna",
    "decided_at": NOW,
    "expires_at": NOW + MICROSECONDS_PER_DAY,
    "offer_id": "cake",
    "body": '{"propensities": {"cake": 0.25}}',
}


@pytest.fixture
def decided(store: Store) -> Store:
    """A decision on one offer that may cost 3 currency units."""
    reservation = {key: DECISION[key] for key in ("decision_id", "brand", "customer_id", "decided_at", "expires_at")}
    with store.writing() as connection:
        connection.execute(insert(schema.decisions).values(DECISION))
        connection.execute(
            insert(schema.reservations).values(**reservation, offer_id="cake", state="reserved", cost=30_000, charged=0)
        )
        connection.execute(
            insert(schema.offer_usage).values(
                brand="default", offer_id="cake", issued=1, cost_reserved=30_000, cost_charged=0
            )
        )
    return store


def offer_event(event_id: str, what: str, **fields: Any) -> Event:
    return event(event_id, f"offer_{what}", offer_id="cake", decision_id="d", **fields)


def usage(store: Store) -> tuple[str, int, int, int]:
    with store.reading() as connection:
        state = connection.execute(select(schema.reservations.c.state)).scalar_one()
        row = connection.execute(select(schema.offer_usage)).one()
    return state, row.issued, row.cost_reserved, row.cost_charged


def test_erasure_leaves_decisions_under_a_pseudonym(decided: Store) -> None:
    request = {"customer_id": "anna", "decision_id": "d", "context": {"note": "anna's phone"}}
    body = json.dumps({**json.loads(DECISION["body"]), "request": request, "features": [1.0], "none_probability": 0.5})
    with decided.writing() as connection:
        connection.execute(update(schema.decisions).values(body=body))

    take(decided, event("1", "customer_erased", occurred_at="2024-03-01"))

    with decided.reading() as connection:
        decision = connection.execute(select(schema.decisions)).one()
        held = connection.execute(select(schema.reservations)).one()
    assert "anna" not in f"{decision} {held}"
    assert json.loads(decision.body)["none_probability"] == 0.5
    assert held.customer_id == decision.customer_id


def test_a_presentation_confirms_and_an_acceptance_charges(decided: Store) -> None:
    take(decided, offer_event("1", "presented"))
    assert usage(decided) == ("confirmed", 1, 30_000, 0)

    take(decided, offer_event("2", "accepted", discount_amount=2))
    assert usage(decided) == ("accepted", 1, 0, 20_000)


def test_an_expired_offer_is_released(decided: Store) -> None:
    take(decided, offer_event("1", "expired"))

    assert usage(decided) == ("released", 0, 0, 0)


def test_an_acceptance_counts_whatever_else_is_told_before_or_after(decided: Store) -> None:
    take(decided, offer_event("1", "expired"), offer_event("2", "accepted"), offer_event("3", "presented"))

    assert usage(decided) == ("accepted", 1, 0, 30_000)


def test_nobody_moves_the_offers_of_another_customer(decided: Store) -> None:
    result = take(decided, offer_event("1", "accepted", customer_id="boris"), offer_event("2", "expired"))

    assert result.accepted == 2
    assert usage(decided) == ("released", 0, 0, 0)


@pytest.mark.parametrize("batches", [1, 2])
def test_whoever_the_customer_became_moves_their_offers(decided: Store, batches: int) -> None:
    merge = event("1", "customer_merged", customer_id="boris", merged_customer_id="anna")
    events = [merge, offer_event("2", "presented"), offer_event("3", "accepted", customer_id="boris")]
    for batch in (events[:1], events[1:]) if batches == 2 else (events,):
        take(decided, *batch)

    assert usage(decided)[0] == "accepted"


def test_a_propensity_other_than_the_logged_one_is_refused(decided: Store) -> None:
    result = take(
        decided, offer_event("1", "presented", propensity=0.3), offer_event("2", "presented", propensity=0.25)
    )

    assert [rejection[:2] for rejection in result.rejected] == [("1", "propensity")]
    assert result.accepted == 1


def test_the_log_reads_back_as_a_table(store: Store) -> None:
    take(store, event("1", colour="red"), event("2", occurred_at="2024-02-01"))
    connection = ibis.duckdb.connect()

    table = log_table(store, connection, "default", before=parse("2024-02-01"))

    found = table.to_pyarrow().to_pylist()
    assert [(row["event_id"], row["amount"], row["properties"]) for row in found] == [
        ("1", 100_000, '{"colour":"red"}')
    ]
    connection.disconnect()
