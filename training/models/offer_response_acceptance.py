"""The chance of a response given an offer: levels of the offers, trees from there on, and their calibration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from training.models.logistic import fit_logistic, sigmoid
from training.models.offer_response_boosting import BothBoosted, Lessons, boost_both
from training.models.offer_response_forest import OfferForest
from training.models.offer_response_levels import Floats, Integers, OfferLevels, fit_levels

PRIOR_WEIGHT = 50.0
"""How many presentations' worth of belief there is in the scores as they come."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Of n presentations the customer (n, f), the offer (n; a row of ``terms``), 0 or 1 (n) and the fold (n)."""

    customers: Floats
    codes: Integers
    answered: Floats
    fold: Integers
    terms: Floats
    """(m, t)"""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The model, and the same with trees that never met the persons of a fold."""

    model: OfferForest
    folds: list[OfferForest]

    def chance(self, customers: Floats, codes: Integers, terms: Floats, fold: Integers) -> Floats:
        """(n), of each customer with the offer of the same row, as if the person were new."""
        result = np.zeros(len(codes))
        for number, forest in enumerate(self.folds):
            rows = fold == number
            result[rows] = sigmoid(forest.paired(customers[rows], codes[rows], terms[rows]))
        return result


def fit_acceptance(answers: Answers, parameters: Mapping[str, float | int], seed: int) -> Acceptance:
    levels = levels_of(answers)
    terms = answers.terms[answers.codes]
    lessons = Lessons(
        answers.customers,
        answers.codes,
        terms,
        answers.answered,
        levels.of(answers.codes, terms),
        np.ones(len(answers.codes)),
        answers.fold,
    )
    boosted = boost_both("binary", lessons, parameters, seed)
    terms_trees, name_trees = boosted.by_terms, boosted.by_name
    model = OfferForest(levels, terms_trees.trees, **_calibrated(lessons, boosted), own_trees=name_trees.trees)
    folds = zip(terms_trees.folds, name_trees.folds, strict=True)
    return Acceptance(model, [replace(model, trees=trees, own_trees=own) for trees, own in folds])


def levels_of(answers: Answers) -> OfferLevels:
    """Log-odds of the answers to each offer, half a one kept off never and always."""
    count = np.bincount(answers.codes, minlength=len(answers.terms)).astype(np.float64)
    yes = np.bincount(answers.codes, weights=answers.answered, minlength=len(answers.terms)) + 0.5
    no = count + 1.0 - yes
    variance = np.where(count > 0, 1.0 / yes + 1.0 / no, np.inf)
    return fit_levels(np.log(yes / no), variance, answers.terms)


def _calibrated(lessons: Lessons, boosted: BothBoosted) -> dict[str, float]:
    """The weights of the level and of the trees, and the intercept, from trees that had not met the person."""
    told = (boosted.by_terms.told, boosted.by_name.told)
    columns = np.column_stack([lessons.start, *told, np.ones_like(lessons.start)])
    weights = fit_logistic(columns, lessons.target, np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, PRIOR_WEIGHT))
    start, trees, own, intercept = np.maximum(weights, [0.0, 0.0, 0.0, -np.inf]).tolist()
    return {"start_weight": start, "tree_weight": trees, "own_weight": own, "intercept": intercept}
