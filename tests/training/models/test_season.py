"""The season curve: what comes back every year is expected again, what does not is forgotten."""

import numpy as np
import pytest

from features.instant import MICROSECONDS_PER_DAY, parse
from training.models.season import NO_SEASON, Season
from training.models.season_training import learn_season

START = parse("2021-01-03")
SPACING_DAYS = 28


def cutoffs(count):
    return [START + k * SPACING_DAYS * MICROSECONDS_PER_DAY for k in range(count)]


def autumn(instants):
    """Half as much again around the 1st of October."""
    day = (np.array(instants) / MICROSECONDS_PER_DAY) % 365.2425
    return 0.5 * np.exp(-0.5 * ((day - 274) / 35) ** 2)


def test_last_years_autumn_is_expected_again_this_year():
    known = cutoffs(18)  # until the end of May of the second year
    season = learn_season(known, autumn(known), np.full(len(known), 0.02))

    october, june = parse("2022-10-01"), parse("2022-06-01")
    assert season.between(october, june) == pytest.approx(0.5, abs=0.12)
    assert season.at(october + 365 * MICROSECONDS_PER_DAY) == pytest.approx(season.at(october), abs=0.05)


def test_noise_is_no_season():
    known = cutoffs(18)
    strayed = np.random.default_rng(0).normal(0, 0.05, len(known))

    season = learn_season(known, strayed, np.full(len(known), 0.05))

    assert np.abs(season.values).max() < 0.05


def test_without_a_year_of_history_the_level_falls_back_to_the_mean():
    known = cutoffs(6)
    season = learn_season(known, np.full(6, 0.3) - np.arange(6) * 0.12, np.full(6, 0.02))

    newest = season.at(known[-1])
    assert newest == pytest.approx(-0.3, abs=0.06)
    assert abs(season.at(known[-1] + 170 * MICROSECONDS_PER_DAY)) < 0.15


def test_one_cutoff_tells_nothing_of_seasons():
    assert learn_season(cutoffs(1), np.array([0.7]), np.array([0.01])) is NO_SEASON
    assert NO_SEASON.at(START) == 0.0


def test_a_season_is_read_back_as_it_was_written_and_goes_on_after_its_table():
    season = Season(10, np.sin(np.arange(800) / 58.0))

    read = Season.of(season.words())

    np.testing.assert_array_equal(read.values, season.values)
    after = (10 + 800 + 5) * MICROSECONDS_PER_DAY
    assert season.at(after) == pytest.approx(season.values[800 + 5 - 365])
    assert season.at(0) == season.values[0]
