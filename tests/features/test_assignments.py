"""What events say of who was treated by which variant; each test runs on SQLite and on PostgreSQL."""

from typing import Any

import pytest
from sqlalchemy import select

from experiments import experiment_store
from experiments.design import Experiment, Variant
from experiments.exposure import Exposure
from features import schema
from features.assignments import Assignment, keep_assignments
from features.customer_intake import take_customers
from features.entities import Customer
from features.event_border import parse_event
from features.event_files import ingest_events
from features.event_log import append
from features.events import Event
from features.identity import anonymous_id
from features.instant import parse
from features.store import Store

NOW = parse("2024-06-01")


@pytest.fixture
def trials(store: Store) -> Store:
    """Two experiments of two variants each."""
    variants = (Variant(name="a", weight=0.5), Variant(name="b", weight=0.5))
    with store.writing() as connection:
        for name in ("price", "words"):
            experiment_store.create(connection, "default", Experiment(name=name, variants=variants), NOW)
    return store


def event(event_id: str, type_: str, customer_id: str | None = "anna", **fields: Any) -> Event:
    row = {"event_id": event_id, "type": type_, "occurred_at": "2024-01-05", "customer_id": customer_id, **fields}
    return parse_event(row, default_source="api", received_at=NOW)


def exposure(event_id: str, variant: str, customer_id: str | None = "anna", **fields: Any) -> Event:
    return event(event_id, "exposure", customer_id, **{"experiment": "price", "variant": variant, **fields})


def merge(event_id: str, customer_id: str, merged: str) -> Event:
    return event(event_id, "customer_merged", customer_id, merged_customer_id=merged)


def take(store: Store, *events: Event) -> None:
    with store.writing() as connection:
        assert append(connection, events, NOW, lake=store.lake).accepted == len(events)


def deal(store: Store, unit_id: str, experiment: str, variant: str) -> None:
    with store.writing() as connection:
        keep_assignments(connection, "default", [Assignment(unit_id, experiment, variant, NOW)])


def variants(store: Store, unit_id: str = "anna", brand: str = "default") -> dict[str, str]:
    of = schema.assignments.c
    query = select(of.experiment, of.variant).where(of.brand == brand, of.unit_id == unit_id)
    with store.reading() as connection:
        return {row.experiment: row.variant for row in connection.execute(query)}


def test_an_exposure_counts_as_the_assignment(trials: Store) -> None:
    take(trials, exposure("1", "b"))
    take(trials, exposure("2", "a"))

    assert variants(trials) == {"price": "b"}


def test_a_unit_that_was_dealt_before_keeps_its_variant(trials: Store) -> None:
    with trials.writing() as connection:
        experiment_store.keep_assignments(connection, [Exposure("price", "a", "anna", 1)])

    take(trials, exposure("1", "b"), exposure("2", "b", experiment="words"))

    assert variants(trials) == {"price": "a", "words": "b"}


@pytest.mark.parametrize("fields", [{"variant": "c"}, {"experiment": "colour"}, {"brand": "north"}])
def test_an_exposure_to_what_the_brand_does_not_try_assigns_nobody(trials: Store, fields: dict[str, str]) -> None:
    take(trials, exposure("1", **{"variant": "b", **fields}))

    assert variants(trials, brand=fields.get("brand", "default")) == {}


def test_exposures_in_a_file_count_by_their_times(trials: Store) -> None:
    file = trials.workspace / "events.csv"
    lines = ["1,exposure,2024-01-06,anna,price,a", "2,exposure,2024-01-05,anna,price,b"]
    lines += ["3,exposure,2024-01-05,boris,price,a", "4,exposure,2024-01-05,boris,colour,a"]
    file.write_text("\n".join(["event_id,type,occurred_at,customer_id,experiment,variant", *lines]))

    assert ingest_events(trials, [file], now=NOW).accepted == 4

    assert variants(trials) == {"price": "b"}
    assert variants(trials, "boris") == {"price": "a"}


def test_who_stays_keeps_their_own_variants_and_takes_the_others(trials: Store) -> None:
    deal(trials, "anna", "price", "a")
    deal(trials, "anya", "price", "b")
    deal(trials, "anya", "words", "b")
    take(trials, event("1", "view"), event("2", "view", "anya"))

    take(trials, merge("3", "anna", "anya"))

    assert variants(trials) == {"price": "a", "words": "b"}


def test_variants_follow_through_several_merges(trials: Store) -> None:
    deal(trials, "a", "price", "b")

    take(trials, merge("1", "b", "a"), merge("2", "anna", "b"))

    assert variants(trials) == {"price": "b"}


def test_an_exposure_of_who_was_merged_is_that_of_who_stays(trials: Store) -> None:
    take(trials, exposure("1", "b", "anya"), merge("2", "anna", "anya"))
    take(trials, exposure("3", "a", "anya", experiment="words"))

    assert variants(trials) == {"price": "b", "words": "a"}


def test_a_customer_who_turns_out_to_be_the_anonymous_one_keeps_their_variant(trials: Store) -> None:
    take(trials, exposure("1", "b", None, identifiers={"card": "7"}))
    assert variants(trials, anonymous_id({"card": "7"})) == {"price": "b"}

    with trials.writing() as connection:
        take_customers(connection, "default", [Customer(customer_id="anna", identifiers={"card": "7"})], NOW)

    assert variants(trials) == {"price": "b"}


def test_a_merge_in_a_file_carries_variants_over(trials: Store) -> None:
    deal(trials, "anya", "price", "b")
    file = trials.workspace / "events.csv"
    file.write_text(
        "event_id,type,occurred_at,customer_id,merged_customer_id\n1,customer_merged,2024-01-05,anna,anya\n"
    )

    assert ingest_events(trials, [file], now=NOW).accepted == 1

    assert variants(trials) == {"price": "b"}


def test_an_erasure_takes_the_variants_of_the_same_batch_too(trials: Store) -> None:
    take(trials, exposure("1", "b"), event("2", "customer_erased", occurred_at="2024-03-01"))

    assert variants(trials) == {}
