"""How churn is judged: by customers that taught nothing."""

from collections.abc import Sequence

import numpy as np
import pytest

from features.history import Snapshot
from features.vector import FEATURES
from tests.training.models.made_up import snapshot
from training.models.churn import ChurnModel
from training.models.customer_parts import PARTS, part_numbers
from training.models.recency_frequency import NAMES, RecencyFrequency

CUSTOMERS = 600


def of_coins(seed: int, days: Sequence[int]) -> list[Snapshot]:
    """Everyone has facts of their own that tell nothing, and comes back, or not, by a coin thrown once for all cutoffs:
    as if the horizons were almost the same.
    """
    generator = np.random.default_rng(seed)
    facts = generator.exponential(30.0, (CUSTOMERS, len(FEATURES)))
    orders = generator.integers(0, 2, CUSTOMERS)
    return [snapshot(day, range(CUSTOMERS), facts.copy(), orders) for day in days]


def test_what_overlapping_horizons_tell_of_the_same_customers_is_not_learned_by_heart() -> None:
    past, strangers = of_coins(1, range(0, 42, 7)), of_coins(2, [70])[0]

    model = ChurnModel.fit(past, {}, seed=0)

    assert model.predict(strangers.features, strangers.as_of).std() < 0.05


def test_of_a_single_cutoff_other_customers_teach() -> None:
    past, strangers = of_coins(1, [0]), of_coins(2, [70])[0]

    model = ChurnModel.fit(past, {}, seed=0)

    assert model.predict(strangers.features, strangers.as_of).std() < 0.1


def test_a_customer_is_in_one_part_and_the_parts_are_alike_in_size() -> None:
    both = of_coins(1, [0, 7])
    later = snapshot(14, range(CUSTOMERS // 2, CUSTOMERS + 10), np.zeros((310, len(FEATURES))), np.zeros(310, np.int64))

    first, second, third = part_numbers([*both, later], seed=3)

    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[CUSTOMERS // 2 :], third[:-10])
    sizes = np.bincount(np.concatenate([first, third[-10:]]), minlength=PARTS)
    assert sizes.max() - sizes.min() <= 1


def test_where_a_single_customer_is_all_who_ever_came_back_the_shop_is_still_learned_from() -> None:
    generator = np.random.default_rng(0)
    facts = generator.exponential(30.0, (40, len(FEATURES)))
    only_one, some = np.arange(40) == 0, np.arange(40) < 6
    past = [snapshot(day, range(40), facts.copy(), only_one.astype(np.int64)) for day in range(0, 42, 7)]
    newest = snapshot(42, range(40), facts, some.astype(np.int64))

    chance = ChurnModel.fit([*past, newest], {}, seed=0).predict(facts, newest.as_of)

    assert np.isfinite(chance).all()
    assert chance.mean() == pytest.approx(0.9, abs=0.09)


def test_a_simple_score_of_before_spend_is_still_read() -> None:
    generator = np.random.default_rng(0)
    features = generator.exponential(30.0, (50, len(FEATURES)))
    score = RecencyFrequency(np.linspace(0.0, 1.0, len(NAMES)), np.linspace(0.5, -0.5, len(NAMES)), 0.25)
    before = {name: values[:4] for name, values in score.words().items() if name != "intercept"}

    read = RecencyFrequency.of({**before, "intercept": 0.25})

    spend = np.log1p(features[:, FEATURES.index("spend")])
    expected = score.predict_raw(features) - score.weights[-1] * (spend - score.means[-1])
    np.testing.assert_allclose(read.predict_raw(features), expected, rtol=1e-12)


def test_who_spends_more_is_likelier_to_come_back_where_that_was_so() -> None:
    generator = np.random.default_rng(0)
    features = generator.exponential(30.0, (5_000, len(FEATURES)))
    spend = np.log1p(features[:, FEATURES.index("spend")])
    lost = (generator.random(5_000) < 1 / (1 + np.exp(2 * (spend - spend.mean())))).astype(np.float64)

    found = RecencyFrequency.fit(features, lost)

    assert found.weights[NAMES.index("spend")] == pytest.approx(-2.0, abs=0.2)
