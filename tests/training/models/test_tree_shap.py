"""What each feature adds is what LightGBM says that it adds, and sums to the score."""

import lightgbm
import numpy as np
import pytest

from training.models.tree_shap import contributions

ROWS, COLUMNS = 600, 7


def _data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(ROWS, COLUMNS))
    features[:, 4] = generator.integers(0, 40, ROWS)
    features[:, 5] = np.where(generator.random(ROWS) < 0.5, 0.0, features[:, 5])
    features[generator.random((ROWS, COLUMNS)) < 0.1] = np.nan
    target = np.nan_to_num(features[:, 0] * features[:, 1]) + (np.nan_to_num(features[:, 4]) % 3 == 1)
    return features, target + generator.normal(size=ROWS) * 0.1


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"max_depth": 1}])
def test_contributions_are_those_of_lightgbm(settings: dict[str, object]) -> None:
    features, target = _data(3)
    given = {"verbosity": -1, "num_leaves": 24, "min_data_in_leaf": 5, "num_threads": 1, "seed": 1, **settings}
    data = lightgbm.Dataset(features, target, categorical_feature=[4], params={"verbosity": -1, **settings})
    booster = lightgbm.train(given, data, 30)
    expected = booster.predict(features[:40], pred_contrib=True)
    text = booster.model_to_string()
    for row, said in zip(features[:40], expected, strict=True):
        found = contributions(text, row)
        np.testing.assert_allclose(np.append(found.of_features, found.base), said, rtol=1e-9, atol=1e-10)
    scores = [contributions(text, row).score for row in features[:40]]
    np.testing.assert_allclose(scores, booster.predict(features[:40], raw_score=True), rtol=1e-9, atol=1e-10)


def test_a_forest_without_splits_is_its_base() -> None:
    features, _ = _data(1)
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(features, np.ones(ROWS)), 3)
    found = contributions(booster.model_to_string(), features[0])
    assert found.score == pytest.approx(float(booster.predict(features[:1])[0]))
    assert not found.of_features.any()


def test_a_row_of_another_shape_is_refused() -> None:
    features, target = _data(2)
    text = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(features, target), 2).model_to_string()
    with pytest.raises(ValueError, match=r"row: got shape \(3,\), expected \(7,\)"):
        contributions(text, np.zeros(3))
