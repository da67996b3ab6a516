"""From the store's own log to the analysis."""

import json

import msgspec
from typer.testing import CliRunner

from experiments import experiment_store
from experiments.analysis import analyse
from experiments.design import Experiment, Variant
from experiments.experiment_log import opened_log
from experiments.exposure import Exposure
from features import schema
from features.events import Event, EventType
from features.instant import parse
from features.money import to_money
from lagniappe import application

START = parse("2026-03-01")
TRIAL = Experiment(
    name="trial", variants=(Variant(name="control", weight=0.5), Variant(name="treated", weight=0.5)), salt="s"
)


def log_events(connection, events):
    for event in events:
        row = {name: getattr(event, name) for name in ("brand", "source", "event_id", "customer_id", "order_id")}
        row |= {"type": event.type.value, "occurred_at": event.occurred_at, "received_at": event.occurred_at}
        connection.execute(schema.events.insert(), {**row, "body": msgspec.json.encode(event).decode()})


def bought(customer, at, amount):
    return Event(
        event_id=f"{customer}-{at}",
        type=EventType.PURCHASE,
        customer_id=customer,
        occurred_at=at,
        amount=to_money(amount),
    )


def fill(store):
    with store.writing() as connection:
        experiment_store.create(connection, "default", TRIAL, START)
        experiment_store.start(connection, "default", "trial", START)
        shown = [("a", "control"), ("b", "treated"), ("c", "treated")]
        exposures = [Exposure("trial", variant, customer, START) for customer, variant in shown]
        log_events(connection, experiment_store.expose(connection, exposures))
        log_events(
            connection, [bought("a", START + 1, 10.0), bought("b", START + 2, 30.0), bought("old", START + 3, 5.0)]
        )
        merge = {"brand": "default", "merged_customer_id": "old", "customer_id": "c", "occurred_at": START + 5}
        connection.execute(schema.merges.insert(), merge)


def revenue(store, as_of):
    with opened_log(store, "default", as_of) as log:
        found = analyse(log.events, log.roots, TRIAL, log.as_of)
    return next(each.effect for each in found.metrics if each.metric == "revenue")


def test_logged_exposures_and_purchases_are_analysed(store):
    fill(store)

    found = revenue(store, START + 10)

    assert (found.control_mean, found.variant_mean) == (10.0, 17.5)


def test_nothing_at_or_after_the_cutoff_is_read(store):
    fill(store)

    found = revenue(store, START + 2)

    assert (found.control_mean, found.variant_mean) == (10.0, 0.0)


def test_log_ends_after_the_last_event_by_default(store):
    fill(store)

    with opened_log(store, "default", None) as log:
        assert log.as_of == START + 4
    with opened_log(store, "other", None) as log:
        assert log.as_of == 0


def test_analysis_is_answered_by_the_command(sqlite_store):
    fill(sqlite_store)
    place = ["--workspace", str(sqlite_store.workspace), "--json"]

    analysed = CliRunner().invoke(application, ["experiment", "analyse", "trial", *place])
    planned = CliRunner().invoke(application, ["experiment", "plan", "trial", "--effect", "0.1", *place])

    assert json.loads(analysed.stdout)["units"] == {"control": 1, "treated": 2}
    assert json.loads(planned.stdout)["experiment"] == "trial"
