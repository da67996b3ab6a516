from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.history import Snapshot
from features.profiles import Profiles
from training.models.favourite_product_training import vocabulary_of
from training.models.product_knowledge import usual_gap_days
from training.models.purchase_histories import histories_of
from training.models.replenishment import Replenishment
from training.models.replenishment_training import fit_replenishment, repurchases

ProfilesOf = Callable[..., Profiles]
SnapshotOf = Callable[..., Snapshot]
Order = tuple[float, list[str]]


@pytest.fixture(scope="module")
def rhythms() -> dict[str, list[Order]]:
    """200 customers who buy coffee about every 10 days, and one time in four forget it until the next."""
    generator = np.random.default_rng(4)
    orders = {}
    for customer in range(200):
        at, of = generator.uniform(0, 10), []
        while at < 200:
            of.append((float(at), ["coffee"]))
            at += 10 * (1 + (generator.random() < 0.25)) + generator.normal()
        orders[f"c{customer:03}"] = of
    return orders


def test_the_time_of_the_first_repurchase_is_read_from_the_later_profile(snapshot_of: SnapshotOf) -> None:
    orders: dict[str, list[Order]] = {
        "once": [(day, ["tea"]) for day in (0.0, 5.0, 10.0, 24.0)],
        "twice": [(day, ["tea"]) for day in (0.0, 5.0, 10.0, 23.0, 29.0)],
        "thrice": [(day, ["tea"]) for day in (0.0, 5.0, 10.0, 21.0, 26.0, 31.0)],
        "never": [(day, ["tea"]) for day in (0.0, 5.0, 10.0)],
    }

    entries, days = repurchases(snapshot_of(orders, 20.0), snapshot_of(orders, 34.0))

    assert entries.tolist() == [0, 1, 2]
    assert days == pytest.approx([4.0, 3.0, 1.0], abs=0.05)


def test_due_dates_are_nearer_than_the_mean_gap(rhythms: dict[str, list[Order]], snapshot_of: SnapshotOf) -> None:
    past = [snapshot_of(rhythms, day) for day in (100.0, 114.0, 128.0, 142.0)]
    asked = snapshot_of(rhythms, 160.0)
    codes = {product: code for code, product in enumerate(vocabulary_of(past[-1].profiles))}
    histories = histories_of(asked.profiles, asked.as_of, codes)
    again = np.array([min(day for day, _ in of if day >= 160.0) - 160.0 for of in rhythms.values()])
    before = [[day for day, _ in of if day < 160.0] for of in rhythms.values()]
    mean_gap = np.array([of[-1] + (of[-1] - of[0]) / (len(of) - 1) - 160.0 for of in before])

    _, days = fit_replenishment(past, codes, seed=0).days(histories, usual_gap_days(histories, len(codes)))

    assert np.abs(days - again).mean() < 0.8 * np.abs(np.maximum(mean_gap, 0) - again).mean()


def test_without_repeats_to_learn_from_own_intervals_speak(profiles_of: ProfilesOf, snapshot_of: SnapshotOf) -> None:
    orders: dict[str, list[Order]] = {"c": [(14.0 * k, ["tea"]) for k in range(4)]}
    learned = fit_replenishment([snapshot_of(orders, 30.0)], {"tea": 0}, seed=0)
    histories = histories_of(profiles_of(orders), snapshot_of(orders, 45.0).as_of, {"tea": 0})

    _, days = learned.days(histories, np.array([20.0, 20.0]))

    assert learned.trees is None
    assert days == pytest.approx([11.0], abs=0.01)


def test_what_was_learned_survives_saving(
    rhythms: dict[str, list[Order]], snapshot_of: SnapshotOf, tmp_path: Path
) -> None:
    past = [snapshot_of(rhythms, day) for day in (100.0, 114.0, 128.0)]
    learned = fit_replenishment(past, {"coffee": 0}, seed=0)
    histories = histories_of(past[-1].profiles, past[-1].as_of, {"coffee": 0})
    learned.save(tmp_path)

    loaded = Replenishment.load(tmp_path)

    gaps = np.array([10.0, 10.0])
    assert loaded.days(histories, gaps)[1].tolist() == learned.days(histories, gaps)[1].tolist()
    assert learned.trees is not None
