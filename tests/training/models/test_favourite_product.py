from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.history import Snapshot
from features.product_targets import index_targets
from features.profiles import Profiles, empty
from training.errors import NotEnoughData, TrainingError
from training.models.collaborative_filtering import Tastes, cholesky_solve, learn_tastes, taste_of
from training.models.favourite_product import ARRAYS_FILE, FavouriteProductModel, evaluate
from training.models.favourite_product_training import answer, example_of
from training.models.purchase_histories import histories_of

ProfilesOf = Callable[..., Profiles]
SnapshotOf = Callable[..., Snapshot]


@pytest.fixture(scope="module")
def model(past: list[Snapshot]) -> FavouriteProductModel:
    return FavouriteProductModel.fit(past, {}, seed=1)


def test_the_habit_comes_first(model: FavouriteProductModel, future: Snapshot) -> None:
    ranked = model.rank(future.profiles, future.as_of, 3)

    first = [products[0] for products, _ in ranked]
    assert np.mean([product == ("tea", "milk")[customer % 2] for customer, product in enumerate(first)]) > 0.95


def test_a_list_is_sorted_without_repeats_and_no_longer_than_asked(
    model: FavouriteProductModel, future: Snapshot
) -> None:
    for products, scores in model.rank(future.profiles, future.as_of, 7):
        assert len(products) == len(set(products)) == len(scores) == 7
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def test_the_baseline_is_matched_where_habits_are_all_there_is(model: FavouriteProductModel, future: Snapshot) -> None:
    found = evaluate(model, future)

    assert found.metrics["ndcg_at_10"] >= found.baselines["personal_frequency"]["ndcg_at_10"] - 0.03
    assert found.metrics["ndcg_at_10"] > found.baselines["most_popular"]["ndcg_at_10"]
    assert found.metrics["ndcg_at_10_difference_low"] <= found.metrics["ndcg_at_10_difference_high"]


def test_a_new_customer_gets_popular_products(model: FavouriteProductModel, future: Snapshot) -> None:
    [(products, _)] = model.rank(empty(["nobody"]), future.as_of, 5)

    assert {"milk", "tea"} <= set(products)


def test_a_product_launched_after_training_enters_through_the_customers_own_history(
    model: FavouriteProductModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    fan = profiles_of({"fan": [(7.0 * week, ["launched"]) for week in range(24)]})

    [(products, _)] = model.rank(fan, future.as_of, 5)

    assert "launched" in products


def test_one_customer_is_ranked_as_in_a_batch(model: FavouriteProductModel, future: Snapshot) -> None:
    everybody = model.rank(future.profiles, future.as_of, 10)

    assert [model.rank(future.profiles.take([i]), future.as_of, 10)[0] for i in (0, 7, 119)] == [
        everybody[i] for i in (0, 7, 119)
    ]


def test_a_loaded_model_answers_like_the_saved_one(
    model: FavouriteProductModel, future: Snapshot, tmp_path: Path
) -> None:
    model.save(tmp_path)

    loaded = FavouriteProductModel.load(tmp_path)

    assert loaded.rank(future.profiles, future.as_of, 10) == model.rank(future.profiles, future.as_of, 10)
    profile = future.profiles.take([3])
    assert (affinity(loaded, profile, future, {"milk"}, None) == affinity(model, profile, future, {"milk"}, None)).all()


def test_a_folder_of_another_format_is_refused(model: FavouriteProductModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    words = tmp_path / "manifest.json"
    words.write_text(words.read_text().replace('"format": 1', '"format": 99'))

    with pytest.raises(TrainingError, match="format: got 99, expected 1"):
        FavouriteProductModel.load(tmp_path)


def test_training_is_repeatable(past: list[Snapshot], future: Snapshot, model: FavouriteProductModel) -> None:
    again = FavouriteProductModel.fit(past, {}, seed=1)

    assert again.rank(future.profiles, future.as_of, 10) == model.rank(future.profiles, future.as_of, 10)


def test_a_history_without_baskets_is_not_enough(past: list[Snapshot]) -> None:
    silent = [replace(snapshot, next_basket=[[]] * len(snapshot.profiles)) for snapshot in past]

    with pytest.raises(NotEnoughData, match="next baskets: got 0, expected at least 30"):
        FavouriteProductModel.fit(silent, {}, seed=1)


def test_knowledge_of_a_cutoff_is_no_younger_than_the_cutoff(past: list[Snapshot]) -> None:
    codes = {product: code for code, product in enumerate(past[0].profiles.products.vocabulary)}
    honest = [example_of(snapshot, codes) for snapshot in past]
    other = replace(past[1], next_basket=[["p1"] for _ in past[1].profiles.customer_ids])
    changed = [honest[0], example_of(other, codes), example_of(past[2], codes)]

    before, after = answer(honest, 1, len(codes)).knowledge, answer(changed, 1, len(codes)).knowledge

    assert all((one == two).all() for one, two in zip(before, after, strict=True))


def test_a_version_saved_without_what_is_read_now_is_refused(model: FavouriteProductModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    with np.load(tmp_path / ARRAYS_FILE) as arrays:
        kept = {name: values for name, values in arrays.items() if not name.startswith("following.")}
    np.savez(tmp_path / ARRAYS_FILE, allow_pickle=False, **kept)

    with pytest.raises(TrainingError, match="of an older version: train again"):
        FavouriteProductModel.load(tmp_path)


def test_something_new_was_never_bought(model: FavouriteProductModel, future: Snapshot) -> None:
    few = future.profiles.take(range(20))

    for row, (found, scores) in enumerate(model.rank_new(few, future.as_of, 10)):
        mine = slice(few.products.offsets[row], few.products.offsets[row + 1])
        bought = {few.products.vocabulary[code] for code in few.products.code[mine]}
        assert not bought.intersection(found)
        assert found
        assert scores == sorted(scores, reverse=True)


def test_something_new_for_a_nobody_is_what_everybody_buys(model: FavouriteProductModel, future: Snapshot) -> None:
    nobody = empty(["nobody"])

    assert model.rank_new(nobody, future.as_of, 5) == model.rank(nobody, future.as_of, 5)


def test_an_event_changes_the_answer_at_once(
    model: FavouriteProductModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    orders = [(7.0 * week, ["p1", "p2"]) for week in range(20)]
    before, after = profiles_of({"c": orders}), profiles_of({"c": [*orders, (160.0, ["milk"]), (167.0, ["milk"])]})

    old, new = (dict(zip(*model.rank(each, future.as_of, 100)[0], strict=True)) for each in (before, after))

    assert new["milk"] > 2 * old["milk"]
    assert "milk" in model.rank_new(before, future.as_of, 40)[0][0]
    assert "milk" not in model.rank_new(after, future.as_of, 40)[0][0]


def test_one_cutoff_is_enough_to_learn_from(past: list[Snapshot], future: Snapshot) -> None:
    alone = FavouriteProductModel.fit(past[-1:], {}, seed=1)

    found = evaluate(alone, future)

    assert found.metrics["ndcg_at_10"] > found.baselines["most_popular"]["ndcg_at_10"]


def test_what_is_bought_every_week_is_due_within_a_week(
    model: FavouriteProductModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    weekly = profiles_of({"c": [(7.0 * week, ["milk"]) for week in range(24)]})

    [[(product, due_at)]] = model.due(weekly, future.as_of)

    assert product == "milk"
    assert 0 <= due_at - future.as_of < 7 * 86_400_000_000


# --- affinity


def affinity(model: FavouriteProductModel, profiles: Profiles, future: Snapshot, *products: Any) -> Any:
    targets = index_targets(products)
    asked = np.ones(len(targets), dtype=np.bool_)
    return model.affinities(profiles, future.as_of, targets, model.facts_of(targets), asked)


def test_only_the_targets_asked_for_are_computed(model: FavouriteProductModel, future: Snapshot) -> None:
    profile, targets = future.profiles.take([0]), index_targets([{"tea"}, {"milk", "tea"}, None])

    every = affinity(model, profile, future, {"tea"}, {"milk", "tea"}, None)[0]
    some = model.affinities(profile, future.as_of, targets, model.facts_of(targets), np.array([False, True, False]))[0]

    assert some.tolist() == [0.0, every[1], 0.0]


def test_affinity_is_higher_for_the_habit_and_certain_for_everything(
    model: FavouriteProductModel, future: Snapshot
) -> None:
    targets = [{"tea"}, {"milk"}, {"tea", "milk"}, None, {"unheard of"}]

    tea, milk, either, everything, unheard = affinity(model, future.profiles.take([0]), future, *targets)[0]

    assert tea > 0.5 > milk
    assert either >= tea
    assert everything == 1.0
    assert 0 < unheard < milk


def test_affinity_is_calibrated(model: FavouriteProductModel, future: Snapshot) -> None:
    targets = [{"milk"}, {"tea"}, {f"p{number}" for number in range(10)}]
    ordered = [i for i, basket in enumerate(future.next_basket) if basket]

    chances = affinity(model, future.profiles.take(ordered), future, *targets)

    bought = np.array([[bool(target.intersection(future.next_basket[i])) for target in targets] for i in ordered])
    assert chances.mean(axis=0) == pytest.approx(bought.mean(axis=0), abs=0.1)


def test_a_nobody_has_the_chance_of_first_purchases(model: FavouriteProductModel, future: Snapshot) -> None:
    chances = affinity(model, empty(["nobody"]), future, {"milk"}, set())[0]

    assert 0 < chances[0] < 1
    assert chances[1] == 0


def test_an_order_ahead_of_the_clock_spoils_no_number(
    model: FavouriteProductModel, profiles_of: ProfilesOf, future: Snapshot
) -> None:
    ahead = profiles_of({"early": [(160.0, ["tea"]), (169.0, ["tea", "p1"])]})

    [(_, scores)] = model.rank(ahead, future.as_of, 10)

    assert np.isfinite(scores).all()
    assert 0 < affinity(model, ahead, future, {"tea"})[0, 0] < 1


# --- collaborative filtering


def test_tastes_find_the_other_half_of_a_checkerboard(profiles_of: ProfilesOf) -> None:
    """Even customers buy even products, odd ones odd products; each customer lacks one of theirs."""
    orders = {
        f"c{i:02}": [(1.0, [f"p{p:02}" for p in range(i % 2, 20, 2) if p != i % 20])] for i in range(40)
    }  # fmt: skip
    codes = {f"p{p:02}": p for p in range(20)}
    histories = histories_of(profiles_of(orders), 30 * 86_400_000_000, codes)

    tastes = learn_tastes(histories, 20, factors=4, weight=10.0, ridge=0.1, sweeps=15, seed=3)

    for i in range(20):
        mine = slice(histories.product_offsets[i], histories.product_offsets[i + 1])
        taste = taste_of(tastes, histories.code[mine], histories.lines[mine], np.arange(9))
        scores = tastes.factors[:-1] @ taste
        scores[histories.code[mine]] = -np.inf
        assert scores.argmax() == i


def test_folding_in_solves_the_normal_equations() -> None:
    generator = np.random.default_rng(5)
    factors = np.concatenate([generator.normal(size=(6, 3)), np.zeros((1, 3))]).astype(np.float32)
    y = factors[:-1].astype(np.float64)
    tastes = Tastes(factors, y.T @ y + 0.1 * np.eye(3), 2.0)
    code, lines = np.array([4, -1, 1], dtype=np.int32), np.array([3.0, 9.0, 1.0])

    taste = taste_of(tastes, code, lines, np.arange(3))

    confidence = np.ones(6)
    confidence[[4, 1]] += 2.0 * np.log1p([3.0, 1.0])
    bought = np.isin(np.arange(6), [4, 1])
    expected = np.linalg.solve((y.T * confidence) @ y + 0.1 * np.eye(3), (y.T * confidence) @ bought)
    assert taste == pytest.approx(expected, rel=1e-9)


@given(arrays(np.float64, (4, 4), elements=st.floats(-3, 3)), arrays(np.float64, 4, elements=st.floats(-3, 3)))
def test_cholesky_solves_what_is_positive_definite(root: np.ndarray, right: np.ndarray) -> None:
    matrix = root @ root.T + np.eye(4)

    assert matrix @ cholesky_solve(matrix.copy(), right) == pytest.approx(right, abs=1e-9)
