"""The response to offers, learned from presentations; see ``offer_response`` for what it tells."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from training.errors import NotEnoughData
from training.models.offer_response import CONTROL, Basis, OfferResponseModel, Outcome, Presentations
from training.models.offer_response_acceptance import Acceptance, Answers, fit_acceptance
from training.models.offer_response_added import AddedResponse
from training.models.offer_response_boosting import folds_of
from training.models.offer_response_effect import Contrasts, boost_effect, contrasts
from training.models.offer_response_levels import Floats, Integers
from training.models.offer_response_stacking import Sides, put_together

Parameters = Mapping[str, float | int]
Rows = NDArray[np.bool_]

FEWEST_OF_EACH = 5
"""Presentations of offers that were answered, and that were not."""
ENOUGH_OF_OWN = 100
"""Presentations from which on an offer is known by its own record."""
FEWEST_OF_BOTH = 50
"""Presentations of offers, and of nothing, that could have gone otherwise: for an uplift."""
FOLDS = 4
FURTHEST_AMOUNT = 4.0
"""Robust standard deviations of the logarithm above the median, beyond which an amount counts as being there."""
LEAST_SPREAD = 0.25
_DEVIATION_OF_MEDIAN = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


def fit(presentations: Presentations, parameters: Parameters, seed: int) -> OfferResponseModel:
    known = np.isfinite(presentations.response)
    shown = known & (presentations.offer != CONTROL)
    response = _calm(presentations.response, presentations.outcome)
    answered = (response > 0).astype(np.float64)
    _check(answered[shown])
    fold = folds_of(presentations.person, FOLDS, seed)
    accept = fit_acceptance(_answers(presentations, shown, answered, fold), parameters, seed)
    amount = float(response[known & (response > 0)].mean()) if presentations.outcome is Outcome.SPEND else None
    effect = None
    if presentations.outcome is not Outcome.ACCEPTED:
        effect = _effect(presentations, known, response, accept, fold, amount or 1.0, parameters, seed)
    return OfferResponseModel(
        presentations.outcome,
        presentations.columns,
        presentations.term_columns,
        _basis(presentations, shown),
        accept.model,
        effect,
        amount,
        {
            "presentations": int(shown.sum()),
            "answered": int(answered[shown].sum()),
            "controls": int((known & ~shown).sum()),
        },
    )


def _check(answered: Floats) -> None:
    for what, count in (("answered", answered.sum()), ("not answered", answered.size - answered.sum())):
        if count < FEWEST_OF_EACH:
            raise NotEnoughData(f"presentations of offers {what}", int(count), f"at least {FEWEST_OF_EACH}")


def _calm(response: Floats, outcome: Outcome) -> Floats:
    """The responses (not known: 0), amounts far above the others counted as just above them."""
    calm = np.maximum(np.nan_to_num(response, nan=0.0), 0.0)
    amounts = np.log(calm[calm > 0])
    if outcome is not Outcome.SPEND or amounts.size == 0:
        return calm
    middle = float(np.median(amounts))
    spread = max(float(np.median(np.abs(amounts - middle))) * _DEVIATION_OF_MEDIAN, LEAST_SPREAD)
    return np.minimum(calm, np.exp(middle + FURTHEST_AMOUNT * spread))


def _answers(presentations: Presentations, rows: Rows, answered: Floats, fold: Integers) -> Answers:
    return Answers(
        presentations.customers[rows], presentations.offer[rows], answered[rows], fold[rows], presentations.terms
    )


def _basis(presentations: Presentations, shown: Rows) -> dict[str, Basis]:
    counts = np.bincount(presentations.offer[shown], minlength=len(presentations.offer_ids))
    return {
        offer_id: Basis.LEARNED if count >= ENOUGH_OF_OWN else Basis.BORROWED
        for offer_id, count in zip(presentations.offer_ids, counts.tolist(), strict=True)
    }


def _effect(
    presentations: Presentations,
    known: Rows,
    response: Floats,
    accept: Acceptance,
    fold: Integers,
    amount: float,
    parameters: Parameters,
    seed: int,
) -> AddedResponse | None:
    rows = np.flatnonzero(known)
    pairs = contrasts(
        presentations.offer[rows],
        presentations.propensity[rows],
        presentations.presented_at[rows],
        len(presentations.terms),
        np.random.default_rng(seed),
    )
    if min(len(np.unique(pairs.row[pairs.is_shown == side])) for side in (0, 1)) < FEWEST_OF_BOTH:
        return None
    pairs = Contrasts(rows[pairs.row], pairs.code, pairs.is_shown, pairs.weight)
    terms = presentations.terms[pairs.code]
    customers, folds = presentations.customers[pairs.row], fold[pairs.row]
    nothing = _without(presentations, known, response, fold, parameters, seed)
    with_offer = accept.chance(customers, pairs.code, terms, folds)
    without = nothing.chance(customers, np.zeros_like(pairs.code), np.zeros((len(customers), 0)), folds)
    expected = amount * (with_offer + without) / 2
    difference = (response[pairs.row] - expected) / (pairs.is_shown - 0.5)
    forest, lessons, boosted = boost_effect(
        presentations.customers, difference, pairs, folds, presentations.terms, parameters, seed
    )
    sides = Sides(amount * (with_offer - without), boosted.by_terms.told, boosted.by_name.told, lessons.start)
    return put_together(forest, nothing, sides, difference, pairs, presentations.terms, amount)


def _without(
    presentations: Presentations, known: Rows, response: Floats, fold: Integers, parameters: Parameters, seed: int
) -> Acceptance:
    """The chance of a response where nothing was shown."""
    rows = known & (presentations.offer == CONTROL)
    alone = np.zeros(int(rows.sum()), np.int64)
    answered = (response[rows] > 0).astype(np.float64)
    answers = Answers(presentations.customers[rows], alone, answered, fold[rows], np.zeros((1, 0)))
    return fit_acceptance(answers, parameters, seed)
