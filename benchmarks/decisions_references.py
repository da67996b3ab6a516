"""What else people use to say who answers an offer because of it; each method is given the same rows and columns.

Of each offer (columns) beside nothing, for customers (rows). The trees are LightGBM's with settings for few answers,
the same for every learner, fixed beforehand.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.models.offer_response import CONTROL, OfferResponseModel, Presentations

Floats = NDArray[np.float64]
Learner = Callable[[Presentations, Floats], Floats]
"""Of what was presented, and customers (k, f), to the uplift of each offer (k, m)."""

ROUNDS = 60
_TREES: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "num_threads": 2,
    "verbose": -1,
    "seed": 1,
}


def ours(taught: Presentations, asked: Floats) -> Floats:
    model = OfferResponseModel.fit(taught, {}, seed=0)
    return model.predict(asked, taught.offer_ids, taught.terms).uplift


def two_logistic_regressions(taught: Presentations, asked: Floats) -> Floats:
    without = _logistic(taught, taught.offer == CONTROL, asked)
    return np.stack([_logistic(taught, taught.offer == code, asked) - without for code in _codes(taught)], axis=1)


def class_transformation(taught: Presentations, asked: Floats) -> Floats:
    """Jaskowski and Jaroszewicz (2012): a logistic regression of whether answering and being shown go together."""
    columns = []
    for code in _codes(taught):
        rows = (taught.offer == code) | (taught.offer == CONTROL)
        together = (taught.response[rows] > 0) == (taught.offer[rows] == code)
        chance = _regression().fit(_filled(taught.customers[rows]), together).predict_proba(_filled(asked))[:, 1]
        columns.append(2.0 * chance - 1.0)
    return np.stack(columns, axis=1)


def t_learner(taught: Presentations, asked: Floats) -> Floats:
    without = _trees(taught.customers, taught.response, taught.offer == CONTROL)(asked)
    of_each = [_trees(taught.customers, taught.response, taught.offer == code)(asked) for code in _codes(taught)]
    return np.stack([with_offer - without for with_offer in of_each], axis=1)


def s_learner(taught: Presentations, asked: Floats) -> Floats:
    trees = _trees(np.column_stack([taught.customers, taught.offer]), taught.response, taught.offer >= CONTROL)
    without, *of_each = (trees(np.column_stack([asked, np.full(len(asked), code)])) for code in (-1, *_codes(taught)))
    return np.stack([with_offer - without for with_offer in of_each], axis=1)


def random_order(taught: Presentations, asked: Floats) -> Floats:
    return np.random.default_rng(len(asked)).random((len(asked), len(taught.offer_ids)))


LEARNERS: Mapping[str, Learner] = {
    "ours": ours,
    "two logistic regressions": two_logistic_regressions,
    "class transformation": class_transformation,
    "T-learner": t_learner,
    "S-learner": s_learner,
    "random": random_order,
}


def _codes(taught: Presentations) -> range:
    return range(len(taught.offer_ids))


def _regression() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def _filled(customers: Floats) -> Floats:
    return np.nan_to_num(customers, nan=0.0)


def _logistic(taught: Presentations, rows: NDArray[np.bool_], asked: Floats) -> Floats:
    """Of spend the chance of any, times what those spend who spend."""
    response = taught.response[rows]
    model = _regression().fit(_filled(taught.customers[rows]), response > 0)
    amount = float(taught.response[taught.response > 0].mean())
    chance: Floats = model.predict_proba(_filled(asked))[:, 1]
    return amount * chance


def _trees(customers: Floats, response: Floats, rows: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    import lightgbm

    objective = "binary" if set(np.unique(response)) <= {0.0, 1.0} else "regression"
    data = lightgbm.Dataset(customers[rows], response[rows])
    booster = lightgbm.train({**_TREES, "objective": objective}, data, ROUNDS)
    return lambda asked: np.asarray(booster.predict(asked))
