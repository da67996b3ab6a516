import numpy as np
import pytest

from experiments.design import Experiment, Variant
from experiments.planning import plan
from experiments.power import units_needed
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY as DAY
from features.instant import parse
from features.money import to_money

END = parse("2026-06-01")


def trial(weights=(0.5, 0.5), **fields):
    variants = tuple(Variant(name=letter, weight=weight) for letter, weight in zip("abc", weights, strict=False))
    return Experiment(**{"name": "trial", "variants": variants, "outcome_days": 14, **fields})


def bought(customer, at, amount=10.0):
    return Event(
        event_id=f"{customer}:{at}",
        type=EventType.PURCHASE,
        customer_id=customer,
        occurred_at=at,
        amount=to_money(amount),
    )


def regulars(count):
    """Everybody buys early in the pre-period, half of them again in the last fortnight."""
    events = [bought(f"c{unit}", END - 80 * DAY + unit * DAY // 10) for unit in range(count)]
    return events + [bought(f"c{unit}", END - 5 * DAY) for unit in range(0, count, 2)]


def test_plan_measures_mean_and_deviation_in_the_last_window(table_of):
    found = plan(table_of(regulars(200)), {}, trial(), END)

    assert (found.mean, found.units) == (0.5, 200)
    assert found.deviation == pytest.approx(np.std([0, 1] * 100, ddof=1))
    effect = found.reach[-1]
    assert effect.units == units_needed(found.deviation, effect.relative_effect * 0.5)


def test_days_are_those_until_enough_customers_came_by(table_of):
    found = plan(table_of(regulars(700)), {}, trial(), END, relative_effects=(0.01, 0.3))

    assert found.reach[0].days is None
    assert found.reach[1].days == pytest.approx(10 + found.reach[1].units / 10, abs=1)


def test_share_and_small_variants_leave_fewer_units(table_of):
    found = plan(table_of(regulars(200)), {}, trial((0.5, 0.4, 0.1), share=0.5), END)

    assert found.units == 60


def test_past_that_explains_the_metric_saves_units(table_of):
    rng = np.random.default_rng(1)
    habits = rng.gamma(2.0, 10.0, 300)
    events = [bought(f"c{unit}", END - 40 * DAY, habit) for unit, habit in enumerate(habits)]
    events += [bought(f"c{unit}", END - DAY, habit + rng.normal(5.0, 1.0)) for unit, habit in enumerate(habits)]

    found = plan(table_of(events), {}, trial(primary_metric="revenue"), END)

    assert found.variance_reduction > 0.9


@pytest.mark.parametrize("events", [[], [bought("c", END - 40 * DAY)]])
def test_no_history_gives_no_plan(table_of, events):
    found = plan(table_of(events), {}, trial(), END)

    assert found.reach == []
    assert found.detectable_relative_difference is None
