import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from features.history import Snapshot
from features.profile_tables import Hours
from features.profiles import Profiles, concatenate, empty
from training.errors import NotEnoughData, TrainingError
from training.models.message_response import MessageResponse, learn_response, shrunken_rates, times_response
from training.models.send_evidence import LEVELS
from training.models.send_time import SendTimeModel, evaluate
from training.models.week_hours import Segments, Strengths, hours_of

ProfilesOf = Callable[..., Profiles]
SnapshotOf = Callable[..., Snapshot]
Order = tuple[float, Sequence[str]]


@pytest.fixture(scope="module")
def model(past: list[Snapshot]) -> SendTimeModel:
    return SendTimeModel.fit(past, {}, seed=1)


def test_hours_are_chances_that_sum_to_one(model: SendTimeModel, future: Snapshot) -> None:
    hours = model.predict(future.profiles, future.as_of)

    assert hours.shape == (len(future.profiles), 168)
    assert (hours > 0).all()
    assert hours.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_the_best_hour_is_the_customers_own(model: SendTimeModel, future: Snapshot) -> None:
    best = model.predict(future.profiles, future.as_of).argmax(axis=1)

    assert best.tolist() == [(9 if customer % 3 else 18) + 24 * (customer % 5) for customer in range(120)]


def test_the_held_out_orders_beat_everyones_hours(model: SendTimeModel, future: Snapshot) -> None:
    found = evaluate(model, future)

    assert found.metrics["log_loss_difference_high"] < 0
    assert found.metrics["top_3_hit_rate"] > found.baselines["everyones_hours"]["top_3_hit_rate"]


def test_dates_without_times_of_day_are_refused(habits: dict[str, list[Order]], snapshot_of: SnapshotOf) -> None:
    dated = {customer: [(float(int(at)), basket) for at, basket in orders] for customer, orders in habits.items()}

    with pytest.raises(NotEnoughData, match="all of them at 0:00, expected times of day"):
        SendTimeModel.fit([snapshot_of(dated, day) for day in (91, 119, 147)], {}, seed=0)


def test_a_new_customer_gets_everyones_hours(model: SendTimeModel, future: Snapshot) -> None:
    [hours] = model.predict(empty(["nobody"]), future.as_of)

    assert hours @ model.everyone > model.everyone @ np.full(168, 1 / 168)
    assert hours.argmax() % 24 in (9, 18)


def test_more_orders_move_a_customer_farther_from_the_prior(
    model: SendTimeModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    def night(weeks: int) -> float:
        orders = profiles_of({"owl": [(7 * week + 3 / 24, ["tea"]) for week in range(24 - weeks, 24)]})
        return float(model.predict(orders, future.as_of)[0, 3])

    assert night(0) < night(1) < night(4) < night(20)


def test_a_loaded_model_answers_like_the_saved_one(model: SendTimeModel, future: Snapshot, tmp_path: Path) -> None:
    with_messages = replace(model, response=MessageResponse(np.linspace(0.1, 0.2, 168), 0.5))
    for one in (model, with_messages):
        one.save(tmp_path)

        again = SendTimeModel.load(tmp_path)

        assert (again.predict(future.profiles, future.as_of) == one.predict(future.profiles, future.as_of)).all()


def test_a_model_saved_before_messages_had_a_table_is_read(model: SendTimeModel, tmp_path: Path) -> None:
    response = MessageResponse(np.linspace(0.1, 0.2, 168), 0.5)
    replace(model, response=response).save(tmp_path)
    words = json.loads((tmp_path / "manifest.json").read_text())
    del words["response"], words["learned_until"]
    (tmp_path / "manifest.json").write_text(json.dumps(words | {"has_response": True}))

    again = SendTimeModel.load(tmp_path)

    assert again.learned_until is None
    assert isinstance(again.response, MessageResponse)
    assert (again.response.rate == response.rate).all()


def test_hours_by_orders_rest_on_as_many_orders_as_the_prior_is_worth(
    model: SendTimeModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    orders = {"often": [(7 * week + 0.4, ["tea"]) for week in range(24)], "once": [(160.4, ["tea"])]}
    known = profiles_of(orders)
    strengths = model.strengths._replace(hour_of_day=5.0, half_life_days=90.0)

    evidence = replace(model, strengths=strengths).evidence(concatenate([known, empty(["never"])]), future.as_of)

    assert [LEVELS[level] for level in evidence.level] == ["own purchases", "segment", "everyone"]
    assert evidence.is_less_than_own.tolist() == [False, True, True]


def test_a_folder_of_another_format_is_refused(model: SendTimeModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    words = tmp_path / "manifest.json"
    words.write_text(words.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(TrainingError, match="format: got 2, expected 1"):
        SendTimeModel.load(tmp_path)


def test_a_handful_of_orders_is_not_enough(past: list[Snapshot]) -> None:
    few = [replace(past[0], hour_offsets=np.zeros(121, dtype=np.int64), hours=np.zeros(0, dtype=np.uint8))]

    with pytest.raises(NotEnoughData, match="0 after the last cutoffs"):
        SendTimeModel.fit(few, {}, seed=1)


def test_without_evidence_the_prior_is_the_segments_hours() -> None:
    hours = np.full((1, 168), 1 / 168)
    segments = Segments(hours, np.log(hours), np.zeros(1))

    assert hours_of(np.zeros(168), segments, Strengths(10, 10, 10, 0.5, 90, 0.3, 0.1)) == pytest.approx(1 / 168)


def test_evidence_is_weighed_by_its_strength() -> None:
    """Ten orders at one hour, a prior of hour of week worth ten, no other levels: half of the mass is the orders'."""
    hours = np.full((1, 168), 1 / 168)
    counts = np.zeros(168)
    counts[5] = 10.0

    mass = hours_of(counts, Segments(hours, np.log(hours), np.zeros(1)), Strengths(10, 1e12, 1e12, 0.5, 90, 0.3, 0.0))

    assert mass[5] == pytest.approx(0.5 + 0.5 / 168, rel=1e-6)


def test_rates_of_rare_hours_shrink_to_the_mean_more_than_those_of_common_ones() -> None:
    rates = shrunken_rates(np.array([2.0, 900.0, 300.0, 100.0]), np.array([2.0, 1000.0, 1000.0, 1000.0]))

    assert rates[1] == pytest.approx(0.9, abs=0.02)
    assert rates[3] == pytest.approx(0.1, abs=0.02)
    assert 0.4 < rates[0] < 0.95


def test_where_messages_are_logged_the_response_given_the_sending_hour_counts() -> None:
    """Most messages go out at 10, most responses a message come at 20; nothing is known of presence."""
    n = 200
    hours = Hours(np.arange(0, 2 * n + 1, 2), np.tile(np.array([10, 20], dtype=np.uint8), n),
                  np.tile([5, 3], n), np.tile([50, 10], n))  # fmt: skip
    everyone = np.full(168, 1 / 168)
    presence = np.tile(everyone, (n, 1))

    assert learn_response(replace(empty(["c"] * n), hours=hours), presence, everyone) is None  # two hours, no more
    spread = msgspec.structs.replace(hours, hour=np.where(np.arange(2 * n) % 40 == 0, 30, hours.hour).astype(np.uint8))
    learned = learn_response(replace(empty(["c"] * n), hours=spread), presence, everyone)

    assert learned is not None
    assert times_response(presence, everyone, learned)[0].argmax() == 20
