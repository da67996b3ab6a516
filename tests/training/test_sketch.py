import numpy as np
import pytest
from scipy.stats import chi2, ks_2samp

from training.estimated_performance import expected_area_under_curve, expected_hour_log_loss, expected_log_loss
from training.metrics import area_under_curve, log_loss
from training.sketch import Difference, differences, sketch

GENERATOR = np.random.default_rng(3)
THEN = GENERATOR.gamma(2.0, 3.0, 4_000)


def difference(then: np.ndarray, now: np.ndarray) -> Difference:
    [found] = differences(sketch(then[:, None]), now[:, None])
    return found


def test_stability_index_by_hand() -> None:
    then = np.arange(1.0, 1_001.0)
    now = np.where(np.arange(1_000) < 500, then, 0.5)  # the upper half has gone to the lowest tenth

    moved = 5 * (0.6 - 0.1) / 5 * np.log(0.6 / 0.1)
    assert difference(then, now).psi > moved  # and five tenths are all but empty
    assert difference(then, then[::-1]).psi == pytest.approx(0.0, abs=1e-12)


def test_distance_and_its_chance_are_those_of_kolmogorov_and_smirnov() -> None:
    now = np.random.default_rng(4).gamma(2.2, 3.0, 3_000)

    found, exact = difference(THEN, now), ks_2samp(THEN, now, method="asymp")

    assert exact.statistic - 0.01 <= found.distance <= exact.statistic
    assert found.p_value < 0.01


def test_chance_alone_is_seldom_more_than_is_said_of_it() -> None:
    generator = np.random.default_rng(5)
    found = [difference(THEN[:500], generator.gamma(2.0, 3.0, 400)) for _ in range(200)]

    expected = chi2.ppf(0.999, 9) * (1 / 500 + 1 / 400)
    assert found[0].psi_by_chance == pytest.approx(expected, rel=0.15)
    assert np.mean([one.psi > one.psi_by_chance for one in found]) <= 0.02
    assert np.mean([one.p_value < 0.05 for one in found]) <= 0.10


def test_values_that_are_equal_make_one_bin() -> None:
    then, now = (np.repeat([0.0, 1.0], counts) for counts in ((1_500, 1_500), (2_400, 600)))

    assert difference(then, now).psi == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5), rel=0.01)
    assert difference(then, now).distance == pytest.approx(0.3)


def test_more_missing_values_are_a_difference() -> None:
    now = np.where(np.arange(len(THEN)) % 3 == 0, np.nan, THEN)

    assert difference(THEN, now).psi > 0.25
    assert difference(THEN, now).p_value > 0.05  # of those that are known nothing has changed


def test_what_a_hundredth_does_is_no_difference_however_new_it_is() -> None:
    now = np.where(np.arange(len(THEN)) % 100 == 0, np.nan, THEN)

    assert difference(THEN, now).psi < 0.01
    assert difference(np.zeros(10_000), np.where(np.arange(10_000) % 20, 0.0, 1.0)).psi < 0.1


@pytest.mark.parametrize("column", [np.full(50, np.nan), np.zeros(50)], ids=["unknown", "constant"])
def test_a_column_that_says_nothing_does_not_drift(column: np.ndarray) -> None:
    found = difference(column, column)

    assert (found.psi, found.distance, found.p_value) == (pytest.approx(0.0), 0.0, 1.0)


def test_estimates_are_what_is_measured_when_chances_are_right() -> None:
    generator = np.random.default_rng(6)
    chance = generator.beta(1.5, 2.5, 40_000)
    outcome = (generator.random(len(chance)) < chance).astype(np.float64)

    assert expected_log_loss(chance) == pytest.approx(log_loss(outcome, chance), rel=0.01)
    assert expected_area_under_curve(chance) == pytest.approx(area_under_curve(outcome, chance), abs=0.01)


def test_customers_who_are_harder_to_tell_apart_are_estimated_worse_without_labels() -> None:
    easy, hard = np.array([0.05, 0.95] * 50), np.array([0.45, 0.55] * 50)

    assert expected_log_loss(hard) > expected_log_loss(easy)
    assert expected_area_under_curve(hard) < expected_area_under_curve(easy)


def test_hours_of_the_week_known_for_sure_lose_nothing() -> None:
    sure, unsure = np.zeros((2, 168)), np.full((2, 168), 1 / 168)
    sure[:, 7] = 1.0

    assert expected_hour_log_loss(sure) == pytest.approx(0.0, abs=1e-6)
    assert expected_hour_log_loss(unsure) == pytest.approx(np.log(168))
