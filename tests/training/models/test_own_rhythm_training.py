"""Churn against the own rhythm is judged by customers that taught nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from features.history import Snapshot
from features.instant import MICROSECONDS_PER_DAY
from features.outcomes import NEVER
from features.vector import FEATURES
from tests.training.models.made_up import snapshot
from training.metrics import log_loss
from training.models.own_rhythm_training import FEWEST_OF_EACH, fit_own_rhythm, stayed_away

CUSTOMERS = 600
_MEAN_GAP, _SINCE_LAST = FEATURES.index("mean_gap_days"), FEATURES.index("days_since_last_order")


def with_next_order(day: int, facts: NDArray[np.float64], returns: NDArray[np.bool_], after_days: float) -> Snapshot:
    made = snapshot(day, range(len(facts)), facts.copy(), returns.astype(np.int64))
    ordered_at = made.as_of + int(after_days * MICROSECONDS_PER_DAY)
    return replace(made, next_order_at=np.where(returns, ordered_at, NEVER))


def of_coins(seed: int, days: Sequence[int]) -> list[Snapshot]:
    """Everyone has facts of their own that tell nothing, and comes back the day after, or not at all, by a coin thrown
    once for all cutoffs: as if the horizons were almost the same.
    """
    generator = np.random.default_rng(seed)
    facts = generator.exponential(30.0, (CUSTOMERS, len(FEATURES)))
    returns = generator.integers(0, 2, CUSTOMERS) > 0
    return [with_next_order(day, facts, returns, after_days=1.0) for day in days]


def chances_of_strangers(past: Sequence[Snapshot]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(who of them stayed away, the predicted chance)"""
    strangers = of_coins(2, [70])[0]
    model = fit_own_rhythm(past, {}, seed=0)
    assert model is not None
    chance, _ = model.predict(strangers.features, strangers.as_of)
    return stayed_away(strangers, model.usual_gap_days), chance


def test_what_overlapping_horizons_tell_of_the_same_customers_is_not_learned_by_heart() -> None:
    actual, chance = chances_of_strangers(of_coins(1, range(0, 42, 7)))

    assert chance.std() < 0.1
    assert log_loss(actual, chance) < log_loss(actual, np.full(CUSTOMERS, 0.5)) + 0.01


def test_of_a_single_cutoff_other_customers_teach() -> None:
    actual, chance = chances_of_strangers(of_coins(1, [0]))

    assert chance.std() < 0.1
    assert log_loss(actual, chance) < log_loss(actual, np.full(CUSTOMERS, 0.5)) + 0.02


def test_what_tells_who_stays_away_is_learned_in_whatever_order_the_cutoffs_come() -> None:
    generator = np.random.default_rng(0)
    facts = [generator.exponential(30.0, (CUSTOMERS, len(FEATURES))) for _ in range(4)]
    made = [with_next_order(28 * k, each, each[:, _SINCE_LAST] < 20.0, after_days=1.0) for k, each in enumerate(facts)]

    in_order, shuffled = (fit_own_rhythm([made[k] for k in order], {}, seed=0) for order in ((0, 1, 2), (2, 0, 1)))

    assert in_order is not None
    assert shuffled is not None
    chance, days = in_order.predict(made[3].features, made[3].as_of)
    assert log_loss(stayed_away(made[3], in_order.usual_gap_days), chance) < 0.2
    np.testing.assert_array_equal(days, np.clip(3 * facts[3][:, _MEAN_GAP], 7.0, 28.0))
    np.testing.assert_allclose(shuffled.predict(made[3].features, made[3].as_of)[0], chance)


def test_a_customer_has_stayed_away_who_orders_after_what_is_long_for_them_only() -> None:
    facts = np.full((3, len(FEATURES)), np.nan)
    facts[:, _MEAN_GAP] = [3.0, 4.0, np.nan]

    made = with_next_order(0, facts, np.array([True, True, True]), after_days=10.0)

    assert stayed_away(made, usual_gap_days=3.0).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(("away", "is_enough"), [(FEWEST_OF_EACH - 1, False), (FEWEST_OF_EACH, True)])
def test_where_too_few_stayed_away_there_is_no_model(away: int, is_enough: bool) -> None:
    facts = np.random.default_rng(0).exponential(30.0, (200, len(FEATURES)))

    past = [with_next_order(day, facts, np.arange(200) >= away, after_days=1.0) for day in (0, 7)]

    assert (fit_own_rhythm(past, {}, seed=0) is not None) == is_enough


def test_without_the_instants_of_next_orders_there_is_no_model() -> None:
    made = of_coins(1, [0, 7])
    untold = [replace(each, next_order_at=np.empty(0, dtype=np.int64)) for each in made]

    assert fit_own_rhythm(untold, {}, seed=0) is None
