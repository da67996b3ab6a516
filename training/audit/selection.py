"""How those who were treated differ from the rest, and what is left of the difference once that is allowed for.

Propensities and outcomes are learned by trees on customers that are judged by others' models (five parts, by customer).
The effect on the treated is the augmented inverse-propensity one (Robins, Rotnitzky & Zhao 1994; of the treated:
Mercatanti & Li 2014), its interval by the influence function, customers together. It is causal only if nothing unseen
told who was treated: the E-value (VanderWeele & Ding 2017) says how strong that would have to be to explain it away.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np

from features.vector import FEATURES
from training.audit.waves import Flags, Floats, Integers, Panel
from training.errors import NotEnoughData
from training.metrics import area_under_curve

PARTS = 5
FEWEST_ALONE = 50
LEAST_PROPENSITY, MOST_PROPENSITY = 0.02, 0.98
"""Beyond these nobody comparable was treated otherwise."""
COMPARED = (
    "days_since_last_order",
    "orders",
    "spend_decayed_90",
    "orders_in_30_days",
    "mean_order_amount",
    "discount_share",
    "tenure_days",
    "messages_opened_decayed_90",
    "offers_accepted_decayed_90",
    "points_balance",
)
"""Features whose means are shown side by side."""
ROUNDS = 80
_SETTINGS = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 12,
    "min_data_in_leaf": 40,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Balance:
    """``difference`` is that of the means over the pooled standard deviation; beyond 0.1 it counts as unlike."""

    feature: str
    treated: float
    others: float
    difference: float


@dataclass(frozen=True, slots=True)
class Effect:
    """Of treatment on the share of the treated who bought, 0.05 being five in a hundred more."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Learned:
    """By row, from models that never met the customer: chance to be treated, and to buy when treated and when not."""

    propensity: Floats
    if_treated: Floats
    if_not: Floats


@dataclass(frozen=True, slots=True)
class Selection:
    """``auc`` tells how well features foretell who was treated: 0.5 is as good as random, 1 is a rule.

    ``comparable`` is the share of the treated who have a like among the others.
    """

    auc: float
    treated_share: float
    comparable: float
    balance: tuple[Balance, ...]
    naive: Effect
    adjusted: Effect
    e_value: float
    learned: Learned


def selection_of(panel: Panel, seed: int) -> Selection:
    """
    Raises
    ------
    NotEnoughData
        If too few of those who were known before the waves went without.
    """
    alone = int((~panel.treated).sum())
    if alone < FEWEST_ALONE:
        expected = f"at least {FEWEST_ALONE} in the weeks of campaigns, to compare with"
        raise NotEnoughData("customers who were not treated", alone, expected)
    learned = learn(panel.features, panel.treated, panel.bought, panel.person, seed)
    adjusted = effect_on_treated(panel.treated, panel.bought.astype(np.float64), learned, panel.person)
    mean_treated = float(panel.bought[panel.treated].mean())
    return Selection(
        auc=area_under_curve(panel.treated.astype(np.float64), learned.propensity),
        treated_share=float(panel.treated.mean()),
        comparable=float((learned.propensity[panel.treated] <= MOST_PROPENSITY).mean()),
        balance=_balance(panel),
        naive=_naive(panel),
        adjusted=adjusted,
        e_value=e_value(mean_treated, mean_treated - adjusted.value),
        learned=learned,
    )


def learn(features: Floats, treated: Flags, bought: Flags, person: Integers, seed: int) -> Learned:
    part = np.random.default_rng(seed).integers(0, PARTS, int(person.max()) + 1)[person]
    found = Learned(*(np.empty(len(person)) for _ in range(3)))
    for number in range(PARTS):
        mine, others = part == number, part != number
        found.propensity[mine] = _chance(features[others], treated[others], features[mine], seed)
        for target, chosen in ((found.if_treated, others & treated), (found.if_not, others & ~treated)):
            target[mine] = _chance(features[chosen], bought[chosen], features[mine], seed)
    return found


def _chance(features: Floats, outcome: Flags, asked: Floats, seed: int) -> Floats:
    """Where all that is known came out alike, that."""
    if not len(outcome) or outcome.all() or not outcome.any():
        return np.full(len(asked), float(outcome.mean()) if len(outcome) else np.nan)
    rows = lightgbm.Dataset(features, outcome.astype(np.float64), params={"verbosity": -1})
    booster = lightgbm.train({**_SETTINGS, "seed": seed}, rows, ROUNDS)
    return np.asarray(booster.predict(asked), dtype=np.float64)


def effect_on_treated(treated: Flags, outcome: Floats, learned: Learned, person: Integers) -> Effect:
    chance = np.clip(learned.propensity, LEAST_PROPENSITY, MOST_PROPENSITY)
    residual = outcome - learned.if_not
    weighted = np.where(treated, residual, -chance / (1 - chance) * residual)
    share = float(treated.mean())
    value = float(weighted.mean()) / share
    return _with_interval(value, (weighted - treated * value) / share, person)


def _naive(panel: Panel) -> Effect:
    treated, bought = panel.treated, panel.bought.astype(np.float64)
    with_it, without = float(bought[treated].mean()), float(bought[~treated].mean())
    share = float(treated.mean())
    influence = np.where(treated, (bought - with_it) / share, -(bought - without) / (1 - share))
    return _with_interval(with_it - without, influence, panel.person)


def _with_interval(value: float, influence: Floats, person: Integers) -> Effect:
    """At 95 %; what one customer did in several waves counts together."""
    by_person = np.bincount(person, weights=influence)
    deviation = float(np.sqrt((by_person**2).sum())) / len(person)
    return Effect(value, value - Z * deviation, value + Z * deviation)


def _balance(panel: Panel) -> tuple[Balance, ...]:
    found = []
    for feature in COMPARED:
        column = panel.features[:, FEATURES.index(feature)]
        known = np.isfinite(column)
        with_it, without = column[known & panel.treated], column[known & ~panel.treated]
        if not with_it.size or not without.size:
            continue
        deviation = float(np.sqrt((with_it.var() + without.var()) / 2))
        means = float(with_it.mean()), float(without.mean())
        if deviation > 0:
            found.append(Balance(feature, *means, (means[0] - means[1]) / deviation))
    return tuple(sorted(found, key=lambda one: -abs(one.difference)))


def e_value(with_it: float, without: float) -> float:
    """By how much something unseen would have to raise both the chance of treatment and of buying, as risk ratios.

    >>> round(e_value(0.3, 0.2), 2)
    2.37
    """
    low, high = sorted((max(with_it, 1e-9), max(without, 1e-9)))
    ratio = high / low
    return ratio + float(np.sqrt(ratio * (ratio - 1)))
