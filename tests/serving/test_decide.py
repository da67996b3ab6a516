"""Which offers are chosen, at which propensities, and what a decision says of itself."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features.entities import Offer, OfferKind, Schedule, Target
from features.events import EventType
from serving.decision import BasketLine, CustomerState, Predictions
from serving.policy import Policy
from tests.serving.deciding import DAY, NOW, REQUEST, customer, dear, decided, event, ids, information, table


def test_the_most_valuable_offer_is_chosen_at_its_propensity():
    decision = decided(table(information("a"), information("b", priority=50.0)), policy=Policy(epsilon=0.3))

    assert ids(decision) == ["b"]
    assert decision.offers[0].propensity == pytest.approx(0.7 + 0.1)
    assert decision.none_probability == pytest.approx(0.1)
    assert decision.no_offer_reason is None


def test_nothing_is_offered_when_nothing_is_worth_its_cost():
    decision = decided(table(dear("a")))

    assert ids(decision) == []
    assert decision.no_offer_reason == "nothing_worth_its_cost"
    assert decision.none_probability == 1.0


def test_a_blocked_customer_gets_nothing_and_every_offer_is_counted():
    offers = table(information("a"), information("b"))

    by_flag = decided(offers, CustomerState(is_blocked=True))
    by_event = decided(offers, customer(event(1), event(0.1, EventType.CONTACT_BLOCKED)))

    assert by_flag.no_offer_reason == by_event.no_offer_reason == "contact_blocked"
    assert by_flag.excluded == by_event.excluded == {"contact_blocked": 2}


def test_a_block_is_told_where_there_is_nothing_to_offer_either():
    assert decided(table(), CustomerState(is_blocked=True)).no_offer_reason == "contact_blocked"


def test_an_unknown_customer_without_models_is_served_and_marked():
    decision = decided(table(information("a")))

    assert ids(decision) == ["a"]
    assert decision.fallback == "unknown_customer; no_models"


def test_an_empty_catalogue_answers_with_nothing_and_says_so():
    decision = decided(table(), predictions=Predictions(model_versions={"churn": "1"}), state=customer(event(1)))

    assert (decision.no_offer_reason, decision.fallback) == ("no_offers", "no_offers")
    assert [(one.offer_id, one.probability) for one in decision.candidates] == [("none", 1.0)]


def test_a_missing_model_is_marked():
    predictions = Predictions(model_versions={"churn": "1"}, fallbacks={"send-time": "not trained"})

    assert decided(table(information("a")), customer(event(1)), predictions=predictions).fallback == (
        "missing: send-time"
    )


def test_a_version_that_should_have_answered_is_marked():
    predictions = Predictions(model_versions={"churn": "1"}, missing_versions={"send-time": "2", "churn": "7"})

    assert decided(table(information("a")), customer(event(1)), predictions=predictions).fallback == (
        "missing version: churn 7, send-time 2"
    )


def test_a_menu_is_ranked_and_its_propensities_are_those_of_the_ranks():
    offers = table(*(information(name, priority=priority) for name, priority in zip("abc", (1, 3, 2), strict=True)))

    decision = decided(offers, request=replace(REQUEST, limit=3), policy=Policy(epsilon=0.0))

    assert ids(decision) == ["b", "c", "a"]
    assert [chosen.rank for chosen in decision.offers] == [1, 2, 3]
    assert [chosen.propensity for chosen in decision.offers] == [1.0, 1.0, 1.0]


def test_a_menu_holds_one_offer_of_an_exclusive_group():
    offers = table(
        information("a", exclusive_group="g", priority=1),
        information("b", exclusive_group="g", priority=2),
        information("c"),
    )

    decision = decided(offers, request=replace(REQUEST, limit=3))

    assert ids(decision) == ["b", "c"]
    assert decision.excluded == {"exclusive_group": 1}


def test_a_menu_ends_before_what_is_not_worth_its_cost():
    decision = decided(table(information("a"), dear("b")), request=replace(REQUEST, limit=2))

    assert ids(decision) == ["a"]


@pytest.mark.parametrize("limit", [1, 2])
def test_over_many_decisions_offers_stand_as_often_as_their_logged_propensity_says(limit):
    offers = table(*(information(name, priority=priority) for name, priority in zip("abc", (1, 3, 2), strict=True)))
    policy = Policy(epsilon=0.4)
    count = 4_000

    seen: Counter[tuple[str, int]] = Counter()
    said: dict[tuple[str, int], float] = {}
    for number in range(count):
        request = replace(REQUEST, decision_id=f"d{number}", limit=limit)
        decision = decided(offers, request=request, policy=policy)
        for chosen in decision.offers:
            seen[chosen.offer_id, chosen.rank] += 1
            said[chosen.offer_id, chosen.rank] = chosen.propensity
        if not decision.offers:
            seen["none", 1] += 1
            said["none", 1] = decision.none_probability

    for key, propensity in said.items():
        error = np.sqrt(propensity * (1 - propensity) / count)
        assert seen[key] / count == pytest.approx(propensity, abs=4 * error), key


def test_the_same_request_is_decided_the_same_way_again():
    offers = table(*(information(name) for name in "abcdef"))
    policy = Policy(epsilon=1.0)

    assert decided(offers, policy=policy) == decided(offers, policy=policy)


def test_an_offer_drawn_against_its_value_says_so():
    offers = table(information("a", priority=9), information("b"))
    policy = Policy(epsilon=1.0)

    decisions = [decided(offers, request=replace(REQUEST, decision_id=f"d{n}"), policy=policy) for n in range(50)]

    explored = {chosen.offer_id for one in decisions for chosen in one.offers if "explored" in chosen.reasons}
    assert explored == {"b"}
    assert {one.no_offer_reason for one in decisions} == {None, "explored"}


def test_an_offer_is_valid_for_its_days_but_not_beyond_its_end():
    week = decided(table(information("a", validity_days=7, valid_to=NOW + 30 * DAY)))
    short = decided(table(information("a", validity_days=7, valid_to=NOW + 3 * DAY)))

    assert week.offers[0].valid_until == NOW + 7 * DAY
    assert short.offers[0].valid_until == NOW + 3 * DAY


def test_candidates_are_the_shortlist_and_none_and_their_probabilities_sum_to_one():
    offers = table(*(information(f"o{n:02}", priority=n) for n in range(30)))

    candidates = decided(offers, policy=Policy(epsilon=0.1, shortlist=5)).candidates

    assert [one.offer_id for one in candidates] == ["none", "o29", "o28", "o27", "o26", "o25"]
    assert sum(one.probability for one in candidates) == pytest.approx(1.0)


def test_what_is_reserved_is_the_most_that_the_offer_may_cost():
    offer = Offer(offer_id="a", kind=OfferKind.DISCOUNT_AMOUNT, value=0.5)

    assert decided(table(offer)).offers[0].reserved_cost == 5_000


_instants = st.none() | st.integers(NOW - 3 * DAY, NOW + 3 * DAY)
_offers = st.builds(
    Offer,
    offer_id=st.sampled_from(["a", "b", "c", "d", "e"]),
    kind=st.sampled_from(list(OfferKind)),
    value=st.none() | st.floats(0, 1e6),
    target=st.builds(Target, products=st.sampled_from([(), ("milk",), ("tea", "milk"), ("unheard of",)])),
    minimum_spend=st.none() | st.integers(0, 10**6),
    valid_from=_instants,
    valid_to=_instants,
    schedule=st.builds(Schedule, hours=st.sampled_from([(), (10,), (3, 4)])),
    channels=st.sampled_from([(), ("email",), ("web", "app")]),
    eligibility=st.sampled_from([None, {"tier": "gold"}, {"segment": ["new"]}, {"scores": {"churn_probability": 0.5}}]),
    priority=st.floats(-10, 10),
    cap_total=st.none() | st.integers(0, 2),
    exclusive_group=st.none() | st.just("g"),
    personalised=st.booleans(),
)


@settings(deadline=None)  # the first call compiles
@given(
    offers=st.lists(_offers, max_size=8),
    channels=st.sampled_from([(), ("email",), ("web", "email"), ("kiosk",)]),
    limit=st.integers(1, 4),
    basket=st.sampled_from([None, (), (BasketLine("milk", 2.0),)]),
    is_known=st.booleans(),
    churn=st.none() | st.floats(0, 1),
    epsilon=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_whatever_is_asked_the_answer_is_sound(offers, channels, limit, basket, is_known, churn, epsilon):
    policy = Policy(epsilon=epsilon)
    request = replace(REQUEST, channels=channels, limit=limit, basket=basket)
    state = customer(event(1, product_id="milk", amount=40_000)) if is_known else CustomerState()

    decision = decided(table(*offers, policy=policy), state, request, Predictions(churn_probability=churn), policy)

    live = len({offer.offer_id for offer in offers})
    assert sum(one.probability for one in decision.candidates) == pytest.approx(1.0)
    assert len(decision.candidates) - 1 + sum(decision.excluded.values()) == live
    assert len(decision.offers) <= limit
    assert (decision.no_offer_reason is None) == bool(decision.offers)
    assert all(0 < one.propensity <= 1 and one.reserved_cost >= 0 for one in decision.offers)
    assert decision.channel is None or not channels or decision.channel in channels
    assert decision.expires_at > NOW
