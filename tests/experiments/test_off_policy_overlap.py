import numpy as np
import pytest

from experiments.off_policy import Log, evaluate
from experiments.off_policy_overlap import by_action, effective_sample_size, overlap_refusal, top_weight_share


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (np.zeros(50), "never takes an action"),
        (np.r_[np.full(99, 0.01), 99.0], "too thin"),
        (np.r_[np.full(997, 0.4), np.full(3, 200.0)], "too thin"),
        (np.full(1_000, 0.5), "average 0.50"),
        (np.full(1_000, 3.0), "average 3.00"),
    ],
)
def test_thin_overlap_is_refused_with_its_reason(weight, reason):
    assert reason in overlap_refusal(weight)


def test_refusal_gives_no_numbers():
    log = Log(np.ones(50), np.ones(50), np.zeros(50))

    assert evaluate(log, seed=1).estimates == []
    assert evaluate(Log(np.ones(0), np.ones(0), np.ones(0)), seed=1).refused == "the log has no rows"


def test_kish_size_and_top_share_of_equal_weights():
    assert effective_sample_size(np.full(200, 0.3)) == pytest.approx(200)
    assert top_weight_share(np.full(200, 0.3)) == pytest.approx(0.01)


def taken(rng, rows, logging, target):
    """Action, propensity and weight of rows drawn by ``logging``."""
    action = rng.choice(len(logging), rows, p=logging)
    return action, np.array(logging)[action], (np.array(target) / np.maximum(logging, 1e-12))[action]


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_action_that_the_log_never_takes_is_refused(share):
    _, _, weight = taken(np.random.default_rng(1), 5_000, (0.6, 0.4, 0.0), (1 - share, 0.0, share))

    assert ("never takes" if share < 1 else "never takes an action") in overlap_refusal(weight)


def test_action_that_the_log_never_takes_is_noted_where_it_hardly_matters():
    rng = np.random.default_rng(1)
    _, propensity, weight = taken(rng, 20_000, (0.6, 0.4, 0.0), (0.57, 0.38, 0.05))

    found = evaluate(Log(rng.random(20_000), propensity, weight * propensity))

    assert found.refused is None
    assert "the weights average 0.950" in found.notes[0]


@pytest.mark.parametrize(
    ("rows", "logging", "target"),
    [
        (200, (0.34, 0.33, 0.33), (0.0, 0.0, 1.0)),
        (1_000, (0.48, 0.50, 0.01, 0.01), (0.4, 0.5, 0.05, 0.05)),
        (5_000, (0.95, 0.05), (0.0, 1.0)),
        (50_000, (0.99, 0.01), (0.0, 1.0)),
    ],
)
def test_overlap_that_allows_an_estimate_is_not_refused(rows, logging, target):
    refusals = [overlap_refusal(taken(np.random.default_rng(seed), rows, logging, target)[2]) for seed in range(50)]

    assert refusals == [None] * 50


def test_actions_tell_their_shares_of_the_log_and_of_the_policy():
    action = np.array(["a", "a", "b", "b"], dtype=object)
    reward, propensity, target = np.array([1.0, 3.0, 0.0, 2.0]), np.full(4, 0.5), np.array([0.25, 0.25, 0.75, 0.75])

    b, a = by_action(action, reward, propensity, target / propensity)

    assert (b.action, b.rows, b.logged_share, b.target_share, b.mean_weight, b.mean_reward) == (
        "b",
        2,
        0.5,
        0.75,
        1.5,
        1,
    )
    assert (a.action, a.target_share, a.mean_weight, a.share_by_propensity) == ("a", 0.25, 0.5, 1.0)


def test_propensities_that_are_too_small_for_how_often_an_action_was_logged_are_noted():
    rng = np.random.default_rng(1)
    action, propensity, _ = taken(rng, 2_000, (0.5, 0.5), (0.5, 0.5))
    wrong = np.where(action == 0, 0.25, propensity)

    found = evaluate(Log(rng.random(2_000), wrong, wrong, action=action.astype(object)))

    assert any("logged more often than the propensities say: 0 (2." in note for note in found.notes)
    right = evaluate(Log(rng.random(2_000), propensity, propensity, action=action.astype(object)))
    assert right.notes == []


def test_one_reward_on_which_everything_hangs_is_named():
    reward, half = np.r_[np.ones(99), 1e12], np.full(100, 0.5)
    ids = np.array([f"d{row}" for row in range(100)], dtype=object)

    found = evaluate(Log(reward, half, half, decision_id=ids))

    assert found.refused is None
    assert "decision d99 (reward 1e+12, weight 1) is 100% of the ips estimate" in found.notes[0]
    assert all(np.isfinite([each.low, each.value, each.high]).all() for each in found.estimates)


def test_negative_rewards_are_estimated_like_others():
    rng = np.random.default_rng(2)
    reward, half = -rng.exponential(1.0, 500), np.full(500, 0.5)

    ips = evaluate(Log(reward, half, half)).estimates[0]

    assert ips.value == pytest.approx(reward.mean())
    assert ips.low < ips.value < ips.high < 0
