import itertools
import json

import numpy as np
import pytest

from experiments.analysis import analyse
from experiments.design import Experiment, Variant
from experiments.exposure import Exposure
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY as DAY
from features.instant import parse
from features.money import to_money

START = parse("2026-03-01")
END = START + 60 * DAY
numbers = itertools.count()


def trial(**fields):
    variants = (Variant(name="control", weight=0.5), Variant(name="treated", weight=0.5))
    return Experiment(**{"name": "trial", "variants": variants, **fields})


def shown(customer, variant, at=START, experiment="trial"):
    return Exposure(experiment, variant, customer, at).event()


def event(kind, customer, at, **fields):
    return Event(event_id=str(next(numbers)), type=EventType(kind), customer_id=customer, occurred_at=at, **fields)


def bought(customer, at, amount=10.0, order_id=None):
    return event("purchase", customer, at, amount=to_money(amount), order_id=order_id)


def effects(analysis):
    return {each.metric: each.effect for each in analysis.metrics}


SMALL = [
    shown("a", "control"),
    shown("b", "control", START + DAY),
    shown("c", "treated"),
    shown("d", "treated", START + DAY),
    bought("a", START + DAY, 10.0),
    bought("b", START + DAY, 20.0, "o1"),
    bought("b", START + DAY, 5.0, "o1"),
    bought("c", START + 2 * DAY, 30.0),
    bought("c", START + 3 * DAY, 30.0),
    bought("d", START, 99.0),
    event("offer_presented", "c", START, offer_id="x"),
    event("offer_presented", "c", START + DAY, offer_id="y"),
    event("offer_presented", "c", START + DAY, offer_id="none"),
    event("offer_accepted", "c", START + DAY, offer_id="y"),
    event("offer_presented", "a", START + DAY, offer_id="y"),
    bought("stranger", START + DAY, 1_000.0),
]


def test_means_are_those_counted_by_hand(table_of):
    found = effects(analyse(table_of(SMALL), {}, trial(), END))

    assert (found["conversion"].control_mean, found["conversion"].variant_mean) == (1.0, 0.5)
    assert (found["revenue"].control_mean, found["revenue"].variant_mean) == (17.5, 30.0)
    assert (found["orders"].control_mean, found["orders"].variant_mean) == (1.0, 1.0)
    assert (found["average_order"].control_mean, found["average_order"].variant_mean) == (17.5, 30.0)
    assert (found["offer_acceptance"].control_mean, found["offer_acceptance"].variant_mean) == (0.0, 0.5)
    assert found["revenue"].raw_difference == 12.5


def test_document_has_the_columns_of_the_contract(table_of):
    document = json.loads(json.dumps(analyse(table_of(SMALL), {}, trial(), END).document(), allow_nan=False))

    assert document["units"] == {"control": 2, "treated": 2}
    assert {"experiment", "sample_ratio_p_value", "metrics", "verdict", "readable_from"} <= document.keys()
    assert document["readable_from"] == "2026-03-01T00:00:00Z"
    assert document["sample_ratio_p_value"] == 1.0
    columns = """metric variant control_mean variant_mean difference raw_difference low high relative_difference
        relative_low relative_high sequential_low sequential_high p_value variance_reduction"""
    assert all(set(row) == set(columns.split()) for row in document["metrics"])


def test_unit_exposed_to_two_variants_is_excluded_and_counted(table_of):
    analysis = analyse(table_of([*SMALL, shown("c", "control", START + 5 * DAY)]), {}, trial(), END)

    assert analysis.units == {"control": 2, "treated": 1}
    assert analysis.excluded_units == 1


def test_merged_identities_are_one_unit(table_of):
    merged = analyse(table_of([*SMALL, bought("old d", START + 4 * DAY)]), {"old d": "d"}, trial(), END)
    clashing = analyse(table_of(SMALL), {"a": "c"}, trial(), END)

    assert effects(merged)["conversion"].variant_mean == 1.0
    assert clashing.excluded_units == 1
    assert clashing.units == {"control": 1, "treated": 1}


def test_exposure_to_a_variant_that_is_none_of_ours_strays(table_of):
    analysis = analyse(table_of([*SMALL, shown("e", "typo")]), {}, trial(), END)

    assert (analysis.stray_units, sum(analysis.units.values())) == (1, 4)


def test_other_experiments_do_not_count(table_of):
    analysis = analyse(table_of([shown("a", "control", experiment="other")]), {}, trial(), END)

    assert analysis.units == {"control": 0, "treated": 0}


def test_cancelled_order_is_no_purchase(table_of):
    events = [shown("a", "control"), shown("b", "treated"), bought("a", START, order_id="o")]
    events.append(event("order_cancelled", "a", START + DAY, order_id="o"))

    assert effects(analyse(table_of(events), {}, trial(), END))["conversion"].control_mean == 0.0


def test_only_outcomes_in_the_window_of_watched_units_count(table_of):
    late = [shown("e", "treated", END - DAY), bought("e", END - 1), bought("c", START + 20 * DAY, 500.0)]

    analysis = analyse(table_of([*SMALL, *late]), {}, trial(outcome_days=14), END)

    assert analysis.units == {"control": 2, "treated": 3}
    assert analysis.readable_units == {"control": 2, "treated": 2}
    assert effects(analysis)["revenue"].variant_mean == 30.0
    assert analysis.readable_from == START + 14 * DAY


def world(units, lift, seed):
    """Customers whose spend after exposure goes with that before it, and who spend ``lift`` more when treated."""
    rng = np.random.default_rng(seed)
    events = []
    for unit in range(units):
        variant, habit = ("control", "treated")[unit % 2], rng.gamma(4.0, 5.0)
        customer = f"customer-{unit}"
        events += [shown(customer, variant), bought(customer, START - DAY, habit)]
        events.append(bought(customer, START + DAY, habit + rng.normal(10.0, 1.0) + lift * (variant == "treated")))
    return events


def test_cuped_narrows_the_interval_and_keeps_the_truth_in_it(table_of):
    found = effects(analyse(table_of(world(600, 2.0, seed=1)), {}, trial(primary_metric="revenue"), END))["revenue"]

    assert found.variance_reduction > 0.95
    assert found.low < 2.0 < found.high
    assert found.high - found.low < 0.5
    assert found.sequential_low < found.low < found.high < found.sequential_high


@pytest.mark.parametrize(("lift", "word"), [(2.0, "ship treated"), (-2.0, "stop treated"), (0.0, "go on")])
def test_verdict_follows_the_always_valid_interval(table_of, lift, word):
    analysis = analyse(table_of(world(400, lift, seed=2)), {}, trial(primary_metric="revenue"), END)

    assert analysis.verdict.startswith(word)


def test_planned_units_without_a_difference_end_it(table_of):
    experiment = trial(primary_metric="revenue", planned_units=400)

    assert analyse(table_of(world(400, 0.0, seed=2)), {}, experiment, END).verdict.startswith(
        "stop: after the planned 400"
    )


def test_sample_ratio_mismatch_stops_the_reading(table_of):
    events = [shown(str(unit), "treated" if unit % 3 else "control") for unit in range(300)]

    analysis = analyse(table_of(events), {}, trial(), END)

    assert analysis.sample_ratio_p_value < 0.001
    assert analysis.verdict.startswith("do not read: sample ratio mismatch")


def test_changed_weights_leave_no_ratio_to_test(table_of):
    assert analyse(table_of(SMALL), {}, trial(), END, has_fixed_weights=False).sample_ratio_p_value is None


@pytest.mark.parametrize("events", [[], [bought("a", START)], [shown("a", "control")], [shown("a", "treated")]])
def test_nobody_or_one_unit_gives_no_interval_and_goes_on(table_of, events):
    analysis = analyse(table_of(events), {}, trial(), END)

    assert all(each.effect.low is None and each.effect.p_value is None for each in analysis.metrics)
    assert analysis.verdict.startswith("go on")
    json.dumps(analysis.document(), allow_nan=False)


def test_no_unit_watched_long_enough_says_when(table_of):
    analysis = analyse(table_of(SMALL), {}, trial(outcome_days=90), END)

    assert analysis.verdict == "go on: nothing can be read before 2026-05-30T00:00:00Z"
