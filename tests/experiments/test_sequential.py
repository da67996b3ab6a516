import numpy as np

from experiments.sequential import asymptotic_radius

RUNS, UNITS_A_DAY, DAYS = 2_000, 40, 50


def share_ever_excluding(truth, planned):
    """The share of runs in which some daily look leaves ``truth`` (of 0) outside, and the last half-widths."""
    rng = np.random.default_rng(11)
    values = rng.exponential(1.0, (RUNS, UNITS_A_DAY * DAYS)) - 1.0
    looks = np.arange(1, DAYS + 1) * UNITS_A_DAY
    sums, squares = values.cumsum(axis=1)[:, looks - 1], (values**2).cumsum(axis=1)[:, looks - 1]
    means = sums / looks
    errors = np.sqrt((squares / looks - means**2) / (looks - 1))
    radii = np.array([asymptotic_radius(1.0, int(count), planned) for count in looks])
    return (np.abs(means - truth) > errors * radii).any(axis=1).mean()


def test_daily_looks_at_no_effect_alarm_in_at_most_five_per_cent_of_runs():
    assert share_ever_excluding(0.0, planned=1_000) <= 0.05


def test_fixed_interval_would_alarm_far_more_often_under_the_same_looks():
    rng = np.random.default_rng(11)
    values = rng.standard_normal((RUNS, UNITS_A_DAY * DAYS)).cumsum(axis=1)[:, UNITS_A_DAY - 1 :: UNITS_A_DAY]
    looks = np.arange(1, DAYS + 1) * UNITS_A_DAY

    assert (np.abs(values) / np.sqrt(looks) > 1.96).any(axis=1).mean() > 0.25


def test_a_real_effect_is_found():
    assert share_ever_excluding(0.2, planned=1_000) > 0.95


def test_interval_is_about_the_tightest_where_it_was_planned():
    radii = {planned: asymptotic_radius(1.0, 5_000, planned) for planned in (100, 1_000, 5_000, 25_000, 250_000)}

    assert radii[5_000] < 1.002 * min(radii.values())
    assert radii[5_000] < radii[100]
    assert radii[5_000] < radii[250_000]
