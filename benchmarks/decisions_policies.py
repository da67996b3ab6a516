"""Which of many offers is for whom, from a log that drew them by chance: how well acceptance is foretold, and what
policies would have earned.

Everyone is predicted by models that had not met them. Values are doubly robust estimates; differences between policies
are of the same rows, and intervals are of a bootstrap over customers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.comparison import OURS, Row
from benchmarks.decisions_data import Integers, rows_of
from benchmarks.decisions_references import Floats
from benchmarks.decisions_uplift import FOLDS, SEED, folds, row_of
from experiments.off_policy import Log, evaluate
from training.metrics import SMALLEST_PROBABILITY, area_under_curve
from training.models.offer_response import OfferResponseModel, Presentations

RESAMPLES = 400
RESAMPLES_OF_AREA = 100
RATES, LOGISTIC = "rate of each offer", "logistic regression"
MARGIN_SHARE = 0.5
"""Of the minimum spend of an accepted offer what is left before its value is paid."""


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """What a decision earns under a policy, and its 95 % interval."""

    data: str
    metric: str
    policy: str
    value: float
    low: float
    high: float


Predictor = Callable[[Presentations, Floats], Floats]


def ours(taught: Presentations, asked: Floats) -> Floats:
    model = OfferResponseModel.fit(taught, {}, seed=0)
    return model.predict(asked, taught.offer_ids, taught.terms).accept


def rates(taught: Presentations, asked: Floats) -> Floats:
    of_each = [taught.response[taught.offer == code].mean() for code in range(len(taught.offer_ids))]
    return np.tile(of_each, (len(asked), 1))


def logistic_regression(taught: Presentations, asked: Floats) -> Floats:
    """Of customer and offer, missing values as the mean and a column of their own."""
    count = len(taught.offer_ids)
    mean = np.nanmean(taught.customers, axis=0)

    def rows(customers: Floats, offer: Integers) -> Floats:
        missing = np.isnan(customers)
        return np.column_stack([np.where(missing, mean, customers), missing, np.eye(count)[offer]])

    model: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(rows(taught.customers, taught.offer), taught.response)
    columns = [model.predict_proba(rows(asked, np.full(len(asked), code)))[:, 1] for code in range(count)]
    return np.stack(columns, axis=1)


PREDICTORS: Mapping[str, Predictor] = {OURS: ours, RATES: rates, LOGISTIC: logistic_regression}


def compare_policies(data: str, presentations: Presentations, margin: Floats) -> Iterator[Row | PolicyValue]:
    """``margin`` (m): of each offer accepted."""
    told = _out_of_fold(presentations)
    yield from _of_chances(data, presentations, told)
    accept = told[OURS]
    for what, worth in (("acceptances", np.ones_like(margin)), ("margin", margin)):
        policies = _policies(presentations, told, worth)
        yield from _of_policies(data, what, presentations, accept * worth, worth, policies)


def _out_of_fold(presentations: Presentations) -> dict[str, Floats]:
    fold = folds(presentations.person, np.random.default_rng([SEED, 0]))
    told = {name: np.zeros((len(fold), len(presentations.offer_ids))) for name in PREDICTORS}
    for number in range(FOLDS):
        taught, judged = rows_of(presentations, np.flatnonzero(fold != number)), fold == number
        for name, predictor in PREDICTORS.items():
            told[name][judged] = predictor(taught, presentations.customers[judged])
    return told


def _of_chances(data: str, presentations: Presentations, told: Mapping[str, Floats]) -> Iterator[Row]:
    """Log loss (its negative: more is better) and AUC of what was shown."""
    rows = np.arange(len(presentations.offer))
    chance = {name: each[rows, presentations.offer] for name, each in told.items()}
    loss = {name: _log_likelihood(presentations.response, each) for name, each in chance.items()}
    drawn = _drawn(presentations.person)
    for reference in (RATES, LOGISTIC):
        means = [_means(loss[name], presentations.person, drawn) for name in (OURS, reference)]
        yield row_of(data, "log likelihood", reference, *means)
    values = {name: _areas(presentations, each, drawn[: RESAMPLES_OF_AREA + 1]) for name, each in chance.items()}
    for reference in (RATES, LOGISTIC):
        yield row_of(data, "AUC", reference, values[OURS], values[reference])


def _log_likelihood(response: Floats, chance: Floats) -> Floats:
    found: Floats = np.log(np.maximum(np.where(response == 1, chance, 1 - chance), SMALLEST_PROBABILITY))
    return found


def _areas(presentations: Presentations, chance: Floats, drawn: Floats) -> Floats:
    times = drawn[:, presentations.person].astype(np.int64)
    return np.array(
        [area_under_curve(np.repeat(presentations.response, each), np.repeat(chance, each)) for each in times]
    )


def _policies(presentations: Presentations, told: Mapping[str, Floats], worth: Floats) -> dict[str, Floats]:
    """(n, m) of each: the chances with which it would have shown each offer."""
    count = len(worth)
    best = int(np.argmax(_earned(presentations, worth)))
    greedy = told[OURS] if (worth != 1).any() else told[LOGISTIC]
    chosen = {
        OURS: (told[OURS] * worth).argmax(axis=1),
        "best single offer": np.full(len(presentations.offer), best),
        "likeliest answer": greedy.argmax(axis=1),
        "best by logistic regression": (told[LOGISTIC] * worth).argmax(axis=1),
    }
    policies: dict[str, Floats] = {name: np.eye(count)[each] for name, each in chosen.items()}
    return policies | {"uniform": np.full((len(presentations.offer), count), 1.0 / count)}


def _earned(presentations: Presentations, worth: Floats) -> Floats:
    """The mean reward of each offer: the best of them is known only afterwards, which favours it over ours."""
    reward = presentations.response * worth[presentations.offer]
    return np.array([reward[presentations.offer == code].mean() for code in range(len(worth))])


def _of_policies(
    data: str,
    what: str,
    presentations: Presentations,
    expected: Floats,
    worth: Floats,
    policies: Mapping[str, Floats],
) -> Iterator[Row | PolicyValue]:
    rows, drawn = np.arange(len(presentations.offer)), _drawn(presentations.person)
    reward = presentations.response * worth[presentations.offer]
    scores = {}
    for name, chances in policies.items():
        logged, target = expected[rows, presentations.offer], (expected * chances).sum(axis=1)
        log = Log(reward, presentations.propensity, chances[rows, presentations.offer], logged, target)
        estimate = next(each for each in evaluate(log).estimates if each.estimator == "dr")
        yield PolicyValue(data, f"{what} a decision", name, estimate.value, estimate.low, estimate.high)
        scores[name] = _means(target + log.weight * (reward - logged), presentations.person, drawn)
    for name in list(policies)[1:]:
        yield row_of(data, f"{what} a decision", name, scores[OURS], scores[name])


def _drawn(person: Integers) -> Floats:
    """(1 + resamples, persons): how often each is there; first everybody once."""
    count = int(person.max()) + 1
    generator = np.random.default_rng(SEED)
    drawn = [np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
    return np.stack([np.ones(count), *drawn])


def _means(values: Floats, person: Integers, drawn: Floats) -> NDArray[np.float64]:
    """(1 + resamples)"""
    count = drawn.shape[1]
    total, rows = (np.bincount(person, weights=each, minlength=count) for each in (values, np.ones(len(values))))
    found: Floats = (drawn @ total) / (drawn @ rows)
    return found
