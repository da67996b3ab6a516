import numpy as np
import pytest

from experiments.off_policy import Log, evaluate
from experiments.off_policy_estimators import switch_threshold

FOUR_ROWS = Log(
    reward=np.array([1.0, 0.0, 2.0, 4.0]),
    propensity=np.array([0.5, 0.5, 0.25, 0.8]),
    target_probability=np.array([0.5, 0.25, 0.5, 0.4]),  # weights 1, 0.5, 2, 0.5
    expected_reward_logged=np.array([1.0, 1.0, 1.0, 3.0]),
    expected_reward_target=np.array([0.5, 1.0, 1.5, 2.0]),
)


def world(rng, rows, target, logging=(0.5, 0.3, 0.2), error=0.0):
    """Three actions of known mean reward; the reward model is off by ``error``."""
    means, logging, target = np.array([0.1, 0.5, 1.0]), np.array(logging), np.array(target)
    action = rng.choice(3, rows, p=logging)
    reward = rng.normal(means[action], 0.5)
    model = means + error
    log = Log(reward, logging[action], target[action], model[action], np.full(rows, model @ target))
    return log, float(means @ target)


def test_estimates_are_those_worked_by_hand():
    found = {each.estimator: each for each in evaluate(FOUR_ROWS, seed=1).estimates}

    assert found["dm"].value == pytest.approx(5.0 / 4)
    assert found["ips"].value == pytest.approx((1 + 0 + 4 + 2) / 4)
    assert found["snips"].value == pytest.approx(7 / 4)  # the weights add up to 4
    assert found["dr"].value == pytest.approx((0.5 + 0.5 + 3.5 + 2.5) / 4)  # v + w (r - q)
    assert found["ips"].effective_sample_size == pytest.approx(16 / 5.5)
    assert found["ips"].top_weight_share == pytest.approx(2 / 4)
    assert found["dm"].effective_sample_size == 4


def test_estimators_without_their_columns_are_left_out():
    log = Log(FOUR_ROWS.reward, FOUR_ROWS.propensity, FOUR_ROWS.target_probability)

    assert [each.estimator for each in evaluate(log, seed=1).estimates] == ["ips", "snips"]


def test_evaluating_the_logging_policy_gives_the_mean_reward():
    rng = np.random.default_rng(1)
    log, _ = world(rng, 500, (0.5, 0.3, 0.2))

    found = {each.estimator: each for each in evaluate(log, seed=1).estimates}

    assert found["ips"].value == found["snips"].value == pytest.approx(log.reward.mean(), rel=1e-12)
    assert found["ips"].effective_sample_size == pytest.approx(500)


@pytest.mark.parametrize("error", [0.0, 0.3])
def test_intervals_cover_the_truth_in_their_share_of_runs(error):
    runs, covered = 200, dict.fromkeys(("ips", "snips", "dr"), 0)
    for seed in range(runs):
        log, truth = world(np.random.default_rng(seed), 400, (0.2, 0.3, 0.5), error=error)
        for each in evaluate(log, seed, replicates=300).estimates:
            if each.estimator in covered:
                covered[each.estimator] += each.low <= truth <= each.high

    assert all(0.89 <= count / runs <= 0.99 for count in covered.values()), covered  # 95 % ± 3.5 standard errors


def test_direct_method_is_biased_by_a_wrong_model_where_doubly_robust_is_not():
    log, truth = world(np.random.default_rng(3), 20_000, (0.2, 0.3, 0.5), error=0.3)

    found = {each.estimator: each for each in evaluate(log, seed=1).estimates}

    assert found["dm"].value == pytest.approx(truth + 0.3)
    assert found["dr"].low <= truth <= found["dr"].high


def test_good_model_makes_doubly_robust_narrower_than_ips():
    log, _ = world(np.random.default_rng(4), 5_000, (0.05, 0.05, 0.9))

    found = {each.estimator: each for each in evaluate(log, seed=1).estimates}

    assert found["dr"].high - found["dr"].low < found["ips"].high - found["ips"].low


def uneven(rng, rows):
    """Two actions, propensities down to 0.002 that differ from row to row, and a good reward model; the truth is 1."""
    first = np.clip(rng.beta(0.4, 0.4, rows), 0.002, 0.998)
    action = (rng.random(rows) >= first).astype(int)
    context, target = rng.random(rows), np.array([0.7, 0.3])
    means = np.stack([0.5 + context, 1.5 - context], axis=1)
    taken = means[np.arange(rows), action]
    reward, propensity = rng.normal(taken, 0.5), np.where(action == 0, first, 1.0 - first)
    return Log(reward, propensity, target[action], taken, means @ target)


def threshold_of(log):
    return switch_threshold(log.weight, log.reward - log.expected_reward_logged, log.expected_reward_target)


def test_switch_leaves_few_heavy_rows_to_the_model_and_none_where_it_is_wrong():
    bad, _ = world(np.random.default_rng(5), 2_000, (0.2, 0.3, 0.5), error=5.0)
    left_to_the_model = [
        log.weight.max() > threshold_of(log) for log in (uneven(np.random.default_rng(seed), 200) for seed in range(50))
    ]

    assert sum(left_to_the_model) >= 5
    assert threshold_of(bad) == bad.weight.max()


def test_switch_errs_less_than_doubly_robust_where_propensities_are_uneven_and_its_interval_holds_the_truth():
    errors, covered = {"dr": [], "switch-dr": []}, 0
    for seed in range(200):
        for each in evaluate(uneven(np.random.default_rng(seed), 200)).estimates:
            if each.estimator in errors:
                errors[each.estimator].append(each.value - 1.0)
            if each.estimator == "switch-dr":
                covered += each.low <= 1.0 <= each.high

    assert np.square(errors["switch-dr"]).mean() < 0.75 * np.square(errors["dr"]).mean()
    assert covered >= 0.93 * len(errors["dr"])


def test_long_log_has_the_interval_of_its_rows():
    log, _ = world(np.random.default_rng(6), 40_000, (0.2, 0.3, 0.5))

    spread = (log.weight * log.reward).std() / 200
    for kind in ("gamma", "bootstrap"):
        ips = evaluate(log, seed=1, interval=kind).estimates[1]
        assert (ips.high - ips.low) / (2 * 1.96 * spread) == pytest.approx(1.0, abs=0.1)


def test_same_seed_gives_the_same_interval():
    assert evaluate(FOUR_ROWS, 1, interval="bootstrap") == evaluate(FOUR_ROWS, 1, interval="bootstrap")


def test_that_the_direct_method_trusts_its_model_is_said_beside_it():
    reward, half = np.array([0.0, 1.0] * 20), np.full(40, 0.5)
    with_model = evaluate(Log(reward, half, half, expected_reward_logged=reward, expected_reward_target=reward))
    without = evaluate(Log(reward, half, half))

    assert any("dm" in note for note in with_model.notes)
    assert not any("dm" in note for note in without.notes)


@pytest.mark.parametrize("interval", ["gamma", "bootstrap"])
def test_a_log_that_tells_everything_of_a_customer_four_times_is_no_surer(interval):
    log, _ = world(np.random.default_rng(7), 500, (0.2, 0.3, 0.5))
    columns = (log.reward, log.propensity, log.target_probability)
    customers = np.array([f"c{row}" for row in range(500)], dtype=object)
    four = Log(*(np.repeat(column, 4) for column in columns), customer=np.repeat(customers, 4))

    once, again = (evaluate(each, seed=1, interval=interval) for each in (Log(*columns), four))

    assert [(one.low, one.high) for one in again.estimates] == [
        pytest.approx((one.low, one.high), rel=1e-9) for one in once.estimates
    ]
    assert any("2000 decisions of 500 customers" in note for note in again.notes)


def test_rows_of_nobody_in_particular_and_customers_with_one_decision_change_nothing():
    log, _ = world(np.random.default_rng(8), 300, (0.0, 0.5, 0.5))
    columns = (log.reward, log.propensity, log.target_probability)
    named = np.array([f"c{row}" if row % 2 else None for row in range(300)], dtype=object)

    plain, told = evaluate(Log(*columns), seed=1), evaluate(Log(*columns, customer=named), seed=1)

    assert [one.low for one in told.estimates] == pytest.approx([one.low for one in plain.estimates])
    assert [one.high for one in told.estimates] == pytest.approx([one.high for one in plain.estimates])
    assert told.notes == plain.notes


def test_intervals_hold_the_truth_where_one_purchase_answers_many_decisions():
    runs, covered = 200, dict.fromkeys(("ips", "snips"), 0)
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        customer = np.repeat(np.arange(150), 6)
        bought = (rng.random(150) < 0.3)[customer]  # whatever was offered
        action = rng.integers(0, 2, len(customer))
        target = np.array([0.7, 0.3])[action]
        log = Log(bought.astype(float), np.full(len(customer), 0.5), target, customer=customer.astype(object))
        for each in evaluate(log).estimates:
            covered[each.estimator] += each.low <= 0.3 <= each.high

    assert all(count / runs >= 0.91 for count in covered.values()), covered
