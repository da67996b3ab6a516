import numpy as np
import pytest

from experiments.off_policy import (
    Log,
    effective_sample_size,
    evaluate,
    overlap_refusal,
    switch_threshold,
    top_weight_share,
)
from experiments.policy_log import read_policy_log
from features.errors import FieldError

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


def test_switch_trusts_the_model_where_weights_are_large_and_all_weights_where_it_is_wrong():
    rng = np.random.default_rng(5)
    good, _ = world(rng, 2_000, (0.01, 0.01, 0.98), logging=(0.6, 0.38, 0.02))
    bad, _ = world(rng, 2_000, (0.2, 0.3, 0.5), error=5.0)

    assert switch_threshold(good) < good.weight.max()
    assert switch_threshold(bad) == bad.weight.max()


def test_long_log_has_the_interval_of_its_rows():
    log, _ = world(np.random.default_rng(6), 40_000, (0.2, 0.3, 0.5))

    ips = evaluate(log, seed=1).estimates[1]

    spread = (log.weight * log.reward).std() / 200
    assert (ips.high - ips.low) / (2 * 1.96 * spread) == pytest.approx(1.0, abs=0.1)


def test_same_seed_gives_the_same_interval():
    assert evaluate(FOUR_ROWS, seed=1) == evaluate(FOUR_ROWS, seed=1)


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


HEADER = "decision_id,action,reward,propensity,target_probability"


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_log_is_read_from_every_format(tmp_path, suffix):
    import duckdb

    path = tmp_path / f"log.{suffix}"
    rows = "SELECT 'd' || i AS decision_id, 'a' AS action, i AS reward, 0.5 AS propensity, 0.25 AS target_probability"
    form = {"csv": "CSV", "parquet": "PARQUET", "jsonl": "JSON"}[suffix]
    duckdb.sql(f"COPY ({rows} FROM range(3) t(i)) TO '{path}' (FORMAT {form})")

    log = read_policy_log(path)

    assert log.reward.tolist() == [0.0, 1.0, 2.0]
    assert log.weight.tolist() == [0.5, 0.5, 0.5]
    assert log.expected_reward_logged is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("decision_id,action,reward\nd,a,1\n", "propensity"),
        (f"{HEADER}\nd,a,1,0,0.5\n", r"propensity \(row 1\)"),
        (f"{HEADER}\nd,a,1,0.5,0.5\ne,a,1,1.5,0.5\n", r"propensity \(row 2\)"),
        (f"{HEADER}\nd,a,1,0.5,-0.1\n", r"target_probability \(row 1\)"),
        (f"{HEADER}\nd,a,much,0.5,0.5\n", r"reward \(row 1\)"),
        (f"{HEADER}\nd,a,,0.5,0.5\n", r"reward \(row 1\)"),
    ],
)
def test_wrong_log_names_column_and_row(tmp_path, content, field):
    path = tmp_path / "log.csv"
    path.write_text(content)

    with pytest.raises(FieldError, match=field):
        read_policy_log(path)


@pytest.mark.parametrize("name", ["absent.csv", "log.xlsx"])
def test_file_that_is_no_log_is_told(tmp_path, name):
    with pytest.raises(FieldError, match="log"):
        read_policy_log(tmp_path / name)
