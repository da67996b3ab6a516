"""Both models of the feature vector, on a small shop: what holds for one holds for the other."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.event_log import append
from features.events import Event
from features.history import Snapshot, open_history
from features.instant import parse
from features.store import open_store
from features.vector import FEATURES, PURCHASES, PURPOSE_OF_FEATURE
from training.errors import NotEnoughData, TrainingError
from training.models import churn, lifetime_value
from training.models.churn import ChurnModel, risk_band
from training.models.gradient_boosting import MOST_ROUNDS, over_before
from training.models.lifetime_value import LifetimeValueModel, decayed_spend
from training.models.logistic import sigmoid
from training.models.manifest import FILE
from training.sample import take

HORIZON_DAYS = 14
MODELS = [ChurnModel, LifetimeValueModel]
AS_OF = parse("2017-07-20")


@pytest.fixture(scope="module")
def snapshots(shop_workspace: Path) -> list[Snapshot]:
    store = open_store(shop_workspace)
    with open_history(store, "default") as history:
        cutoffs = history.cutoffs(HORIZON_DAYS, count=5)
        looked = [history.snapshot(cutoff, HORIZON_DAYS) for cutoff in cutoffs]
    store.close()
    return looked


@pytest.fixture(scope="module")
def small_shops(
    tmp_path_factory: pytest.TempPathFactory, shopping: Callable[[int], list[Event]]
) -> list[list[Snapshot]]:
    """Five cutoffs each of five small shops."""
    shops = []
    for seed in range(2, 7):
        store = open_store(tmp_path_factory.mktemp("small-shop"))
        with store.writing() as connection:
            events = shopping(seed)
            append(connection, events, max(event.occurred_at for event in events), lake=store.lake)
        with open_history(store, "default") as history:
            cutoffs = history.cutoffs(HORIZON_DAYS, count=5)
            shops.append([history.snapshot(cutoff, HORIZON_DAYS) for cutoff in cutoffs])
        store.close()
    return shops


@pytest.fixture(scope="module")
def fitted(snapshots: list[Snapshot]) -> Iterator[dict[Any, Any]]:
    return {model: model.fit(snapshots[:-1], {}, seed=0) for model in MODELS}


def outputs(model: Any, features: np.ndarray, as_of: int) -> np.ndarray:
    predicted = model.predict(features, as_of)
    return np.stack(predicted) if isinstance(predicted, tuple) else predicted


@pytest.mark.parametrize("kind", MODELS)
def test_a_saved_model_predicts_the_same(
    kind: Any, fitted: dict[Any, Any], snapshots: list[Snapshot], tmp_path: Path
) -> None:
    fitted[kind].save(tmp_path)

    read = kind.load(tmp_path)

    features = snapshots[-1].features
    np.testing.assert_array_equal(outputs(read, features, AS_OF), outputs(fitted[kind], features, AS_OF))
    assert read.horizon_days == HORIZON_DAYS


@pytest.mark.parametrize("kind", MODELS)
def test_one_row_predicts_as_in_a_batch(kind: Any, fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    features = snapshots[-1].features[:9]

    alone = np.concatenate([np.atleast_2d(outputs(fitted[kind], row[None, :], AS_OF).T) for row in features])

    np.testing.assert_array_equal(alone, np.atleast_2d(outputs(fitted[kind], features, AS_OF).T).reshape(alone.shape))


def test_what_each_feature_adds_sums_to_what_is_predicted(fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    features, silent = snapshots[-1].features[:40], np.full((1, snapshots[-1].features.shape[1]), np.nan)
    rows = np.concatenate([features, silent])
    chances = fitted[ChurnModel].predict(rows, AS_OF)
    means = fitted[LifetimeValueModel].mean(rows, AS_OF)

    for kind, expected in ((ChurnModel, np.log(chances / (1 - chances))), (LifetimeValueModel, np.log(means))):
        found = [fitted[kind].contributions(row, AS_OF) for row in rows]
        np.testing.assert_allclose([one.score for one in found], expected, rtol=1e-9, atol=1e-9)
        assert all(one.of_features.any() for one in found[:-1])


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_seed_fits_the_same_model(kind: Any, fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    again = kind.fit(snapshots[:-1], {}, seed=0)

    features = snapshots[-1].features
    np.testing.assert_array_equal(outputs(again, features, AS_OF), outputs(fitted[kind], features, AS_OF))


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_of_other_features_is_refused(kind: Any, fitted: dict[Any, Any], tmp_path: Path) -> None:
    fitted[kind].save(tmp_path)
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"features": "', '"features": "other'))

    with pytest.raises(TrainingError, match="features: got 'other"):
        kind.load(tmp_path)


@pytest.mark.parametrize("kind", MODELS)
def test_too_little_is_refused_with_what_is_needed(kind: Any, snapshots: list[Snapshot]) -> None:
    nobody = snapshots[0]
    silent = Snapshot(
        nobody.as_of, nobody.horizon_days, nobody.profiles, nobody.features, np.zeros_like(nobody.orders),
        np.zeros_like(nobody.spend), [[] for _ in nobody.orders], np.zeros_like(nobody.hour_offsets), nobody.hours[:0],
    )  # fmt: skip

    with pytest.raises(NotEnoughData, match="expected at least"):
        kind.fit([silent], {}, seed=0)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("silent", [slice(0, -1), slice(-1, None)], ids=["earlier cutoffs", "newest cutoff"])
def test_a_silent_part_of_the_history_is_refused(kind: Any, silent: slice, snapshots: list[Snapshot]) -> None:
    told = list(snapshots)
    told[silent] = [replace(one, orders=one.orders * 0, spend=one.spend * 0) for one in snapshots[silent]]

    with pytest.raises(NotEnoughData, match="got 0, expected at least"):
        kind.fit(told, {}, seed=0)


@pytest.mark.parametrize("kind", MODELS)
def test_a_single_cutoff_is_not_learned_by_heart(kind: Any, snapshots: list[Snapshot]) -> None:
    model = kind.fit(snapshots[:1], {}, seed=0)

    forests = model.parts if kind is LifetimeValueModel else [model.trees]
    assert all(len(trees.forest.roots) < MOST_ROUNDS for trees in forests)


def test_churn_is_measured_beside_recency(fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    evaluation = churn.evaluate(fitted[ChurnModel], snapshots[-1])

    assert set(evaluation.baselines["days_since_last_purchase"]) <= set(evaluation.metrics)


def test_churn_of_small_shops_does_not_lose_to_recency(small_shops: list[list[Snapshot]]) -> None:
    # Weekly shoppers of whom some stop: there is little to know beside recency, and 150 customers to learn it from.
    evaluations = [churn.evaluate(ChurnModel.fit(shop[:-1], {}, seed=0), shop[-1]) for shop in small_shops]

    gains = [each.metrics["auc_difference"] for each in evaluations]
    assert np.mean(gains) > -0.005
    assert min(gains) > -0.03


def test_churn_of_an_earlier_format_is_still_read(
    fitted: dict[Any, Any], snapshots: list[Snapshot], tmp_path: Path
) -> None:
    model = fitted[ChurnModel]
    model.save(tmp_path)
    manifest = json.loads((tmp_path / FILE).read_text())
    del manifest["simple"], manifest["blend"], manifest["season"], manifest["calibrated_at"]
    (tmp_path / FILE).write_text(json.dumps({**manifest, "calibration": {"slope": 0.8, "intercept": -0.2}}))

    chance = ChurnModel.load(tmp_path).predict(snapshots[-1].features, snapshots[-1].as_of)

    expected = sigmoid(0.8 * model.trees.predict_raw(snapshots[-1].features) - 0.2)
    np.testing.assert_allclose(chance, expected, rtol=1e-12)


def test_who_stays_away_longer_is_likelier_gone_by_the_simple_score(fitted: dict[Any, Any]) -> None:
    simple = fitted[ChurnModel].simple
    features = np.full((3, len(FEATURES)), np.nan)
    features[:2, FEATURES.index("days_since_last_order")] = [1, 30]

    recent, long_ago, unknown = simple.predict_raw(features)

    assert recent < unknown < long_ago
    assert unknown == simple.intercept


def test_quantiles_are_in_order_and_spend_is_never_negative(fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    value = fitted[LifetimeValueModel].predict(snapshots[-1].features, snapshots[-1].as_of)

    assert (value.low >= 0).all()
    assert (value.low <= value.median).all()
    assert (value.median <= value.high).all()
    assert (value.mean > 0).all()


def test_lifetime_value_is_measured_beside_decayed_spend(fitted: dict[Any, Any], snapshots: list[Snapshot]) -> None:
    evaluation = lifetime_value.evaluate(fitted[LifetimeValueModel], snapshots[-1])

    assert set(evaluation.baselines["decayed_spend"]) <= set(evaluation.metrics)
    assert 0.5 < evaluation.metrics["total_predicted_over_actual"] < 2.0


def test_the_total_of_a_shop_lies_in_the_interval_that_the_model_tells(
    fitted: dict[Any, Any], snapshots: list[Snapshot], tmp_path: Path
) -> None:
    model = fitted[LifetimeValueModel]
    model.save(tmp_path)

    metrics = lifetime_value.evaluate(LifetimeValueModel.load(tmp_path), snapshots[-1]).metrics

    low, high = metrics["total_interval_low_over_actual"], metrics["total_interval_high_over_actual"]
    assert low < 1 < high
    assert np.sqrt(low * high) == pytest.approx(metrics["total_predicted_over_actual"])
    assert np.log(high / low) == pytest.approx(2 * 1.96 * model.total_deviation)


def test_a_lifetime_value_model_of_other_inputs_is_refused(fitted: dict[Any, Any], tmp_path: Path) -> None:
    fitted[LifetimeValueModel].save(tmp_path)
    manifest = json.loads((tmp_path / FILE).read_text())
    manifest["levels"]["mean"]["weights"] = manifest["levels"]["mean"]["weights"][:4]
    (tmp_path / FILE).write_text(json.dumps(manifest))

    with pytest.raises(TrainingError, match="got 4 weights, expected 7: train the model again"):
        LifetimeValueModel.load(tmp_path)


def test_cutoffs_that_overlap_the_newest_do_not_teach_what_it_judges(snapshots: list[Snapshot]) -> None:
    day = 24 * 3600 * 1_000_000
    newest = snapshots[-1]
    earlier = [replace(newest, as_of=newest.as_of - back * day) for back in (21, 16, 14, 13, 7)]

    over = over_before(earlier, newest)

    assert [(newest.as_of - one.as_of) // day for one in over] == [21, 16, 14]
    assert over_before(earlier[1:], newest) == []


def test_a_shop_that_sold_nothing_at_first_is_learned_from_later(snapshots: list[Snapshot]) -> None:
    day = 24 * 3600 * 1_000_000
    newest, nothing = snapshots[-1], np.zeros(len(snapshots[-1].spend))
    earlier = [replace(newest, as_of=newest.as_of - back * day, spend=nothing) for back in (28, 21, 14)]

    model = LifetimeValueModel.fit([*earlier, replace(newest, as_of=newest.as_of - 7 * day), newest], {}, seed=0)

    assert np.isfinite(model.mean(newest.features, newest.as_of)).all()


def test_where_hardly_any_customer_is_left_who_spent_that_is_said(snapshots: list[Snapshot]) -> None:
    newest = snapshots[-1]
    day, nothing = 24 * 3600 * 1_000_000, np.zeros(len(newest.spend))
    few = take(newest, np.flatnonzero(newest.spend > 0)[:1])
    openings = [replace(few, as_of=newest.as_of - back * day) for back in range(200, 100, -1)]
    later = [replace(newest, as_of=newest.as_of - back * day, spend=nothing) for back in (7, 0)]

    with pytest.raises(NotEnoughData, match="to learn from"):
        LifetimeValueModel.fit([*openings, *later], {}, seed=0)


def test_steady_spending_by_hand() -> None:
    features = np.full((1, len(FEATURES)), np.nan)
    features[0, FEATURES.index("spend_decayed_90")] = 90 / np.log(2)

    assert decayed_spend(features, 30) == pytest.approx(30)


@pytest.mark.parametrize("kind", MODELS)
def test_who_opted_out_of_profiling_still_gets_a_prediction(
    kind: Any, fitted: dict[Any, Any], snapshots: list[Snapshot]
) -> None:
    features = snapshots[-1].features.copy()
    features[:, [PURPOSE_OF_FEATURE[name] == PURCHASES for name in FEATURES]] = np.nan

    assert np.isfinite(outputs(fitted[kind], features, AS_OF)).all()


def test_risk_bands_rise_with_the_chance() -> None:
    assert [risk_band(chance) for chance in (0.1, 0.3, 0.59, 0.6)] == ["low", "medium", "medium", "high"]
