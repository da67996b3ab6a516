"""How lifetime value is judged: by customers that taught nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from features.history import Snapshot
from features.vector import FEATURES
from tests.training.models.made_up import snapshot
from training.errors import NotEnoughData
from training.metrics import coverage, total_ratio
from training.models import lifetime_value_forests
from training.models.customer_parts import PARTS, part_numbers
from training.models.lifetime_value import LifetimeValueModel
from training.models.lifetime_value_training import TENURE, without_openings

CUSTOMERS = 800


def of_luck(seed: int, days: Sequence[int], customers: int = CUSTOMERS) -> list[Snapshot]:
    """Everyone has facts of their own that tell nothing, and spends by luck, drawn once for all cutoffs: as if the
    horizons were almost the same.
    """
    generator = np.random.default_rng(seed)
    facts = generator.exponential(30.0, (customers, len(FEATURES)))
    spend = np.where(generator.random(customers) < 0.95, np.exp(generator.normal(3.0, 1.0, customers)), 0.0)
    orders = (spend > 0).astype(np.int64)
    return [snapshot(day, range(customers), facts.copy(), orders, spend) for day in days]


def test_intervals_are_as_wide_for_strangers_as_overlapping_horizons_leave_them() -> None:
    past, strangers = of_luck(1, range(0, 42, 7)), of_luck(2, [70], 4_000)[0]

    value = LifetimeValueModel.fit(past, {}, seed=0).predict(strangers.features, strangers.as_of)

    assert coverage(strangers.spend, value.low, value.high) == pytest.approx(0.8, abs=0.04)
    assert total_ratio(strangers.spend, value.mean) == pytest.approx(1.0, abs=0.15)
    assert value.mean.std() < 0.25 * value.mean.mean()


def test_a_single_cutoff_is_learned_from() -> None:
    past, strangers = of_luck(1, [0]), of_luck(2, [70], 4_000)[0]

    value = LifetimeValueModel.fit(past, {}, seed=0).predict(strangers.features, strangers.as_of)

    assert coverage(strangers.spend, value.low, value.high) == pytest.approx(0.8, abs=0.05)


def test_every_part_has_spenders_of_the_newest_cutoff_where_these_are_few() -> None:
    earlier, newest = of_luck(1, [0, 30])
    few = np.zeros(CUSTOMERS)
    few[100 : 100 + 2 * PARTS] = 1.0

    _, part = part_numbers([earlier, newest], 0, [(earlier.spend > 0).astype(np.float64), few])

    assert np.bincount(part[few > 0], minlength=PARTS).tolist() == [2] * PARTS
    assert np.bincount(part, minlength=PARTS).tolist() == [CUSTOMERS // PARTS] * PARTS


def test_days_when_most_customers_were_new_teach_nothing() -> None:
    ages_days = {0: 2.0, 7: 9.0, 14: 16.0, 28: 30.0}
    past = of_luck(1, list(ages_days))
    for one, age in zip(past, ages_days.values(), strict=True):
        one.features[:, TENURE] = age

    assert [one.as_of for one in without_openings(past)] == [one.as_of for one in past[2:]]
    assert [one.as_of for one in without_openings(past[:2])] == [past[1].as_of]


def test_a_tenure_that_nobody_is_known_by_leaves_cutoffs_out_of_nothing() -> None:
    past = of_luck(1, [0, 28])
    for one in past:
        one.features[:, TENURE] = np.nan

    assert without_openings(past) == past


@pytest.mark.parametrize("refusing_share", [0.0, 0.4, 0.55])
def test_who_refuses_is_not_taken_for_new(refusing_share: float) -> None:
    past = of_luck(1, [0, 7, 14, 28])
    for one in past:
        one.features[:, TENURE] = 20.0
        one.features[: int(refusing_share * CUSTOMERS), TENURE] = np.nan

    assert without_openings(past) == past


def test_the_level_of_many_customers_is_judged_by_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    past = of_luck(1, [0, 7])
    level = LifetimeValueModel.fit(past, {}, seed=0).scale

    monkeypatch.setattr(lifetime_value_forests, "ENOUGH_JUDGED", 1)

    assert LifetimeValueModel.fit(past, {}, seed=0).scale == level


def test_one_customer_at_many_cutoffs_is_not_enough_to_learn_from() -> None:
    *earlier, newest = of_luck(1, range(0, 140, 7))
    alone = np.zeros(CUSTOMERS)
    alone[0] = 1.0

    with pytest.raises(NotEnoughData, match="customers who spent, to learn from: got 1, "):
        LifetimeValueModel.fit([*(replace(one, spend=alone) for one in earlier), newest], {}, seed=0)
