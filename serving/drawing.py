"""The draw: how likely each menu is, what each could bring, and the one that chance chose."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import starmap
from operator import mul

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from experiments.exploration import (
    EpsilonGreedy,
    Softmax,
    Thompson,
    draw,
    epsilon_greedy,
    probabilities,
    uniforms,
)
from experiments.exploration import Policy as Exploring
from experiments.menus import WholeMenu, draw_whole_menu
from features.events import NO_OFFER
from serving.decision import Account, Candidate, Imitation, WouldBe
from serving.offer_evaluation import Case, Evaluated
from serving.policy import Exploration, Policy
from serving.shortlist import Shortlist, shortlisted
from serving.uncertainty import deviations

NONE = 0
"""The place of ``none`` among the candidates: first, so that an offer must be worth more to be preferred."""
_ACCOUNTS_SINCE = 2
"""The edition of policies whose decisions are accounted for."""

Floats = NDArray[np.float64]


class Drawn(Struct, frozen=True):
    """``rows`` are the offers of the menu in the table, by rank; none where nothing is offered.

    The first ``pinned`` of them are there by rule.
    """

    rows: tuple[int, ...]
    propensities: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    is_first_explored: bool
    account: Account | None
    pinned: int = 0
    is_imitated: bool = False


class _Free(Struct, frozen=True):
    """Those that chance chooses among, ``none`` first; ``spread`` and ``seed`` are for Thompson sampling.

    ``at`` are the ``rows`` once more, as columns are asked by them.
    """

    rows: list[int]
    at: NDArray[np.int64]
    worth: list[float]
    expected: list[float]
    exploring: Exploring
    limit: int
    spread: Floats | None
    seed: int


def drawn(case: Case, evaluated: Evaluated) -> Drawn:
    """A menu; where a present rule is imitated what it says, with what would have been drawn beside it."""
    imitated = _imitated(evaluated)
    ours = _drawn(case, evaluated, shortlisted(case, evaluated))
    rule = case.policy.rules.apprentice
    return ours if rule is None else _instead(evaluated, ours, rule.rule, case, imitated)


def _drawn(case: Case, evaluated: Evaluated, short: Shortlist) -> Drawn:
    free = _free(case, evaluated, short)
    if free.limit <= 0:
        return _all_pinned(case, evaluated, short, free)
    numbers = uniforms(case.policy.salt, case.request.decision_id, free.limit + 2)
    if free.limit == 1:
        chances = _chances(free)
        menu, whole = draw(chances, numbers[0]), None
        chosen, propensities = [menu.candidate], [menu.probability]
    else:
        whole = draw_whole_menu(free.worth, free.exploring, NONE, free.limit, numbers, free.spread, free.seed)
        chances = whole.chances.tolist()
        chosen, propensities = list(whole.menu.candidates), list(whole.menu.probabilities)
    is_none, pinned = chosen[0] == NONE, short.pinned
    has_account = case.policy.edition >= _ACCOUNTS_SINCE
    return Drawn(
        rows=(*pinned, *(() if is_none else [free.rows[candidate - 1] for candidate in chosen])),
        propensities=(*[1.0] * len(pinned), *(() if is_none and pinned else propensities)),
        candidates=_candidates(case, evaluated, short, free, chances),
        is_first_explored=not pinned and chosen[0] != free.worth.index(max(free.worth)),
        account=_account(case, free, short, chances, whole, propensities) if has_account else None,
        pinned=len(pinned),
    )


def _all_pinned(case: Case, evaluated: Evaluated, short: Shortlist, free: _Free) -> Drawn:
    """There is nothing left to chance."""
    joint = 1.0 if case.request.limit > 1 else None
    return Drawn(
        rows=tuple(short.pinned),
        propensities=(1.0,) * len(short.pinned),
        candidates=_candidates(case, evaluated, short, free, ()),
        is_first_explored=False,
        account=Account(0.0, short.diversity_price, joint) if case.policy.edition >= _ACCOUNTS_SINCE else None,
        pinned=len(short.pinned),
    )


def _free(case: Case, evaluated: Evaluated, short: Shortlist) -> _Free:
    policy, predictions = case.policy, case.predictions
    rows = [row for row in short.rows if row not in short.pinned] if short.pinned else short.rows
    at = np.array(rows, dtype=np.int64)
    is_sampling = policy.exploration == "thompson"
    values, scores = evaluated.values, evaluated.scores
    expected = values.expected_value[at].tolist()
    return _Free(
        rows=rows,
        at=at,
        worth=[policy.least_value, *(expected if scores is values.expected_value else scores[at].tolist())],
        expected=[0.0, *expected],
        exploring=exploration_of(policy),
        limit=evaluated.most - len(short.pinned),
        spread=deviations(scores, values.accept_probability, rows, predictions, policy) if is_sampling else None,
        seed=_seed(case) if is_sampling else 0,
    )


def exploration_of(policy: Policy) -> Exploring:
    return _exploring(policy.exploration, policy.epsilon, policy.temperature, policy.draws)


@lru_cache(maxsize=256)
def _exploring(kind: Exploration, epsilon: float, temperature: float, draws: int) -> Exploring:
    if kind == "softmax":
        return Softmax(temperature)
    if kind == "thompson":
        return Thompson(draws, epsilon)
    return EpsilonGreedy(epsilon)


def _seed(case: Case) -> int:
    (number,) = uniforms(f"{case.policy.salt}:posterior", case.request.decision_id)
    return int(number * 2**53)


def _chances(free: _Free) -> list[float]:
    """Of each to be drawn first."""
    if isinstance(free.exploring, EpsilonGreedy):
        return epsilon_greedy(free.worth, free.exploring.epsilon)
    found: list[float] = probabilities(np.array(free.worth), free.exploring, free.spread, free.seed).tolist()
    return found


def _candidates(
    case: Case, evaluated: Evaluated, short: Shortlist, free: _Free, chances: Sequence[float]
) -> tuple[Candidate, ...]:
    """``none`` and the offers of the shortlist, each with the chance that it stands first."""
    if short.pinned:
        first = short.pinned[0]
        return (
            Candidate(NO_OFFER, 0.0, 0.0, 0.0),
            *(_candidate(case, evaluated, row, float(row == first)) for row in short.rows),
        )
    none = Candidate(NO_OFFER, 0.0, 0.0, chances[NONE])
    values, named = evaluated.values, case.offers.offers
    accepts = values.accept_probability[free.at].tolist()
    ids = [named[row].offer_id for row in free.rows]
    if evaluated.scores is values.expected_value:
        return none, *starmap(Candidate, zip(ids, free.expected[1:], accepts, chances[1:], strict=True))
    columns = ids, free.expected[1:], accepts, chances[1:], free.worth[1:]
    return none, *starmap(Candidate, zip(*columns, strict=True))


def _candidate(case: Case, evaluated: Evaluated, row: int, probability: float) -> Candidate:
    values, score = evaluated.values, float(evaluated.scores[row])
    expected = float(values.expected_value[row])
    accept = float(values.accept_probability[row])
    is_same = evaluated.scores is values.expected_value
    return Candidate(case.offers.offers[row].offer_id, expected, accept, probability, None if is_same else score)


def _account(
    case: Case,
    free: _Free,
    short: Shortlist,
    chances: Sequence[float],
    whole: WholeMenu | None,
    propensities: Sequence[float],
) -> Account:
    if whole is None:
        cost = free.expected[free.worth.index(max(free.worth))] - sum(map(mul, chances, free.expected))
        return Account(cost, short.diversity_price, propensities[0] if case.request.limit > 1 else None)
    expected = np.array(free.expected)
    ranked = np.argsort(-np.array(free.worth), kind="stable")[: free.limit].tolist()
    most = ranked[: ranked.index(NONE)] if NONE in ranked else ranked
    cost = float(expected[most].sum() - (whole.at_rank @ expected).sum())
    return Account(cost, short.diversity_price, whole.probability)


def _imitated(evaluated: Evaluated) -> int | None:
    """The row of the first step that matches and whose offer may be made."""
    table = evaluated.table
    if table is None:
        return None
    return next((row for moment, row in table.steps if evaluated.holds[moment] and evaluated.codes[row] == 0), None)


def _instead(evaluated: Evaluated, ours: Drawn, rule: str, case: Case, row: int | None) -> Drawn:
    """What the rule says, for certain; what would have been drawn goes into the account."""
    named = case.offers.offers
    would_be = [
        WouldBe(named[each].offer_id, rank, propensity, float(evaluated.values.expected_value[each]))
        for rank, (each, propensity) in enumerate(zip(ours.rows, ours.propensities, strict=False), start=1)
    ]
    imitation = Imitation(rule, tuple(would_be), ours.candidates)
    account = Account(imitation=imitation)
    others = [_with_probability(one, float(row is None and one.offer_id == NO_OFFER)) for one in ours.candidates]
    if row is None:
        return Drawn((), (1.0,), tuple(others), False, account, is_imitated=True)
    offer_id = named[row].offer_id
    evaluated.codes[row] = 0
    kept = [one for one in others if one.offer_id != offer_id]
    one = _candidate(case, evaluated, row, 1.0)
    return Drawn((row,), (1.0,), (*kept, one), False, account, is_imitated=True)


def _with_probability(one: Candidate, probability: float) -> Candidate:
    return Candidate(one.offer_id, one.expected_value, one.accept_probability, probability, one.score)
