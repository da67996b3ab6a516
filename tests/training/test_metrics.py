"""Every metric against a number worked out by hand."""

import numpy as np
import pytest

from training import metrics

NOTHING_HAPPENED = np.zeros(4)
GUESS = np.array([0.1, 0.2, 0.3, 0.4])


def test_area_under_curve_counts_pairs_in_the_right_order_and_half_of_ties() -> None:
    # Pairs (positive, negative): .8>.1, .8>.5, .5>.1 right, .5=.5 a tie.
    assert metrics.area_under_curve([0, 1, 0, 1], [0.1, 0.8, 0.5, 0.5]) == pytest.approx(3.5 / 4)


def test_area_under_curve_of_a_constant_is_a_half() -> None:
    assert metrics.area_under_curve([0, 1, 1], [0.3, 0.3, 0.3]) == 0.5


def test_average_precision_takes_equal_predictions_as_one_step() -> None:
    # One of two among the tied first two: recall 1/2 at precision 1/2; then all three: recall 1/2 at 2/3.
    assert metrics.average_precision([1, 0, 1], [0.9, 0.9, 0.1]) == pytest.approx(0.5 * 0.5 + 0.5 * 2 / 3)


def test_log_loss_of_a_quarter_that_came_true() -> None:
    assert metrics.log_loss([1, 0], [0.25, 0.25]) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2)


def test_log_loss_of_a_certain_error_is_finite() -> None:
    assert metrics.log_loss([1], [0.0]) == pytest.approx(-np.log(metrics.SMALLEST_PROBABILITY))


def test_expected_calibration_error_weighs_bands_by_their_size() -> None:
    actual, predicted = [0, 1, 1, 1], [0.25, 0.25, 0.9, 0.9]

    assert metrics.expected_calibration_error(actual, predicted, bands=2) == pytest.approx(0.5 * 0.25 + 0.5 * 0.1)


def test_calibration_bands_are_ordered_and_hold_everyone_once() -> None:
    bands = metrics.calibration_bands([1, 0, 1, 0, 1], [0.5, 0.1, 0.9, 0.2, 0.7], bands=2)

    assert [band.count for band in bands] == [3, 2]
    assert bands[0].predicted < bands[1].predicted
    assert bands[1].actual == 1.0


def test_gini_of_all_in_one_hand_is_one_less_a_share() -> None:
    assert metrics.gini([0, 0, 0, 8], [1, 2, 3, 4]) == pytest.approx(3 / 4)


def test_normalised_gini_is_one_for_the_true_order_and_minus_one_for_its_reverse() -> None:
    amounts = [0.0, 2.0, 7.0, 30.0]

    assert metrics.normalised_gini(amounts, [1, 2, 3, 4]) == pytest.approx(1.0)
    assert metrics.normalised_gini(amounts, [4, 3, 2, 1]) == pytest.approx(-1.0)


def test_normalised_gini_of_a_constant_is_zero_whatever_the_order_of_rows() -> None:
    assert metrics.normalised_gini([9, 0, 0], [1, 1, 1]) == pytest.approx(0.0)
    assert metrics.normalised_gini([0, 0, 9], [1, 1, 1]) == pytest.approx(0.0)


def test_spearman_gives_ties_their_mean_rank() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    assert metrics.spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_squared_and_absolute_error_are_means() -> None:
    assert metrics.squared_error([1, 5], [2, 2]) == 5.0
    assert metrics.absolute_error([1, 5], [2, 2]) == 2.0


def test_total_ratio_is_predicted_over_actual() -> None:
    assert metrics.total_ratio([1, 3], [2, 4]) == 1.5


def test_pinball_loss_is_least_at_the_quantile() -> None:
    outcomes = np.arange(1.0, 101.0)
    losses = [metrics.pinball_loss(outcomes, np.full(100, guess), 0.9) for guess in (70.0, 90.0, 99.0)]

    assert losses[1] == min(losses)
    assert metrics.pinball_loss([10.0, 0.0], [8.0, 8.0], 0.9) == pytest.approx((0.9 * 2 + 0.1 * 8) / 2)


def test_coverage_counts_outcomes_on_the_border() -> None:
    assert metrics.coverage([0, 1, 2, 3], [0, 0, 0, 0], [0, 2, 2, 2]) == 0.75


def test_metrics_that_are_not_defined_are_nan() -> None:
    undefined = [metrics.area_under_curve, metrics.average_precision, metrics.normalised_gini, metrics.total_ratio]

    assert all(np.isnan(metric(NOTHING_HAPPENED, GUESS)) for metric in undefined)
    assert np.isnan(metrics.spearman(NOTHING_HAPPENED, GUESS))


def test_bootstrap_interval_of_a_constant_difference_is_that_difference() -> None:
    actual = np.arange(50.0)

    found = metrics.paired_bootstrap(
        metrics.absolute_error, actual, actual + 1, actual + 3, np.random.default_rng(0), resamples=50
    )

    assert (found.value, found.low, found.high) == (-2.0, -2.0, -2.0)


def test_bootstrap_interval_holds_zero_where_neither_is_better() -> None:
    generator = np.random.default_rng(1)
    actual, ours, baseline = generator.normal(size=(3, 400))

    found = metrics.paired_bootstrap(metrics.squared_error, actual, ours, baseline, generator)

    assert found.low < 0 < found.high


def test_bootstrap_gives_the_same_interval_for_the_same_seed() -> None:
    actual, ours, baseline = np.random.default_rng(2).normal(size=(3, 100))

    first, second = (
        metrics.paired_bootstrap(metrics.spearman, actual, ours, baseline, np.random.default_rng(5), resamples=20)
        for _ in range(2)
    )

    assert first == second
