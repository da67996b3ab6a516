import numpy as np
import pytest

from experiments.off_policy import Log, PolicyEstimate, evaluate
from experiments.policy_gate import gate_of_evaluation, policy_gate


def doubly_robust(low, value, high):
    return PolicyEstimate("dr", value, low, high, 500.0, 0.02)


@pytest.mark.parametrize(("champion", "passes"), [(0.9, True), (1.0, True), (1.01, False)])
def test_policy_passes_where_its_lower_bound_reaches_the_champion(champion, passes):
    assert policy_gate(champion, doubly_robust(1.0, 1.2, 1.4)).is_passed is passes


def test_refusal_tells_by_how_much():
    verdict = policy_gate(1.25, doubly_robust(1.0, 1.2, 1.4))

    assert not verdict.may_serve
    assert verdict.shortfall == pytest.approx(0.25)
    assert verdict.finding == ("dr 1.2, 95% from 1 to 1.4; the lower bound is 0.25 below the champion's 1.25")


def test_force_lets_serve_and_is_recorded_with_the_finding():
    verdict = policy_gate(1.25, doubly_robust(1.0, 1.2, 1.4), forced_by="ada")

    assert (verdict.is_passed, verdict.may_serve) == (False, True)
    assert verdict.recorded.startswith("forced past gate policy_value by ada: dr 1.2")


def test_force_of_what_passes_is_not_recorded_as_forced():
    assert "forced" not in policy_gate(0.9, doubly_robust(1.0, 1.2, 1.4), forced_by="ada").recorded


def test_evaluation_is_held_against_what_the_logged_policy_earned():
    rng = np.random.default_rng(1)
    action = rng.integers(0, 2, 4_000)
    reward, half = rng.normal(1.0 * action, 0.2), np.full(4_000, 0.5)

    better = gate_of_evaluation(evaluate(Log(reward, half, np.where(action == 1, 0.9, 0.1))))
    worse = gate_of_evaluation(evaluate(Log(reward, half, np.where(action == 1, 0.1, 0.9))))

    assert better.is_passed
    assert not worse.is_passed
    assert worse.shortfall > 0.35


def test_evaluation_that_was_refused_passes_nothing():
    verdict = gate_of_evaluation(evaluate(Log(np.ones(50), np.ones(50), np.zeros(50))))

    assert not verdict.is_passed
    assert "never takes an action that was logged" in verdict.finding
