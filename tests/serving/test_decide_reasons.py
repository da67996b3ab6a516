"""What keeps an offer from a customer, and what speaks for it."""

from msgspec.structs import replace

from features.entities import CapPerCustomer, Customer, Offer, OfferKind, Target
from features.events import EventType
from serving.decision import BasketLine, CustomerState, OfferUse
from serving.offer_table import BrandTerms, OfferUsage, with_usage
from tests.serving.deciding import HOUR, NOW, REQUEST, customer, decided, event, ids, information, table


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
