"""Coverage in simulated logs, over fixed seeds: what data scientists are told of the intervals."""

import numpy as np
import pytest
from scipy.stats import chi2

from experiments.off_policy_estimators import Terms, allowed, direct_method, inverse_propensity
from experiments.off_policy_intervals import bootstrap_interval, gamma_interval, multiplicities

RUNS = 400
WORLDS = {  # the policy that was logged, the one that is evaluated, and whether rewards are spend
    "few actions": ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), False),
    "spend": ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), True),
    "thin": ((0.48, 0.50, 0.01, 0.01), (0.40, 0.50, 0.05, 0.05), False),
    "thin spend": ((0.48, 0.50, 0.01, 0.01), (0.40, 0.50, 0.05, 0.05), True),
    "much on thin spend": ((0.49, 0.49, 0.01, 0.01), (0.3, 0.3, 0.2, 0.2), True),
}


def drawn(world, seed, rows):
    """The estimators' terms in one log, with a reward model that is off by a fifth, and the truth."""
    logging, target, is_spend = (np.array(part) for part in WORLDS[world])
    rng = np.random.default_rng([seed, rows])
    action = rng.choice(len(logging), rows, p=logging)
    if is_spend:  # 95 % of the rewards are nothing, the others log-normal
        chance = np.linspace(0.03, 0.07, len(logging))
        reward = np.where(rng.random(rows) < chance[action], rng.lognormal(0.0, 1.0, rows), 0.0)
        means = chance * np.exp(0.5)
    else:
        means = np.linspace(0.1, 1.0, len(logging))
        reward = rng.normal(means[action], 0.5)
    model = 1.2 * means
    terms = allowed(reward, target[action] / logging[action], model[action], np.full(rows, model @ target))
    return {name: each for name, each in terms.items() if name != "dm"}, float(means @ target)


def coverage(world, rows, interval):
    held = {}
    for seed in range(RUNS):
        terms, truth = drawn(world, seed, rows)
        for name, each in terms.items():
            low, high = interval(each)
            held[name] = held.get(name, 0) + (low <= truth <= high)
    return {name: count / RUNS for name, count in held.items()}


@pytest.mark.parametrize("rows", [200, 1_000, 5_000])
@pytest.mark.parametrize("world", WORLDS)
def test_gamma_interval_covers(world, rows):
    covered = coverage(world, rows, lambda terms: gamma_interval(terms, 0.95))

    assert min(covered.values()) >= 0.93, covered


@pytest.mark.parametrize("rows", [200, 1_000, 5_000])
def test_bootstrap_interval_covers_without_covering_more_than_it_says(rows):
    replicates = multiplicities(rows, 0, 500)

    covered = coverage("few actions", rows, lambda terms: bootstrap_interval(terms, replicates, 0.95))

    assert 0.925 <= min(covered.values()) <= max(covered.values()) <= 0.97, covered


def test_many_even_rows_have_the_normal_interval():
    rng = np.random.default_rng(1)
    reward = rng.normal(1.0, 0.5, 100_000)

    low, high = gamma_interval(inverse_propensity(reward, np.ones(len(reward))), 0.95)

    assert (high - low) / (2 * 1.96 * reward.std() / len(reward) ** 0.5) == pytest.approx(1.0, abs=0.02)


def test_of_rare_counts_the_lower_limit_is_that_of_garwood():
    """Of Poisson counts with one weight Fay and Feuer's limits are the exact ones; zeros beside them hardly matter."""
    reward = np.zeros(100_000)
    reward[:10] = 1.0

    low, high = gamma_interval(inverse_propensity(reward, np.ones(len(reward))), 0.95)

    assert low * len(reward) == pytest.approx(chi2.ppf(0.025, 20) / 2, rel=1e-3)
    assert high * len(reward) > chi2.ppf(0.975, 22) / 2  # of one more row; here it is one and a quarter


def test_units_of_the_reward_do_not_matter():
    terms, _ = drawn("spend", 1, 1_000)
    replicates = multiplicities(1_000, 0, 200)
    for interval in (lambda each: gamma_interval(each, 0.95), lambda each: bootstrap_interval(each, replicates, 0.95)):
        for each in terms.values():
            larger = Terms(1e12 * each.numerator, each.denominator, each.weight, 1e12 * each.residual, 1e12 * each.bias)
            assert np.array(interval(larger)) == pytest.approx(1e12 * np.array(interval(each)), rel=1e-9)


def test_losses_are_bounded_as_gains_are():
    terms, _ = drawn("spend", 1, 1_000)
    gains = terms["ips"]
    losses = Terms(-gains.numerator, gains.denominator, gains.weight, -gains.residual)

    low, high = gamma_interval(gains, 0.95)

    assert gamma_interval(losses, 0.95) == pytest.approx((-high, -low))


def test_what_never_varies_has_an_interval_of_one_point():
    constant = direct_method(np.full(50, 2.0))

    assert gamma_interval(constant, 0.95) == (2.0, 2.0)
    assert bootstrap_interval(constant, multiplicities(50, 0, 100), 0.95) == (2.0, 2.0)
