import math

import numpy as np
import pytest

from experiments.power import detectable_difference, units_needed


def test_detectable_difference_undoes_units_needed():
    units = units_needed(2.0, 0.1, variant_share=0.3, power=0.9)

    assert detectable_difference(2.0, units, variant_share=0.3, power=0.9) == pytest.approx(0.1, rel=1e-3)


def test_planned_units_find_the_effect_with_the_stated_power():
    rng, runs = np.random.default_rng(1), 2_000
    units = units_needed(1.0, 0.2)
    control, variant = rng.standard_normal((2, runs, units // 2))

    difference = variant.mean(axis=1) + 0.2 - control.mean(axis=1)

    assert (np.abs(difference) > 1.96 * math.sqrt(4 / units)).mean() == pytest.approx(0.8, abs=0.03)


def test_variance_reduction_saves_its_share_of_units():
    full, reduced = units_needed(1.0, 0.05), units_needed(1.0, 0.05, variance_reduction=0.4)

    assert reduced == pytest.approx(0.6 * full, abs=1)


def test_one_unit_detects_nothing():
    assert detectable_difference(1.0, 1) == math.inf
