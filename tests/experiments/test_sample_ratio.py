import numpy as np
import pytest
import scipy.stats

from experiments.sample_ratio import SUSPICIOUS_BELOW, sample_ratio_p_value


@pytest.mark.parametrize(("counts", "weights"), [((480, 520), (0.5, 0.5)), ((90, 210, 700), (0.1, 0.2, 0.7))])
def test_p_value_equals_scipy(counts, weights):
    expected = scipy.stats.chisquare(counts, np.array(weights) * sum(counts)).pvalue

    assert sample_ratio_p_value(counts, weights) == pytest.approx(expected, rel=1e-9)


def test_mismatch_of_half_a_per_cent_is_found_among_200_000_units():
    rng = np.random.default_rng(1)
    counts = rng.binomial(200_000, 0.505, 1_000)

    found = [sample_ratio_p_value((count, 200_000 - count), (0.5, 0.5)) < SUSPICIOUS_BELOW for count in counts]

    assert np.mean(found) >= 0.85


def test_fair_dealing_is_seldom_suspected():
    rng = np.random.default_rng(2)
    counts = rng.binomial(10_000, 0.5, 5_000)

    suspected = [sample_ratio_p_value((count, 10_000 - count), (0.5, 0.5)) < 0.05 for count in counts]

    assert np.mean(suspected) == pytest.approx(0.05, abs=0.012)


def test_no_units_say_nothing():
    assert sample_ratio_p_value((0, 0), (0.5, 0.5)) is None
