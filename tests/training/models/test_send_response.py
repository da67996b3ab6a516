"""A small world whose best hours are known, and a sender with a habit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.history import Snapshot
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR
from features.profile_tables import Messages, offsets_of
from features.profiles import empty
from features.statistics import NEVER_FIRST
from training.held_out import held_out
from training.models.message_log import MessageLog, empty_log
from training.models.message_response import MessageResponse
from training.models.send_evidence import LEVELS, best_hours_left
from training.models.send_policy import estimate_lift, propensities
from training.models.send_response import SendResponse
from training.models.send_response_training import learn_send_response
from training.models.send_time import SendTimeModel, evaluate
from training.models.send_time_evaluation import held_out_messages

CUSTOMERS, MESSAGES = 600, 60
HABIT = 10
BEST = np.arange(CUSTOMERS) % 3 * 5 + 8
"""8, 13 or 18."""
EVERYONE = np.full(24, 1 / 24)
NO_ORDERS = np.zeros((CUSTOMERS, 24))


def true_chance(hour: np.ndarray, best: np.ndarray) -> np.ndarray:
    away = np.abs((hour % 24 - best + 12) % 24 - 12)
    return np.asarray(0.05 + 0.55 * np.exp(-((away / 2.0) ** 2)))


def world(seed: int = 0, messages: int = MESSAGES) -> MessageLog:
    """Seven of ten messages go out at the habitual hour, the others at any between 7 and 22."""
    generator = np.random.default_rng(seed)
    count = CUSTOMERS * messages
    of_day = np.where(generator.random(count) < 0.7, HABIT, generator.integers(7, 23, count))
    hour = generator.integers(0, 7, count) * 24 + of_day
    answered = generator.random(count) < true_chance(hour, np.repeat(BEST, messages))
    channel = generator.integers(0, 2, count)
    return MessageLog(np.arange(0, count + 1, messages), hour.astype(np.uint8), channel, answered)


@pytest.fixture(scope="module")
def response() -> SendResponse:
    return learn_send_response(world(), NO_ORDERS, EVERYONE, ("email", "push"), kinds=2)


def test_the_best_hour_is_found_though_the_sender_has_a_habit(response: SendResponse) -> None:
    log = world()
    ours = response.expected(log, NO_ORDERS).argmax(axis=1) % 24
    opened = np.zeros((CUSTOMERS, 24))
    np.add.at(opened, (log.customer[log.is_answered], log.hour[log.is_answered] % 24), 1.0)

    assert np.mean(np.abs(ours - BEST) <= 1) > 0.9
    assert np.mean(np.abs(opened.argmax(axis=1) - BEST) <= 1) < 0.8, "counting answers by hour finds the habit"


def test_nobody_is_written_to_at_an_hour_of_the_day_that_was_never_tried(response: SendResponse) -> None:
    expected = response.expected(world(messages=3), NO_ORDERS)

    assert set((expected.argmax(axis=1) % 24).tolist()) <= set(range(7, 23))


def test_expected_responses_are_those_that_come(response: SendResponse) -> None:
    later = world(seed=1)
    chance = response.at(response.beliefs(world(), NO_ORDERS), later)

    assert chance.mean() == pytest.approx(later.is_answered.mean(), abs=0.01)
    assert chance[chance > 0.4].mean() == pytest.approx(later.is_answered[chance > 0.4].mean(), abs=0.03)


def test_of_a_customer_without_messages_what_is_common_is_expected(response: SendResponse) -> None:
    [expected] = response.expected(empty_log(1), np.zeros((1, 24)))

    assert set(np.argsort(-expected.reshape(7, 24).sum(axis=0))[:6]) & {8, 13, 18} == {8, 13, 18}
    assert best_hours_left(response.beliefs(empty_log(1), np.zeros((1, 24))))[0] > 2.5


def test_orders_say_something_where_they_are_near_the_best_hour() -> None:
    near = np.zeros((CUSTOMERS, 24))
    near[np.arange(CUSTOMERS), BEST + 1] = 8.0
    tied = learn_send_response(world(), near, near.sum(axis=0) / near.sum() + 1e-6, ("email", "push"), kinds=2)
    [evening] = tied.expected(empty_log(1), np.eye(24)[[19]] * 8.0)

    assert tied.coefficients.order_weight > 0
    assert evening.argmax() % 24 == 18


def test_a_channel_has_hours_of_its_own() -> None:
    """By push nobody answers in the morning."""
    log = world()
    is_mute = (log.channel == 1) & (log.hour % 24 < 11)
    learned = learn_send_response(
        log._replace(is_answered=log.is_answered & ~is_mute), NO_ORDERS, EVERYONE, ("email", "push"), kinds=2
    )
    nothing = empty_log(1), np.zeros((1, 24))
    email, push, other = (learned.expected(*nothing, name)[0] for name in ("email", "push", "telegram"))

    assert email[8] > 5 * push[8]
    assert email[18] == pytest.approx(push[18], rel=0.2)
    assert np.array_equal(other, learned.expected(*nothing)[0]), "as by all channels together"


def test_the_lift_is_that_of_the_truth(response: SendResponse) -> None:
    log, before = world(seed=1), world()
    beliefs = response.beliefs(before, NO_ORDERS)
    by_hour = [log._replace(hour=(log.hour // 24 * 24 + hour).astype(np.uint8)) for hour in range(24)]
    expected = np.stack([response.at(beliefs, each) for each in by_hour], axis=1)
    propensity = propensities(log, before, channels=3)

    lift = estimate_lift(log, expected, propensity, np.random.default_rng(0))

    best = expected.argmax(axis=1)
    truth = float(np.mean(true_chance(best, BEST[log.customer]) - true_chance(log.hour, BEST[log.customer])))
    assert propensity.sum(axis=1) == pytest.approx(1.0)
    assert propensity[:, HABIT].mean() == pytest.approx(0.7 + 0.3 / 16, abs=0.01)
    assert lift.low < truth < lift.high
    assert lift.high - lift.low < 0.1


def test_where_nothing_went_out_at_our_hours_there_is_no_lift() -> None:
    log = world()._replace(hour=np.full(CUSTOMERS * MESSAGES, HABIT, dtype=np.uint8))
    expected = np.tile(np.eye(24)[3], (len(log.hour), 1))

    refused = estimate_lift(log, expected, np.full((len(log.hour), 24), 1 / 24), np.random.default_rng(0))

    assert refused.refused == "0 messages count that went out at our hours, 100 are needed"


@pytest.fixture(scope="module")
def written_to(past: list[Snapshot], future: Snapshot) -> tuple[list[Snapshot], Snapshot]:
    """The snapshots of a shop, in which every customer also gets messages, four a week."""
    return [with_messages(each) for each in past], with_messages(future)


def with_messages(snapshot: Snapshot, per_week: int = 4) -> Snapshot:
    """The first of them are the same at every cutoff."""
    customers = len(snapshot.profiles)
    first = 4 * MICROSECONDS_PER_DAY
    weeks = (snapshot.as_of - first) // (7 * MICROSECONDS_PER_DAY)
    generator = np.random.default_rng(5)
    most = 30
    week = np.repeat(np.arange(most), per_week)
    hour = np.sort(
        generator.integers(0, 7 * 24, (customers, most * per_week)).reshape(customers, most, per_week), axis=2
    )
    hour = hour.reshape(customers, -1)
    sent = first + (week * 168 + hour) * MICROSECONDS_PER_HOUR
    best = np.array([9 if customer % 3 else 18 for customer in range(customers)])
    is_answered = generator.random(sent.shape) < true_chance(hour, best[:, None])
    kept = week < weeks
    answered_at = np.where(is_answered, sent + 60_000_000, NEVER_FIRST)
    count = customers * int(kept.sum())
    messages = Messages(
        offsets_of(np.full(customers, int(kept.sum()))), np.arange(count, dtype=np.uint64), sent[:, kept].ravel(),
        answered_at[:, kept].ravel(), hour[:, kept].ravel().astype(np.uint8), np.zeros(count, dtype=np.int32), ["push"],
    )  # fmt: skip
    return replace(snapshot, profiles=replace(snapshot.profiles, messages=messages))


@pytest.fixture(scope="module")
def model(written_to: tuple[list[Snapshot], Snapshot]) -> SendTimeModel:
    return SendTimeModel.fit(written_to[0], {"response_kinds": 2}, seed=1)


def test_where_messages_are_tied_to_their_answers_the_response_is_predicted(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    future = written_to[1]
    hours = model.predict(future.profiles, future.as_of)

    assert isinstance(model.response, SendResponse)
    assert hours.sum(axis=1) == pytest.approx(1.0)
    best = [9 if customer % 3 else 18 for customer in range(120)]
    assert np.mean(np.abs(hours.argmax(axis=1) % 24 - best) <= 1) > 0.9
    together, by_channel = model.predict_channels(future.profiles, future.as_of)
    assert (together == hours).all()
    alone = model.response.expected(*model._known(future.profiles, future.as_of, model.response), "push")
    assert by_channel["push"] == pytest.approx(alone / alone.sum(axis=1, keepdims=True))


def test_one_customer_is_told_what_they_are_told_among_many(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    future = written_to[1]
    together = model.predict(future.profiles, future.as_of)

    alone = np.concatenate([model.predict(future.profiles.take([row]), future.as_of) for row in range(5)])

    assert (alone == together[:5]).all()


def test_answers_held_out_are_measured_against_everyones_rate(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    found = evaluate(model, written_to[1])

    assert found.metrics["messages_held_out"] > 500
    assert found.metrics["response_log_loss"] < found.baselines["everyones_rate"]["response_log_loss"]


def test_what_is_known_later_changes_nothing_that_is_held_against_it(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    """Nobody is predicted by the very answers that are measured."""
    future = written_to[1]
    assert model.learned_until is not None
    messages = future.profiles.messages
    turned = np.where(
        (messages.answered_at == NEVER_FIRST) & (messages.sent_at > model.learned_until), messages.sent_at,
        messages.answered_at,
    )  # fmt: skip
    all_answered = replace(future, profiles=replace(future.profiles, messages=_with(messages, turned)))

    usual, turned_found = evaluate(model, future), evaluate(model, all_answered)

    assert turned_found.metrics["response_by_habit"] > 0.8
    assert turned_found.metrics["response_log_loss"] > 2 * usual.metrics["response_log_loss"]


def test_models_of_different_days_are_asked_of_the_same_messages(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    past, future = written_to
    older = SendTimeModel.fit(past[:-1], {"response_kinds": 2}, seed=1)

    asked = [held_out_messages(one, future) for one in (older, model)]

    assert [one.learned_until for one in (older, model)] == [past[-2].as_of, past[-1].as_of]
    former, later = (one.log for one in asked if one is not None)
    for column in MessageLog._fields:
        np.testing.assert_array_equal(getattr(former, column), getattr(later, column))


def _with(messages: Messages, answered_at: np.ndarray) -> Messages:
    fields = {name: getattr(messages, name) for name in messages.__struct_fields__}
    return Messages(**(fields | {"answered_at": answered_at}))


def test_a_loaded_response_is_the_saved_one(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot], tmp_path: Path
) -> None:
    future = written_to[1]
    model.save(tmp_path)

    again = SendTimeModel.load(tmp_path)

    assert isinstance(again.response, SendResponse)
    assert (again.learned_until, again.response.channels) == (model.learned_until, ("push",))
    assert (again.predict(future.profiles, future.as_of) == model.predict(future.profiles, future.as_of)).all()


def test_what_the_hours_of_a_customer_rest_on_is_told(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    future = written_to[1]
    nobody, many = empty(["nobody"]), future.profiles

    nothing, evidence = model.evidence(nobody, future.as_of), model.evidence(many, future.as_of)

    assert (LEVELS[nothing.level[0]], nothing.is_less_than_own.tolist()) == ("everyone", [True])
    assert np.mean(evidence.level == LEVELS.index("own messages")) > 0.8
    assert (evidence.is_less_than_own == (evidence.level != LEVELS.index("own messages"))).all()


def test_messages_without_ids_are_still_compared_by_hour(past: list[Snapshot]) -> None:
    """As nothing ties an opening to its sending."""
    hour = np.tile(np.arange(0, 168, 24, dtype=np.uint8) + 9, 120)
    hours = type(past[0].profiles.hours)(
        np.arange(0, 121 * 7, 7), hour, np.tile([3, 1, 0, 2, 1, 0, 4], 120), np.full(840, 5, dtype=np.int64)
    )
    snapshots = [replace(each, profiles=replace(each.profiles, hours=hours)) for each in past]

    assert isinstance(SendTimeModel.fit(snapshots, {}, seed=1).response, MessageResponse)


def test_versions_are_compared_by_what_they_lose_on_each_customers_answers(
    model: SendTimeModel, written_to: tuple[list[Snapshot], Snapshot]
) -> None:
    losses = held_out(model, written_to[1]).losses["answer_log_loss"]

    assert losses.shape == (120,)
    assert np.nanmean(losses) == pytest.approx(evaluate(model, written_to[1]).metrics["response_log_loss"], rel=0.05)
