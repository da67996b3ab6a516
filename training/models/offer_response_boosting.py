"""Trees boosted in folds of persons: how many rounds are best on those not met, and what these would have been told.

LightGBM (Ke et al., NeurIPS 2017) is imported only here, to fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.offer_response_forest import UNKNOWN, inputs
from training.models.offer_response_levels import Floats, Integers
from training.models.trees import FlatTrees, flatten

Parameters = Mapping[str, float | int]

MOST_ROUNDS = 400
PATIENCE_ROUNDS = 30
MOST_LEAVES = 20
"""A leaf holds at least one row in so many, where that is fewer than ``min_data_in_leaf``."""

DEFAULTS: dict[str, float | int] = {
    "learning_rate": 0.1,
    "num_leaves": 12,
    "min_data_in_leaf": 100,
    "feature_fraction_bynode": 0.7,
    "bagging_fraction": 0.7,
    "lambda_l2": 5.0,
    "max_bin": 63,
}
_FIXED: dict[str, Any] = {
    "bagging_freq": 1,
    "verbose": -1,
    "num_threads": 2,
    "deterministic": True,
    "force_row_wise": True,
    "boost_from_average": False,
}


@dataclass(frozen=True, slots=True)
class Lessons:
    """Rows of customers with an offer each: what is to be predicted, from which score on, and how much it counts."""

    customers: Floats
    codes: Integers
    terms: Floats
    target: Floats
    start: Floats
    weight: Floats
    fold: Integers

    def where(self, chosen: NDArray[np.bool_] | Integers) -> "Lessons":
        return Lessons(*(getattr(self, part)[chosen] for part in Lessons.__slots__))


@dataclass(frozen=True, slots=True)
class Boosted:
    """``told`` (n) is what trees that never met the person add to the start; ``folds`` are those trees."""

    trees: FlatTrees
    folds: list[FlatTrees]
    told: Floats
    rounds: int


@dataclass(frozen=True, slots=True)
class BothBoosted:
    """Trees that know an offer by its terms alone, and from there on trees that know it by name."""

    by_terms: Boosted
    by_name: Boosted


def folds_of(person: Integers, count: int, seed: int) -> Integers:
    """(n): a random fold for each person."""
    _, number = np.unique(person, return_inverse=True)
    drawn = np.random.default_rng([seed, count]).permutation(int(number.max(initial=-1)) + 1)
    return np.asarray(drawn[number] % count, np.int64)


def boost_both(
    objective: str, lessons: Lessons, parameters: Parameters, seed: int, least_rounds: int = 0
) -> BothBoosted:
    """What a new offer can borrow is learned first and without names: what names explain, terms were never asked."""
    unnamed = replace(lessons, codes=np.full_like(lessons.codes, UNKNOWN))
    by_terms = boost(objective, unnamed, parameters, seed, least_rounds)
    named = replace(lessons, start=lessons.start + by_terms.told)
    by_name = boost(objective, named, parameters, seed, least_rounds)
    return BothBoosted(by_terms, by_name)


def boost(objective: str, lessons: Lessons, parameters: Parameters, seed: int, least_rounds: int = 0) -> Boosted:
    """The trees of the number of rounds that was best for persons not met, at least so many."""
    import lightgbm

    settings = _settings(objective, parameters, len(lessons.target), seed)
    numbers = range(int(lessons.fold.max()) + 1)
    boosters = [_booster(lessons, number, settings) for number in numbers]
    rounds = _best_rounds(boosters, [_unboosted(objective, lessons.where(lessons.fold == each)) for each in numbers])
    rounds = max(rounds, min(least_rounds, boosters[0].current_iteration()))
    folds = [_cut(booster, rounds) for booster in boosters]
    told = np.zeros(len(lessons.target))
    for number in numbers:
        judged = lessons.fold == number
        part = lessons.where(judged)
        told[judged] = folds[number].predict_raw(inputs(part.customers, part.codes, part.terms))
    whole = lightgbm.Booster(settings, _dataset(lessons))
    for _ in range(rounds):
        whole.update()
    return Boosted(flatten(whole), folds, told, rounds)


def _booster(lessons: Lessons, number: int, settings: Mapping[str, Any]) -> Any:
    import lightgbm

    judged = lessons.where(lessons.fold == number)
    taught = _dataset(lessons.where(lessons.fold != number))
    booster = lightgbm.Booster(dict(settings), taught)
    rows = inputs(judged.customers, judged.codes, judged.terms)
    booster.add_valid(
        lightgbm.Dataset(rows, judged.target, weight=judged.weight, init_score=judged.start, reference=taught), "judged"
    )
    return booster


def _best_rounds(boosters: Sequence[Any], loss_of_none: Sequence[float]) -> int:
    losses = [float(np.mean(loss_of_none))]
    while len(losses) <= MOST_ROUNDS and len(losses) - 1 - int(np.argmin(losses)) < PATIENCE_ROUNDS:
        for booster in boosters:
            booster.update()
        losses.append(float(np.mean([booster.eval_valid()[0][2] for booster in boosters])))
    return int(np.argmin(losses))


def _unboosted(objective: str, judged: Lessons) -> float:
    """The loss of the start alone."""
    if objective == "binary":
        loss = np.logaddexp(0.0, judged.start) - judged.target * judged.start
    else:
        loss = (judged.target - judged.start) ** 2
    return float(np.average(loss, weights=judged.weight))


def _dataset(lessons: Lessons) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        inputs(lessons.customers, lessons.codes, lessons.terms),
        lessons.target,
        weight=lessons.weight,
        init_score=lessons.start,
        categorical_feature=[lessons.customers.shape[1] + lessons.terms.shape[1]],
        free_raw_data=True,
    )


def _cut(booster: Any, rounds: int) -> FlatTrees:
    first = 0 if rounds else booster.current_iteration()  # to LightGBM no iterations at all means all of them
    return flatten(_Text(booster.model_to_string(num_iteration=rounds, start_iteration=first)))


@dataclass(frozen=True, slots=True)
class _Text:
    text: str

    def model_to_string(self) -> str:
        return self.text


def _settings(objective: str, parameters: Parameters, rows: int, seed: int) -> dict[str, Any]:
    chosen = DEFAULTS | dict(parameters)
    fewest = min(int(chosen["min_data_in_leaf"]), max(rows // MOST_LEAVES, 1))
    return {**_FIXED, **chosen, "min_data_in_leaf": fewest, "objective": objective, "seed": seed}
