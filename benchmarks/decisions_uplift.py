"""Who answers because of an offer: Qini coefficients and areas under the uplift curve, ours beside what others use.

Everyone is predicted by models that had not met them, several times over with other folds, and the predictions are
averaged: so all customers are judged at once, and one bootstrap over customers serves all methods.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import OURS, Row
from benchmarks.decisions_data import Integers, rows_of
from benchmarks.decisions_references import LEARNERS, Floats, Learner
from training.models.offer_response import CONTROL, Presentations

FOLDS = 4
REPEATS = 3
RESAMPLES = 400
SEED = 0
_TIES = 1e-9
QINI, AREA = "Qini coefficient", "area under uplift curve"


def compare_uplift(data: str, presentations: Presentations, repeats: int = REPEATS) -> Iterator[Row]:
    """The mean over the offers, each beside nothing; per thousand customers."""
    told = out_of_fold(presentations, LEARNERS, repeats)
    drawn = resampled(len(presentations.offer))
    values = {name: _values(presentations, uplift, drawn) for name, uplift in told.items()}
    for place, metric in enumerate((QINI, AREA)):
        for reference in list(LEARNERS)[1:]:
            yield row_of(data, metric, reference, values[OURS][place], values[reference][place])


def row_of(data: str, metric: str, reference: str, ours: Floats, theirs: Floats) -> Row:
    """Of what a measure came to, first as it is and then in each resample; more is better."""
    low, high = np.quantile((ours - theirs)[1:], [0.025, 0.975])
    return Row(data, "offer-response", metric, "", reference, float(ours[0]), float(theirs[0]), float(low), float(high))


def out_of_fold(presentations: Presentations, learners: Mapping[str, Learner], repeats: int) -> dict[str, Floats]:
    """(n, m) of each learner, averaged over the repeats; folds are of persons.

    Centred in each fold: whoever is left out by chance with many answers leaves a model that says a lower mean, and an
    order over all folds would count that against whoever says little else.
    """
    shape = (len(presentations.offer), len(presentations.offer_ids))
    told = {name: np.zeros(shape) for name in learners}
    for repeat in range(repeats):
        fold = folds(presentations.person, np.random.default_rng([SEED, repeat]))
        for number in range(FOLDS):
            taught = rows_of(presentations, np.flatnonzero(fold != number))
            judged = fold == number
            for name, learner in learners.items():
                uplift = learner(taught, presentations.customers[judged])
                told[name][judged] += (uplift - uplift.mean(axis=0)) / repeats
    return told


def folds(person: Integers, generator: np.random.Generator) -> Integers:
    _, number = np.unique(person, return_inverse=True)
    drawn: Integers = generator.permutation(int(number.max()) + 1)[number] % FOLDS
    return drawn


def resampled(customers: int) -> Floats:
    """(1 + resamples, customers): how often each is there; first everybody once."""
    generator = np.random.default_rng(SEED)
    drawn = [np.bincount(generator.integers(0, customers, customers), minlength=customers) for _ in range(RESAMPLES)]
    return np.stack([np.ones(customers), *drawn])


def _values(presentations: Presentations, uplift: Floats, drawn: Floats) -> Floats:
    """(2, resamples + 1)"""
    of_each = []
    for code in range(uplift.shape[1]):
        rows = (presentations.offer == code) | (presentations.offer == CONTROL)
        shown = presentations.offer[rows] == code
        of_each.append(curves(uplift[rows, code], presentations.response[rows], shown, drawn[:, rows]))
    mean: Floats = 1_000.0 * np.mean(of_each, axis=0)
    return mean


def curves(uplift: Floats, response: Floats, shown: NDArray[np.bool_], times: Floats) -> Floats:
    """(2, k): the Qini coefficient (Radcliffe 2007) for each one shown, and the area under the uplift curve, of those
    who are there so many ``times`` (k, n).

    Qini is the mean height of the curve of answers that were added among those said to gain most, over the straight
    line to its end. The uplift curve is the difference of means among those, times their share.
    """
    ties = _TIES * float(uplift.std()) * np.random.default_rng(SEED).random(len(uplift))
    order = np.argsort(-(uplift + ties), kind="stable")
    weight, answered, is_shown = times[:, order], response[order], shown[order].astype(np.float64)
    with_offer, without = np.cumsum(weight * is_shown, axis=1), np.cumsum(weight * (1 - is_shown), axis=1)
    yes = np.cumsum(weight * answered * is_shown, axis=1)
    yes_without = np.cumsum(weight * answered * (1 - is_shown), axis=1)
    gained = yes - yes_without * with_offer / np.maximum(without, 1.0)
    share = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    over = (gained - gained[:, -1:] * share) / with_offer[:, -1:]
    difference = (yes / np.maximum(with_offer, 1.0) - yes_without / np.maximum(without, 1.0)) * share
    return np.stack([np.average(curve, axis=1, weights=weight) for curve in (over, difference)])
