"""What the report says is missing is what training refuses for, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.history import Snapshot, spaced_cutoffs
from features.instant import MICROSECONDS_PER_DAY, parse
from features.profile_tables import Orders
from features.profiles import empty
from features.vector import FEATURES
from training.cutoffs import choose_cutoffs, fewest_days
from training.data_report import Holdings, model_data
from training.errors import NotEnoughData
from training.learners import learner
from training.models import (
    churn,
    favourite_product_training,
    lifetime_value,
    lifetime_value_training,
    send_time_training,
)
from training.models.gradient_boosting import teaching_and_newest
from training.training_data import TrainingData

START = parse("2017-06-05")


@dataclass(frozen=True)
class Days:
    """A history of so many days."""

    length: int
    first_at: int = START

    @property
    def last_at(self) -> int:
        return self.first_at + self.length * MICROSECONDS_PER_DAY

    def cutoffs(self, horizon_days: int, count: int) -> list[int]:
        return spaced_cutoffs(
            self.first_at, self.last_at + 1 - horizon_days * MICROSECONDS_PER_DAY, count, horizon_days
        )


@pytest.mark.parametrize("horizon_days", [1, 7, 14, 30, 90, 400, 1000])
def test_the_days_that_are_said_to_be_needed_are_those_with_which_cutoffs_are_found(horizon_days: int) -> None:
    needed = fewest_days(horizon_days)

    assert choose_cutoffs(Days(needed), horizon_days).training
    with pytest.raises(NotEnoughData, match=f"at least {needed} days for a horizon of {horizon_days} days"):
        choose_cutoffs(Days(needed - 1), horizon_days)


@given(days=st.floats(100, 400), horizon_days=st.sampled_from([7, 14, 30, 60, 90, 120, 150]))
def test_the_days_are_met_where_there_are_cutoffs_and_only_there(days: float, horizon_days: int) -> None:
    history = Days(days)  # type: ignore[arg-type]
    known = (history.last_at - START) / MICROSECONDS_PER_DAY
    try:
        choose_cutoffs(history, horizon_days)
    except NotEnoughData:
        is_enough = False
    else:
        is_enough = True

    [need, *_] = model_data("churn", "default", Holdings(99, 999, 999, 0, known), None, horizon_days).needs

    assert need.is_met == is_enough


def check_churn(snapshots: Sequence[Snapshot]) -> None:
    for part in teaching_and_newest(snapshots):
        churn._check(part, "")


def check_lifetime_value(snapshots: Sequence[Snapshot]) -> None:
    if sum(int((one.spend > 0).sum()) for one in snapshots) < lifetime_value.FEWEST_SPENDERS:
        raise NotEnoughData("customers who spent", "too few", "more")
    for part in teaching_and_newest(lifetime_value_training.without_openings(snapshots)):
        lifetime_value_training._check_spenders(part, "")


CHECKS: dict[str, Callable[[Sequence[Snapshot]], None]] = {
    "churn": check_churn,
    "lifetime-value": check_lifetime_value,
    "favourite-product": favourite_product_training._check,
    "send-time": send_time_training._check,
}
"""How each model looks at what it is given before it learns."""


def snapshot(at: int, horizon_days: int, rates: Sequence[float], generator: np.random.Generator) -> Snapshot:
    """Customers of whom some come back, a few orders each before and after; of some nobody knows what they bought."""
    count, back, known, late = int(rates[0]), *rates[1:]
    orders = (generator.random(count) < back).astype(np.int64)
    before = generator.integers(0, 12, count)
    total = int(before.sum())
    numbers = np.arange(total)
    hours = np.where(generator.random(total) < late, 18, 9).astype(np.uint8)
    table = Orders(np.concatenate([[0], np.cumsum(before)]), numbers.astype(np.uint64), numbers, numbers, numbers,
                   numbers * 0, hours)  # fmt: skip
    after = orders * generator.integers(1, 6, count)
    return Snapshot(
        at,
        horizon_days,
        replace(empty([f"c{number}" for number in range(count)]), orders=table),
        np.zeros((count, len(FEATURES))),
        orders,
        orders * 10.0,
        [["tea"] if came and generator.random() < known else [] for came in orders],
        np.concatenate([[0], np.cumsum(after)]),
        np.zeros(int(after.sum()), dtype=np.uint8),
    )


@settings(max_examples=60, deadline=None)
@given(
    days=st.integers(100, 400),
    count=st.integers(20, 120),
    opening=st.sampled_from([1.0, 0.01]),
    back=st.sampled_from([0.0, 0.02, 0.1, 0.5, 0.9, 1.0]),
    known=st.sampled_from([0.0, 0.05, 1.0]),
    late=st.sampled_from([0.0, 0.3]),
    end=st.sampled_from([None, 0.0, 1.0]),
    seed=st.integers(0, 999),
)
def test_a_model_is_said_to_lack_something_where_it_refuses_and_only_there(
    days: int, count: int, opening: float, back: float, known: float, late: float, end: float | None, seed: int
) -> None:
    """``end`` is the share that comes back after the newest cutoff, where it is another one; the share ``opening`` of
    the customers are known at the oldest one."""
    cutoffs, generator = choose_cutoffs(Days(days), None), np.random.default_rng(seed)
    rates = [back] * (len(cutoffs.all) - 1) + [back if end is None else end]
    snapshots = [
        snapshot(at, cutoffs.horizon_days, (count if number else opening * count, rate, known, late), generator)
        for number, (at, rate) in enumerate(zip(cutoffs.all, rates, strict=True))
    ]
    data = TrainingData(START, START + days * MICROSECONDS_PER_DAY, cutoffs, snapshots)
    found = Holdings(count, 9_999, 9_999, 0, float(days))

    for model, check in CHECKS.items():
        refused = [not_enough(check, part) for part in (data.training, data.snapshots)]
        assert bool(model_data(model, "default", found, data).missing) == any(refused), model


def not_enough(check: Callable[[Sequence[Snapshot]], None], snapshots: Sequence[Snapshot]) -> bool:
    try:
        check(snapshots)
    except NotEnoughData:
        return True
    return False


@pytest.mark.parametrize("model", CHECKS)
def test_what_the_checks_refuse_the_models_refuse(model: str) -> None:
    cutoffs = choose_cutoffs(Days(200), None)
    nobody = [snapshot(at, 90, (30, 0.0, 0.0, 0.0), np.random.default_rng(0)) for at in cutoffs.all]

    assert not_enough(CHECKS[model], nobody)
    with pytest.raises(NotEnoughData):
        learner(model).fit(nobody, {}, 0)
