"""What each gate lets pass, on losses made for it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from features.batching import to_batch
from features.events import Event, EventType
from features.profile import fold
from features.profiles import Profiles
from features.segments import SEGMENTS
from training.gates import Gate, of_pairs, within_latency
from training.held_out import HeldOut, Pair
from training.paired_difference import paired_differences
from training.prediction_latency import Latency, side_by_side
from training.slices import OF_NO_SLICE

N = 2_000
LOSS = np.random.default_rng(1).gamma(2.0, 0.25, N)
LOST, NEW = SEGMENTS.index("lost"), SEGMENTS.index("new")
SEGMENT = np.where(np.arange(N) < 200, LOST, NEW).astype(np.uint8)


def measured(losses: Any, *, as_of: int = 50, bias: Any = (), calibration: float = 0.01) -> HeldOut:
    known = {"calibration_error_beyond_chance": calibration}
    keys, lost = np.arange(N, dtype=np.uint64), {"log_loss": np.asarray(losses)}
    return HeldOut(as_of, 30, keys, lost, known, np.asarray(bias), {"segment": SEGMENT})


def judged(*pairs: Pair) -> dict[str, Gate]:
    return {gate.name: gate for gate in of_pairs("churn", pairs)}


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 0.05, N)


def test_cutoffs_are_pooled_and_a_customer_at_two_of_them_is_one_piece_of_evidence() -> None:
    change = noise(2)
    once, twice = (
        paired_differences([(measured(LOSS, as_of=at), measured(LOSS + change, as_of=at)) for at in cutoffs])[0]
        for cutoffs in ([50], [50, 60])
    )

    assert (once.cutoffs, twice.cutoffs) == (1, 2)
    assert once.customers == twice.customers == N
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize("newest_has_it", [True, False])
def test_a_loss_that_is_missing_at_one_cutoff_is_compared_at_the_other(newest_has_it: bool) -> None:
    """There may have been too few messages for it."""
    without = measured(LOSS), measured(LOSS)
    more = replace(measured(LOSS), losses={"log_loss": LOSS, "answer_log_loss": LOSS})
    having = more, more
    pairs = [having, without] if newest_has_it else [without, having]

    found = {one.metric: one.cutoffs for one in paired_differences(pairs)}

    assert found == {"log_loss": 2, "answer_log_loss": 1}
    assert judged(*pairs)["slice_segment"].is_passed


def test_worse_at_one_cutoff_and_better_by_more_at_another_is_not_worse() -> None:
    gates = judged(
        (measured(LOSS), measured(LOSS + 0.01 + noise(3))), (measured(LOSS, as_of=60), measured(LOSS - 0.02 + noise(4)))
    )

    assert gates["not_worse_log_loss"].is_passed


def test_a_slice_that_is_worse_is_refused_though_the_whole_is_better() -> None:
    change = np.where(SEGMENT == LOST, 0.2, -0.05) + noise(5)

    gates = judged((measured(LOSS), measured(LOSS + change)))

    assert gates["not_worse_log_loss"].is_passed
    assert not gates["slice_segment"].is_passed
    assert gates["slice_segment"].finding.startswith("lost: log loss +")
    assert gates["slice_segment"].amount == pytest.approx(0.2 / LOSS[SEGMENT == LOST].mean(), rel=0.1)


def test_groups_that_there_are_no_more_are_not_judged() -> None:
    gone = np.where(SEGMENT == LOST, OF_NO_SLICE, SEGMENT).astype(np.uint8)
    later = replace(measured(LOSS + np.where(SEGMENT == LOST, 0.2, -0.05)), slices={"segment": gone})

    assert judged((measured(LOSS), later))["slice_segment"].is_passed


def test_slices_that_differ_by_chance_pass() -> None:
    refused = [not judged((measured(LOSS), measured(LOSS + noise(seed))))["slice_segment"].is_passed
               for seed in range(100)]  # fmt: skip

    assert sum(refused) <= 5


def test_predictions_that_stray_in_a_slice_are_refused_unless_the_champions_strayed_more() -> None:
    good = np.random.default_rng(6).choice([-0.5, 0.5], N)
    bad, worse = (good + np.where(SEGMENT == LOST, by, 0.0) for by in (0.4, 0.5))

    strays = judged((measured(LOSS, bias=good), measured(LOSS, bias=bad)))["bias_segment"]
    mends = judged((measured(LOSS, bias=worse), measured(LOSS, bias=bad)))["bias_segment"]

    assert (strays.is_passed, mends.is_passed) == (False, True)
    assert strays.finding.startswith("lost: 0.2")


def test_calibration_is_judged_in_the_mean_over_cutoffs() -> None:
    pairs = [(measured(LOSS), measured(LOSS, calibration=0.02)), (measured(LOSS), measured(LOSS, calibration=0.06))]

    gate = judged(*pairs)["calibration_error_beyond_chance"]

    assert (gate.is_passed, gate.amount) == (True, pytest.approx(0.04))


def test_versions_without_a_common_cutoff_are_refused() -> None:
    assert [(name, gate.is_passed) for name, gate in judged().items()] == [("measured_alike", False)]


@pytest.mark.parametrize(
    ("latency", "is_passed"),
    [(Latency(1.0, 4.9), True), (Latency(1.0, 5.1), False), (Latency(6.0, 7.0), True), (Latency(6.0, 8.0), False),
     (None, True)],
    ids=["within the budget", "over it", "over it like the champion", "over it and slower", "nobody to measure on"],
)  # fmt: skip
def test_latency_is_judged_by_the_budget_and_by_the_champion(latency: Latency | None, is_passed: bool) -> None:
    assert within_latency(latency, budget_ms=5.0).is_passed is is_passed


def someone() -> Profiles:
    event = Event(event_id="1", type=EventType.PURCHASE, occurred_at=1, customer_id="anna", amount=10_000)
    return to_batch("anna", fold([event], "UTC"), "UTC")


def slow(rows: int) -> Any:
    """A model that sorts so many numbers for an answer."""
    numbers = np.random.default_rng(0).random(rows)
    return SimpleNamespace(name="churn", predict=lambda *_: np.sort(numbers))


def test_a_version_that_does_more_work_is_measured_to_take_longer() -> None:
    latency = side_by_side(slow(1_000), slow(400_000), [someone()] * 3)

    assert latency is not None
    assert latency.ratio > 5
    assert side_by_side(slow(1), slow(1), []) is None


def test_a_version_measured_before_slices_were_kept_is_judged_without_them() -> None:
    plain = HeldOut(50, 30, np.arange(N, dtype=np.uint64), {"log_loss": LOSS}, {})

    assert list(judged((plain, plain))) == ["not_worse_log_loss"]
