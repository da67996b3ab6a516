from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from features.batching import to_batch
from features.brand import QuietHours
from features.entities import CapPerCustomer, Customer, Offer, OfferKind, Product, Schedule, Target
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.profile import fold
from serving.customer_history import histories
from serving.decide import decide
from serving.decision import BasketLine, CustomerState, DecisionRequest, OfferUse, Predictions
from serving.offer_table import BrandTerms, OfferUsage, build_offer_table, with_usage
from serving.policy import Policy

NOW = parse("2026-01-05T10:20:00")  # a Monday
DAY, HOUR = MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR
REQUEST = DecisionRequest("anna", NOW, "decision-1")
GREEDY = Policy(epsilon=0.0)
PRODUCTS = [Product(product_id=name, name=name.title(), price=40_000, category="food") for name in ("milk", "tea")]


def information(offer_id, **terms):
    return Offer(offer_id=offer_id, kind=OfferKind.INFORMATION, **terms)


def dear(offer_id, **terms):
    """An offer that costs more than it can bring."""
    return Offer(offer_id=offer_id, kind=OfferKind.DISCOUNT_AMOUNT, value=500.0, **terms)


def table(*offers, terms=BrandTerms(), policy=GREEDY):  # noqa: B008
    return build_offer_table(offers, PRODUCTS, terms, policy)


def event(number, kind=EventType.PURCHASE, **fields):
    fields = {"occurred_at": NOW - DAY * number, **fields}
    return Event(event_id=f"e{number}-{kind}", type=kind, customer_id="anna", **fields)


def customer(*events, **state):
    return CustomerState(profile=to_batch("anna", fold(events, "UTC"), "UTC"), **state)


def decided(offers, state=CustomerState(), request=REQUEST, predictions=Predictions(), policy=GREEDY):  # noqa: B008
    (history,) = histories([state.profile], offers)
    return decide(request, state, history, offers, predictions, policy)


def ids(decision):
    return [chosen.offer_id for chosen in decision.offers]


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


def test_refusals_are_counted_by_reason():
    offers = table(information("a"), information("b", valid_to=NOW), information("c", valid_to=NOW - 1))

    assert decided(offers).excluded == {"expired": 2}


def test_one_refusal_met_by_all_is_the_reason_for_the_empty_answer():
    assert decided(table(information("a", valid_to=NOW))).no_offer_reason == "expired"
    mixed = table(information("a", valid_to=NOW), information("b", valid_from=NOW + 1))
    assert decided(mixed).no_offer_reason == "nothing_eligible"


def test_points_without_a_value_are_not_offered():
    points = Offer(offer_id="a", kind=OfferKind.BONUS_POINTS, value=10.0)

    assert decided(table(points)).excluded == {"cost_unknown": 1}
    assert ids(decided(table(points, terms=BrandTerms(point_value=0.01)))) == ["a"]


def test_caps_stock_and_budget_of_everybody_hold():
    offers = table(
        information("a", cap_total=5),
        information("b", stock=5),
        Offer(offer_id="c", kind=OfferKind.DISCOUNT_AMOUNT, value=1.0, budget=1_000_000),
        information("d", budget=1),
    )
    usage = {**{name: OfferUsage(issued=5) for name in "abd"}, "c": OfferUsage(issued=5, committed=990_001)}

    assert decided(with_usage(offers, usage)).excluded == {"cap_total": 1, "stock": 1, "budget": 1}
    assert decided(with_usage(offers, {"a": OfferUsage(4)})).excluded == {}


def test_a_customers_own_cap_holds():
    offers = table(information("a", cap_per_customer=CapPerCustomer(count=1, days=1)))
    state = CustomerState(uses=[OfferUse("a", NOW - HOUR, "reserved", NOW + 1)])

    assert decided(offers, state).no_offer_reason == "cap_per_customer"


def test_a_decline_heard_as_an_event_suppresses_the_offer():
    state = customer(event(1), event(2, EventType.OFFER_DECLINED, offer_id="a"))

    assert decided(table(information("a"), information("b")), state).excluded == {"declined_recently": 1}


def test_what_lies_in_the_basket_is_not_discounted():
    offer = Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=5.0, target=Target(products=("milk",)))
    with_milk = replace(REQUEST, basket=(BasketLine("milk", 1, 40_000),))
    with_tea = replace(REQUEST, basket=(BasketLine("tea", 1, 40_000),))

    assert ids(decided(table(offer), request=with_tea)) == ["a"]
    assert ids(decided(table(offer), request=with_milk)) == []


def test_a_basket_without_amounts_is_worth_its_products_prices():
    offers = table(information("a", minimum_spend=80_000, priority=5), information("b", priority=1))

    one, two = (
        decided(offers, request=replace(REQUEST, basket=(BasketLine("milk", quantity),))) for quantity in (1.0, 2.0)
    )

    assert one.excluded == {"minimum_spend": 1}
    assert two.excluded == {}


def test_a_purchase_changes_the_words_and_the_acceptance():
    offers = table(information("a", target=Target(products=("milk",))))
    milk = [event(n, product_id="milk", amount=40_000, order_id=f"o{n}") for n in range(1, 5)]

    before, after = decided(offers, customer(event(9))), decided(offers, customer(event(9), *milk))

    assert after.offers[0].accept_probability > before.offers[0].accept_probability
    assert before.offers[0].reasons[0] == "not_bought_before"
    assert after.offers[0].reasons[0] == "often_bought"


def test_purchases_whose_use_was_refused_speak_for_nothing():
    offers = table(information("a", target=Target(products=("milk",))))
    milk = [event(n, product_id="milk", amount=40_000, order_id=f"o{n}") for n in range(1, 5)]
    refused = event(0.5, EventType.CONSENT_CHANGED, purpose="purchases", granted=False)

    chosen = decided(offers, customer(*milk, refused)).offers[0]

    assert "often_bought" not in chosen.reasons
    assert chosen.accept_probability == decided(offers).offers[0].accept_probability


def test_an_event_a_little_ahead_of_our_clock_is_no_reason_to_fail():
    offers = table(information("a", eligibility={"segment": ["new"]}))
    state = customer(event(1, occurred_at=NOW + HOUR, amount=40_000, product_id="milk"))

    assert ids(decided(offers, state)) == ["a"]


def test_the_reasons_always_say_that_the_response_is_a_prior():
    assert decided(table(information("a"))).offers[0].reasons[-1] == "response_is_a_prior"


def test_conditions_ask_the_tier_of_the_latest_word_and_attributes_of_the_row():
    offers = table(information("a", eligibility={"tier": "gold", "attributes": {"age": {"min": 18}}}))
    row = Customer(customer_id="anna", tier="silver", attributes={"age": 30.0})
    promoted = event(1, EventType.TIER_CHANGED, properties={"tier": "gold"})

    assert ids(decided(offers, customer(promoted, customer=row))) == ["a"]
    assert decided(offers, customer(event(1), customer=row)).excluded == {"tier": 1}


def test_attributes_whose_use_was_refused_meet_no_condition():
    offers = table(information("a", eligibility={"attributes": {"age": {"min": 18}}}))
    refused = event(1, EventType.CONSENT_CHANGED, purpose="attributes", granted=False)
    state = customer(refused, customer=Customer(customer_id="anna", attributes={"age": 30.0}))

    assert decided(offers, state).excluded == {"attribute": 1}


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


def test_on_the_spot_an_answer_holds_half_an_hour_and_nothing_is_sent():
    decision = decided(table(information("a")), request=replace(REQUEST, channels=("web",)))

    assert (decision.channel, decision.send_at) == ("web", None)
    assert decision.expires_at == NOW + HOUR // 2


def test_a_message_goes_out_at_the_best_hour_and_is_held_for_a_day_after():
    best = np.full(168, 0.001)
    best[24 + 18] = 0.5  # Tuesday, 18:00

    decision = decided(
        table(information("a")), request=replace(REQUEST, channels=("email",)), predictions=Predictions(send_time=best)
    )

    assert decision.send_at == parse("2026-01-06T18:00:00")
    assert decision.expires_at == parse("2026-01-07T18:00:00")


def test_a_message_goes_out_at_the_best_hour_of_its_channel():
    evening, noon = np.eye(168)[[24 + 18, 24 + 12]]
    hours = Predictions(send_time=evening, send_time_by_channel={"push": noon})

    sent = [
        decided(table(information("a")), request=replace(REQUEST, channels=(channel,)), predictions=hours).send_at
        for channel in ("push", "email")
    ]

    assert sent == [parse("2026-01-06T12:00:00"), parse("2026-01-06T18:00:00")]


def test_a_message_keeps_out_of_quiet_hours_on_the_customers_clock():
    quiet = QuietHours.model_validate({"from": "09:00", "to": "21:30"})
    offers = table(information("a"), terms=BrandTerms(quiet_hours=quiet))

    decision = decided(offers, CustomerState(timezone="Europe/Riga"), replace(REQUEST, channels=("email",)))

    assert decision.send_at == parse("2026-01-05T20:00:00")  # 22:00 in Riga


def test_a_message_goes_out_while_its_offer_is_valid():
    best = np.zeros(168)
    best[24 + 18] = 1.0

    decision = decided(
        table(information("a", valid_to=NOW + 3 * HOUR)),
        request=replace(REQUEST, channels=("email",)),
        predictions=Predictions(send_time=best),
    )

    assert decision.send_at == NOW


def test_a_schedule_of_a_message_binds_the_moment_of_sending():
    offers = table(information("a", schedule=Schedule(weekdays=(2,), hours=(7,))))

    sent = decided(offers, request=replace(REQUEST, channels=("email",)))
    shown = decided(offers, request=replace(REQUEST, channels=("web",)))

    assert sent.send_at == parse("2026-01-07T07:00:00")
    assert shown.no_offer_reason == "schedule"


def test_the_channel_is_that_of_the_most_valuable_offer():
    offers = table(information("a", channels=("web",)), information("b", channels=("app",), priority=5))

    decision = decided(offers, request=replace(REQUEST, channels=("web", "app")))

    assert (decision.channel, ids(decision)) == ("app", ["b"])
    assert decision.excluded == {"channel": 1}


def test_between_equal_channels_the_one_that_reached_the_customer_is_taken():
    opens = [event(n, EventType.MESSAGE_OPENED, channel="push", message_id=str(n)) for n in range(1, 4)]

    decision = decided(table(information("a")), customer(*opens), replace(REQUEST, channels=("email", "push")))

    assert decision.channel == "push"


def test_an_unsubscribed_channel_is_not_used():
    left = event(1, EventType.UNSUBSCRIBED, channel="email")

    both = decided(table(information("a")), customer(left), replace(REQUEST, channels=("email", "web")))
    alone = decided(table(information("a")), customer(left), replace(REQUEST, channels=("email",)))

    assert both.channel == "web"
    assert alone.no_offer_reason == "no_consent"


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
