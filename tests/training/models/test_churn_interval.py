from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from training.models.churn_interval import ChurnInterval

Floats = np.ndarray


def world(seed: int, customers: int, *, slope: float = 1.0, shift: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Chances as a model gives them, what became of the customers, and their true chances."""
    generator = np.random.default_rng(seed)
    score = generator.normal(0, 1.5, customers)
    true = 1 / (1 + np.exp(-slope * score - shift))
    return 1 / (1 + np.exp(-score)), (generator.random(customers) < true).astype(np.float64), true


def test_one_band_by_hand() -> None:
    probability, outcome = np.full(50, 0.4), np.repeat([1.0, 0.0], [20, 30])

    low, high = ChurnInterval.fit(probability, outcome).around(np.array([0.4]))

    expected = beta.ppf([0.1, 0.9], 20 + 2 * 0.4, 30 + 2 * 0.6)
    assert (low[0], high[0]) == pytest.approx(tuple(expected))


def test_it_holds_the_true_chance_as_often_as_it_says_though_the_model_is_off() -> None:
    held = []
    for seed in range(30):
        probability, outcome, true = world(seed, 2_000, shift=-0.5 if seed % 2 else 0.5)
        low, high = ChurnInterval.fit(probability, outcome).around(probability)
        held.append(np.mean((low <= true) & (true <= high)))

    assert 0.75 <= np.mean(held) <= 0.95


def test_it_reaches_to_what_happened_where_the_model_is_too_sure() -> None:
    probability, outcome, true = world(1, 4_000, slope=0.5)

    low, high = ChurnInterval.fit(probability, outcome).around(probability)

    assert np.mean((low <= true) & (true <= high)) > 0.7
    assert np.all((low <= probability) & (probability <= high))


def test_more_evidence_makes_it_narrower() -> None:
    widths = []
    for customers in (200, 20_000):
        low, high = ChurnInterval.fit(*world(2, customers)[:2]).around(np.array([0.3, 0.5]))
        widths.append(high - low)

    assert np.all(widths[1] < widths[0])


def test_no_probability_has_no_interval() -> None:
    low, high = ChurnInterval.fit(*world(2, 200)[:2]).around(np.array([np.nan]))

    assert np.isnan(low[0])
    assert np.isnan(high[0])


def test_it_survives_saving_and_may_be_missing(tmp_path: Path) -> None:
    fitted = ChurnInterval.fit(*world(3, 500)[:2])
    assert ChurnInterval.load(tmp_path) is None

    fitted.save(tmp_path)

    read = ChurnInterval.load(tmp_path)
    assert read is not None
    np.testing.assert_array_equal(read.around(np.array([0.2]))[0], fitted.around(np.array([0.2]))[0])
