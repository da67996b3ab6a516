"""Each test runs on SQLite and on PostgreSQL."""

import msgspec
import pytest
from sqlalchemy import select

from experiments import experiment_store
from experiments.assignment import assign
from experiments.design import Experiment, Layer, Variant
from experiments.exposure import Exposure
from features import schema
from features.errors import FieldError


@pytest.fixture
def connection(store):
    with store.writing() as connection:
        yield connection


def trial(name="trial", weights=(0.5, 0.5), **fields):
    variants = tuple(Variant(name=letter, weight=weight) for letter, weight in zip("abc", weights, strict=False))
    return Experiment(name=name, variants=variants, **fields)


def running(connection, experiment):
    experiment_store.create(connection, "default", experiment, 1)
    return experiment_store.start(connection, "default", experiment.name, 2)


def log_exposures(connection, events):
    for event in events:
        body = msgspec.json.encode(event).decode()
        row = {name: getattr(event, name) for name in ("brand", "source", "event_id", "customer_id", "type")}
        row |= {"occurred_at": event.occurred_at, "received_at": event.occurred_at, "body": body}
        connection.execute(schema.events.insert(), row)


def test_draft_is_read_back_as_it_was(connection):
    experiment = trial(layer=Layer(name="page", low=0.0, high=0.5), eligibility={"tier": ("gold",)}, start=5)

    experiment_store.create(connection, "default", experiment, 1)

    assert experiment_store.read(connection, "default", "trial").experiment == experiment
    assert experiment_store.active(connection, "default") == []


def test_only_running_experiments_of_the_brand_are_active(connection):
    stored = running(connection, trial())
    experiment_store.create(connection, "default", trial("draft"), 1)

    assert stored.started_at == 2
    assert experiment_store.active(connection, "default") == [trial()]
    assert experiment_store.active(connection, "other") == []

    experiment_store.stop(connection, "default", "trial", 3)
    assert experiment_store.active(connection, "default") == []


def test_changed_weights_make_a_version_and_move_nobody_already_dealt(connection):
    running(connection, trial())
    dealt = assign(trial(), "7").name
    experiment_store.keep_assignments(connection, [Exposure("trial", dealt, "7", 3)])
    other = (0.0001, 0.9999) if dealt == "a" else (0.9999, 0.0001)

    changed = experiment_store.create(connection, "default", trial(weights=other), 4)

    kept = connection.execute(select(schema.assignments.c.variant)).scalar_one()
    assert assign(changed.experiment, "7", kept).name == dealt
    assert (changed.version, changed.state, changed.former[0].experiment) == (2, "running", trial())
    assert not changed.has_fixed_weights


def test_same_file_twice_is_one_version(connection):
    experiment_store.create(connection, "default", trial(), 1)

    assert experiment_store.create(connection, "default", trial(), 2).version == 1


@pytest.mark.parametrize(
    "changed",
    [trial(salt="new"), trial(layer=Layer(name="page")), trial(control="b")],
    ids=["salt", "layer", "control"],
)
def test_change_that_would_deal_anew_is_refused_while_running(connection, changed):
    running(connection, trial())

    with pytest.raises(FieldError, match="as long as it runs"):
        experiment_store.create(connection, "default", changed, 3)


def test_variant_cannot_leave_a_running_experiment(connection):
    running(connection, trial(weights=(0.4, 0.3, 0.3)))

    with pytest.raises(FieldError, match="c among them"):
        experiment_store.create(connection, "default", trial(), 3)


def test_stopped_experiment_neither_starts_nor_changes(connection):
    running(connection, trial())
    experiment_store.stop(connection, "default", "trial", 3)

    with pytest.raises(FieldError, match="another name"):
        experiment_store.start(connection, "default", "trial", 4)
    with pytest.raises(FieldError, match="new name"):
        experiment_store.create(connection, "default", trial(weights=(0.1, 0.9)), 4)


def test_stop_before_start_is_refused(connection):
    experiment_store.create(connection, "default", trial(), 1)

    with pytest.raises(FieldError, match="was started"):
        experiment_store.stop(connection, "default", "trial", 2)


def test_unknown_name_is_answered_with_the_known_ones(connection):
    experiment_store.create(connection, "default", trial(), 1)

    with pytest.raises(FieldError, match="of brand default: trial"):
        experiment_store.start(connection, "default", "trail", 2)


def test_variant_naming_a_missing_version_does_not_start(connection):
    variants = (Variant(name="a", weight=0.5), Variant(name="b", weight=0.5, models={"churn": "4"}))
    experiment_store.create(connection, "default", Experiment(name="trial", variants=variants), 1)

    with pytest.raises(FieldError, match=r"b\.models\.churn: got '4', expected .* none is trained"):
        experiment_store.start(connection, "default", "trial", 2)

    deployment = {
        "brand": "default",
        "model": "churn",
        "version": "4",
        "alias": "challenger",
        "path": "",
        "deployed_at": 0,
    }
    connection.execute(schema.deployments.insert(), deployment)
    assert experiment_store.start(connection, "default", "trial", 2).state == "running"


def test_overlapping_parts_of_a_layer_do_not_run_together(connection):
    running(connection, trial("first", layer=Layer(name="page", low=0.0, high=0.6)))
    running(connection, trial("elsewhere", layer=Layer(name="mail", low=0.0, high=1.0)))
    experiment_store.create(connection, "default", trial("second", layer=Layer(name="page", low=0.5, high=1.0)), 1)

    with pytest.raises(FieldError, match="which first has"):
        experiment_store.start(connection, "default", "second", 2)


def test_exposure_is_logged_once(connection):
    first, again = Exposure("trial", "a", "7", 10), Exposure("trial", "a", "7", 20)

    events = experiment_store.expose(connection, [first, again, Exposure("trial", "b", "8", 11)])
    log_exposures(connection, events)

    assert [(event.customer_id, event.occurred_at) for event in events] == [("7", 10), ("8", 11)]
    assert experiment_store.expose(connection, [again]) == []


def test_exposure_is_logged_after_an_assignment_without_one(connection):
    exposure = Exposure("trial", "a", "7", 10)
    experiment_store.keep_assignments(connection, [exposure])

    assert experiment_store.expose(connection, [exposure]) == [exposure.event()]
