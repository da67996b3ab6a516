from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.profiles import empty
from features.vector import FEATURES
from training.held_out import (
    calibration_error_beyond_chance,
    chances_and_outcomes,
    held_out,
    load_held_out,
    save_held_out,
)
from training.slices import OF_NO_SLICE, SLICES
from training.validation_plots import draw

if TYPE_CHECKING:
    from features.history import Snapshot


@dataclass
class Value:
    mean: Any
    median: Any
    low: Any
    high: Any


class Fixed:
    """A model whose predictions are given: the interface of all four."""

    response = None
    learned_until = None

    def __init__(self, name: str, predictions: Any) -> None:
        self.name = name
        self.predictions = predictions

    def predict(self, *_: Any) -> Any:
        return self.predictions

    def presence(self, *_: Any) -> Any:
        return self.predictions

    def rank(self, *_: Any) -> Any:
        return self.predictions


def snapshot(orders: Sequence[int] = (), **changes: Any) -> "Snapshot":
    from features.history import Snapshot

    n = len(orders)
    empty_hours = np.zeros(0, dtype=np.uint8)
    everybody = empty([f"customer-{number}" for number in range(n)])
    features = np.zeros((n, len(FEATURES)))
    plain = Snapshot(0, 30, everybody, features, np.array(orders, dtype=np.int64), np.zeros(n), [[]] * n,
                     np.zeros(n + 1, dtype=np.int64), empty_hours)  # fmt: skip
    return replace(plain, **changes)


def test_churn_loses_the_logarithm_of_the_chance_it_gave_to_what_happened() -> None:
    measured = held_out(Fixed("churn", np.array([0.25, 0.25])), snapshot([0, 3]))

    assert measured.losses["log_loss"] == pytest.approx(-np.log([0.25, 0.75]))


def test_a_fair_forecast_is_not_blamed_for_chance() -> None:
    generator = np.random.default_rng(1)
    chance = generator.uniform(size=300)

    assert calibration_error_beyond_chance((generator.uniform(size=300) < chance).astype(float), chance) < 0.02
    assert calibration_error_beyond_chance((generator.uniform(size=300) < chance / 2).astype(float), chance) > 0.15


def test_lifetime_value_loses_its_misses() -> None:
    value = Value(*(np.array(column) for column in ([10.0, 5.0], [8.0, 0.0], [0.0, 0.0], [9.0, 9.0])))

    measured = held_out(Fixed("lifetime-value", value), snapshot([1, 0], spend=np.array([12.0, 0.0])))

    assert measured.losses["absolute_error_of_median"].tolist() == [4.0, 0.0]
    assert measured.losses["squared_error_of_mean"].tolist() == [4.0, 25.0]
    assert measured.calibration == {"coverage_missing_beyond_chance": 0.0}


def test_favourite_product_loses_the_share_of_the_basket_it_missed() -> None:
    ranked = [(["bread", "milk"], [0.9, 0.1]), (["tea"], [1.0])]

    measured = held_out(
        Fixed("favourite-product", ranked), snapshot([1, 0], next_basket=[["milk", "jam", "salt", "bread"], []])
    )

    np.testing.assert_array_equal(measured.losses["missed_at_10"], [0.5, np.nan])


def test_send_time_loses_the_logarithm_of_the_hours_that_came() -> None:
    shares = np.full((2, 168), 0.5 / 167)
    shares[:, 9] = 0.5
    hours = snapshot([2, 0], hour_offsets=np.array([0, 2, 2]), hours=np.array([9, 10], dtype=np.uint8))

    measured = held_out(Fixed("send-time", shares), hours)

    expected = -(np.log(0.5) + np.log(0.5 / 167)) / 2
    np.testing.assert_allclose(measured.losses["log_loss"], [expected, np.nan])


def test_what_was_measured_is_read_back_with_the_chances(tmp_path: Path) -> None:
    measured = held_out(Fixed("churn", np.array([1.0, 0.25, 1.0])), snapshot([0, 3, 1]))

    save_held_out([measured], tmp_path)

    [found] = load_held_out(tmp_path)
    assert found.losses["log_loss"].tolist() == measured.losses["log_loss"].tolist()
    assert {by: codes.tolist() for by, codes in found.slices.items()} == {
        by: codes.tolist() for by, codes in measured.slices.items()
    }
    chance, outcome = chances_and_outcomes([found])
    assert (chance.tolist(), outcome.tolist()) == ([1.0, 0.25, 1.0], [1.0, 0.0, 0.0])


def test_groups_are_known_by_their_names_in_whatever_order_they_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = replace(
        held_out(Fixed("churn", np.full(3, 0.5)), snapshot([0, 3, 1])), slices={"tenure": np.array([0, 1, 2], np.uint8)}
    )
    with monkeypatch.context() as before:
        before.setitem(SLICES, "tenure", ("longer", "under a week", "unknown"))
        save_held_out([measured], tmp_path)

    [found] = load_held_out(tmp_path)

    known = [None if code == OF_NO_SLICE else SLICES["tenure"][code] for code in found.slices["tenure"].tolist()]
    assert known == ["longer", None, "unknown"]


def test_keys_name_nobody() -> None:
    keys = held_out(Fixed("churn", np.array([0.25, 0.25])), snapshot([0, 3])).customer_keys

    assert keys.dtype == np.uint64
    assert len(set(keys.tolist())) == 2


@pytest.mark.parametrize(
    ("name", "predictions", "files"),
    [
        ("churn", np.array([0.25, 0.75]), {"calibration.png", "lift_by_decile.png"}),
        ("lifetime-value", Value(np.array([1.0, 2.0]), 0, 0, 0), {"calibration.png", "lift_by_decile.png"}),
        ("favourite-product", [(["milk"], [1.0])], {"recall_at_k.png"}),
        ("send-time", np.full((2, 168), 1 / 168), {"hour_of_week.png"}),
    ],
)
def test_each_model_has_its_plots(name: str, predictions: Any, files: set[str], tmp_path: Path) -> None:
    draw(Fixed(name, predictions), snapshot([1, 0], next_basket=[["milk"], []]), tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == files
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in tmp_path.iterdir())
