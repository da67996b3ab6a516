import numpy as np
import pytest

from training.models.calibration import fit_blend, fit_platt
from training.models.logistic import fit_logistic, sigmoid


def outcomes(log_odds: np.ndarray, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(log_odds.size) < sigmoid(log_odds)).astype(np.float64)


def test_calibration_finds_the_slope_that_made_the_outcomes() -> None:
    score = np.random.default_rng(1).normal(size=40_000)

    found = fit_platt(score, outcomes(1.5 * score - 0.5))

    assert found.slope == pytest.approx(1.5, abs=0.06)
    assert found.intercept == pytest.approx(-0.5, abs=0.04)


def test_blend_finds_the_weights_that_made_the_outcomes() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 40_000))

    found = fit_blend(one, other, outcomes(0.3 * one + 1.2 * other - 0.5))

    assert tuple(found) == pytest.approx((0.3, 1.2, -0.5), abs=0.06)


def test_blend_of_little_data_stays_near_half_of_each() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 12))

    found = fit_blend(one, other, outcomes(2 * other))

    assert tuple(found) == pytest.approx((0.5, 0.5, 0.0), abs=0.25)


def test_blend_gives_nothing_to_a_score_that_is_the_wrong_way_round() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 5_000))

    found = fit_blend(one, other, outcomes(other - one))

    assert found.simple == 0.0
    assert found.trees > 0.5


def test_regression_without_a_prior_gives_the_shares_by_hand() -> None:
    # Of two groups 1 in 4 and 3 in 4 happened: log-odds of -log 3, and 2 log 3 above it.
    group = np.repeat([0.0, 1.0], 4)
    outcome = np.array([1.0, 0, 0, 0, 1, 1, 1, 0])

    found = fit_logistic(np.column_stack([group, np.ones(8)]), outcome, np.zeros(2), np.zeros(2))

    assert found == pytest.approx([2 * np.log(3), -np.log(3)])
