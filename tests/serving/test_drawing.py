"""Probabilities of decisions: whatever explores, they sum to one and are how often what they are of is drawn."""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from experiments.menus import menu_probability
from features.entities import Offer, OfferKind, Target
from serving.decision import Account, CustomerState, Decision, OfferUse
from serving.drawing import exploration_of
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.policy_file import parse_policy, with_file
from tests.serving.deciding import HOUR, NOW, REQUEST, decided, ids, information, table

EXPLORING: dict[str, dict[str, Any]] = {
    "epsilon_greedy": {"kind": "epsilon_greedy", "epsilon": 0.4},
    "softmax": {"kind": "softmax", "temperature": 0.05},
    "thompson": {"kind": "thompson", "draws": 64, "epsilon": 0.1, "prior_outcomes": 20},
}
RULES: dict[str, dict[str, Any]] = {
    "plain": {},
    "pin": {"pins": [{"offer": "c"}]},
    "groups": {"groups": [{"name": "g", "offers": ["a", "b"]}]},
    "diversity": {"diversity": {"most_per_category": 1}},
    "boosts": {"boosts": [{"offers": ["d"], "factor": 3}], "contexts": [{"kinds": "gift", "add": 0.02}]},
    "caps": {"caps": [{"count": 2, "days": 7}], "exclusions": [{"offers": "a"}]},
}
TEA, WINE = (Target(categories=(name,)) for name in ("tea", "wine"))
OFFERS = table(
    information("a", priority=9, target=TEA), information("b", priority=8, target=TEA),
    Offer(offer_id="c", kind=OfferKind.GIFT, target=WINE), information("d", priority=3),
    information("e", priority=-9),
)  # fmt: skip
USED = CustomerState(uses=[OfferUse("z", NOW - HOUR, "confirmed", NOW)])
COUNT = 3_000


def policy(exploring: str, rules: dict[str, Any], **further: Any) -> Policy:
    return with_file(Policy(), parse_policy({"exploration": EXPLORING[exploring], **rules, **further}))


def decision_of(number: int, by: Policy, limit: int, offers: OfferTable = OFFERS) -> Decision:
    request = replace(REQUEST, decision_id=f"d{number}", limit=limit)
    decision: Decision = decided(offers, USED, request, policy=by)
    return decision


def account_of(decision: Decision) -> Account:
    assert decision.account is not None
    return decision.account


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("exploring", ["epsilon_greedy", "softmax"])
@pytest.mark.parametrize("limit", [1, 3])
def test_offers_ranks_and_menus_are_drawn_as_often_as_is_logged(exploring: str, rules: str, limit: int) -> None:
    by = policy(exploring, RULES[rules])
    seen: Counter[tuple[Any, ...]] = Counter()
    said: dict[tuple[Any, ...], float] = {}

    for number in range(COUNT):
        decision = decision_of(number, by, limit)
        menu = tuple(ids(decision))
        outcomes = [((one.offer_id, one.rank), one.propensity) for one in decision.offers]
        outcomes += [] if menu else [(("none", 1), decision.none_probability)]
        outcomes += [(("menu", *menu), account_of(decision).menu_probability)] if limit > 1 else []  # type: ignore[list-item]
        for key, probability in outcomes:
            seen[key] += 1
            said[key] = probability

    for key, probability in said.items():
        error = math.sqrt(probability * (1 - probability) / COUNT)
        assert abs(seen[key] / COUNT - probability) <= 4.5 * error + 1e-12, key
    menus = sum(probability for key, probability in said.items() if key[0] == "menu")
    assert menus <= 1 + 1e-9


def test_thompson_draws_as_often_as_it_says_of_each_decision() -> None:
    """Its probabilities are of each decision's own posterior draws: what is expected is their sum."""
    by = policy("thompson", {})
    drawn: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    spread: Counter[str] = Counter()

    for number in range(COUNT):
        decision = decision_of(number, by, 1)
        drawn[next(iter(ids(decision)), "none")] += 1
        for one in decision.candidates:
            expected[one.offer_id] += one.probability  # type: ignore[assignment]
            spread[one.offer_id] += one.probability * (1 - one.probability)  # type: ignore[assignment]

    for name, count in expected.items():
        assert abs(drawn[name] - count) <= 4.5 * math.sqrt(spread[name]) + 1e-9, name


_offers = st.builds(
    Offer,
    offer_id=st.sampled_from(list("abcdefgh")),
    kind=st.sampled_from([OfferKind.INFORMATION, OfferKind.GIFT, OfferKind.DISCOUNT_AMOUNT]),
    value=st.floats(0, 50),
    target=st.builds(Target, categories=st.sampled_from([(), ("tea",), ("wine",)])),
    priority=st.floats(-50, 50),
    exclusive_group=st.none() | st.just("own"),
)
_scope = st.sampled_from(
    [{"offers": ["a", "b"]}, {"kinds": ["gift"]}, {"categories": ["tea"]}, {"groups": ["own"]}, {"offers": "c"}]
)
_rules = st.fixed_dictionaries(
    {},
    optional={
        "pins": st.lists(st.sampled_from([{"offer": name} for name in "aceg"]), max_size=3),
        "boosts": st.lists(_scope.map(lambda scope: {**scope, "factor": 4, "add": 0.1}), max_size=2),
        "exclusions": st.lists(_scope.map(lambda scope: {**scope, "placements": "home"}), max_size=2),
        "groups": _scope.map(lambda scope: [{"name": "g", **{k: v for k, v in scope.items() if k != "groups"},
                                             "kinds": "cashback"}]),
        "caps": st.lists(_scope.map(lambda scope: {**scope, "count": 2, "days": 7}), max_size=2),
        "diversity": st.just({"most_per_category": 1}),
        "weights": st.sampled_from([{"value": 0}, {"propensity": 0.5}, {"lever": False}]),
        "rules": st.just({"r": [{"offer": "a"}, {"offer": "b"}]}),
        "shortlist": st.integers(1, 4),
    },
)  # fmt: skip


@settings(deadline=None)
@given(
    offers=st.lists(_offers, max_size=8),
    rules=_rules,
    exploring=st.sampled_from(sorted(EXPLORING)),
    limit=st.integers(1, 4),
    is_apprentice=st.booleans(),
    number=st.integers(0, 10**6),
)
def test_whatever_the_policy_the_probabilities_are_sound(
    offers: list[Offer], rules: dict[str, Any], exploring: str, limit: int, is_apprentice: bool, number: int
) -> None:
    apprentice = {"apprentice": {"rule": "r"}} if is_apprentice and "rules" in rules else {}
    by = policy(exploring, rules, **apprentice)
    live = {offer.offer_id for offer in offers}

    decision = decision_of(number, by, limit, table(*offers, policy=by))

    chances = {one.offer_id: one.probability for one in decision.candidates}
    account = account_of(decision)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert len(chances) == len(decision.candidates)
    assert decision.none_probability == chances["none"]
    assert len(chances) - 1 + sum(decision.excluded.values()) == len(live)
    assert len(decision.offers) <= limit
    assert len(set(ids(decision))) == len(decision.offers)
    assert all(0 < one.propensity <= 1 + 1e-9 for one in decision.offers)
    if decision.offers:
        assert decision.offers[0].propensity == pytest.approx(chances[decision.offers[0].offer_id])
    if account.menu_probability is not None:
        least = min((one.propensity for one in decision.offers), default=decision.none_probability)
        assert 0 < account.menu_probability <= least + 1e-9
    assert decision == decision_of(number, by, limit, table(*offers, policy=by))


@settings(deadline=None)
@given(
    exploring=st.sampled_from(sorted(EXPLORING)),
    values=st.lists(st.floats(-50, 50), min_size=1, max_size=4),
    limit=st.integers(2, 4),
)
def test_the_probabilities_of_all_menus_sum_to_one(exploring: str, values: list[float], limit: int) -> None:
    worth, spread = np.array([0.0, *values]), np.array([0.0, *[0.5] * len(values)])
    menus = [
        menu for length in range(limit + 1) for menu in itertools.permutations(range(1, len(worth)), length)
    ]  # fmt: skip

    chances = [
        menu_probability(worth, exploration_of(policy(exploring, {})), 0, limit, menu, spread, 7) for menu in menus
    ]

    assert sum(chances) == pytest.approx(1.0, abs=1e-9)


def test_the_cost_of_exploration_is_what_was_expected_to_be_given_up() -> None:
    by = policy("epsilon_greedy", {})
    greedy = policy("epsilon_greedy", {"exploration": {"kind": "epsilon_greedy", "epsilon": 0}})

    one, three = decision_of(1, by, 1), decision_of(1, by, 3)
    best = decision_of(1, greedy, 1)

    mean = sum(each.probability * each.expected_value for each in one.candidates)
    assert account_of(one).exploration_cost == pytest.approx(best.offers[0].expected_value - mean)
    assert account_of(one).exploration_cost > 0
    assert account_of(three).exploration_cost > account_of(one).exploration_cost
    assert account_of(best).exploration_cost == 0


def test_the_cost_of_exploring_menus_is_what_many_menus_bring_less() -> None:
    by, limit = policy("epsilon_greedy", {}), 3
    greedy = policy("epsilon_greedy", {"exploration": {"kind": "epsilon_greedy", "epsilon": 0}})
    brought = [sum(one.expected_value for one in decision_of(n, by, limit).offers) for n in range(COUNT)]
    best = sum(one.expected_value for one in decision_of(0, greedy, limit).offers)

    mean = sum(brought) / COUNT
    error = math.sqrt(sum((one - mean) ** 2 for one in brought) / COUNT / COUNT)

    assert abs(account_of(decision_of(0, by, limit)).exploration_cost - (best - mean)) <= 4.5 * error


def test_what_the_first_pass_leaves_out_is_counted_and_was_never_counted_before() -> None:
    offers = table(*(information(f"o{n}", priority=n) for n in range(9)))

    now = decision_of(1, Policy(shortlist=4), 1, offers)
    before = decision_of(1, Policy(shortlist=4, edition=1), 1, offers)

    assert (now.excluded, before.excluded, before.account) == ({"first_pass": 5}, {}, None)
    assert (ids(now), now.candidates) == (ids(before), before.candidates)


def test_the_more_outcomes_a_chance_rests_on_the_less_is_explored() -> None:
    few, many = (
        decision_of(1, policy("thompson", {"exploration": {**EXPLORING["thompson"], "prior_outcomes": n}}), 1)
        for n in (5, 50_000_000)
    )

    assert max(one.probability for one in few.candidates) < max(one.probability for one in many.candidates)
