"""What the rules of a policy do to decisions."""

from typing import Any

import pytest
from msgspec.structs import replace

from features.entities import Customer, Offer, OfferKind, Schedule, Target
from features.events import EventType
from serving.decision import CustomerState, Decision, OfferUse, Predictions
from serving.policy import Policy
from serving.policy_file import parse_policy, with_file
from tests.serving.deciding import HOUR, NOW, REQUEST, customer, dear, decided, event, ids, information, table

THREE = table(*(information(name, priority=priority) for name, priority in zip("abc", (1, 3, 2), strict=True)))
GOLD = CustomerState(customer=Customer(customer_id="anna", tier="gold", attributes={"age": 40.0}))
MENU = replace(REQUEST, limit=3)


def policy(**document: Any) -> Policy:
    return with_file(Policy(epsilon=0.0), parse_policy(document))


def made(document: dict[str, Any], offers: Any = THREE, **given: Any) -> Decision:
    decision: Decision = decided(offers, policy=policy(**document), **given)
    return decision


def test_a_pinned_offer_stands_first_for_certain_for_those_who_match() -> None:
    document = {"epsilon": 0.5, "pins": [{"offer": "a", "customers": {"tier": "gold", "age": {"min": 18}}}]}

    gold = made(document, state=GOLD, request=MENU)
    other = made({**document, "epsilon": 0.0}, request=MENU)

    assert (ids(gold)[0], gold.offers[0].propensity, gold.none_probability) == ("a", 1.0, 0.0)
    assert gold.offers[0].reasons[0] == "pinned"
    assert {one.offer_id: one.probability for one in gold.candidates} == {"none": 0.0, "b": 0.0, "c": 0.0, "a": 1.0}
    assert ids(other) == ["b", "c", "a"]


def test_pins_stand_in_the_order_of_the_file_and_fill_no_more_than_the_menu() -> None:
    pins = {"pins": [{"offer": "c"}, {"offer": "a"}, {"offer": "c"}]}

    assert ids(made(pins, request=MENU)) == ["c", "a", "b"]
    assert ids(made(pins)) == ["c"]


def test_a_pin_is_made_though_it_is_not_worth_its_cost_but_not_where_it_may_not_be() -> None:
    offers = table(dear("dear"), information("over", valid_to=NOW), information("free"))

    assert ids(made({"pins": [{"offer": "over"}, {"offer": "dear"}]}, offers)) == ["dear"]


def test_a_pin_from_beyond_the_shortlist_is_drawn() -> None:
    offers = table(*(information(f"o{n:02}", priority=n) for n in range(30)))

    decision = made({"shortlist": 2, "pins": [{"offer": "o05"}]}, offers)

    assert (ids(decision), len(decision.candidates), decision.excluded) == (["o05"], 4, {"first_pass": 27})


def test_a_blocked_customer_gets_no_pin_and_no_rule() -> None:
    document = {"pins": [{"offer": "a"}], "rules": {"r": [{"offer": "a"}]}, "apprentice": {"rule": "r"}}

    decision = made(document, state=CustomerState(is_blocked=True))

    assert (decision.offers, decision.no_offer_reason) == ((), "contact_blocked")
    assert decision.excluded == {"contact_blocked": 3}


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        ({"placements": ["home"]}, True),
        ({"placements": ["cart"]}, False),
        ({"channels": ["app"]}, True),
        ({"channels": ["email"]}, False),
        ({"from": "2026-01-05T10:20:00Z"}, True),
        ({"to": "2026-01-05T10:20:00Z"}, False),
        ({"customers": {"scores": {"churn_probability": {"min": 0.5}}}}, True),
        ({"customers": {"attributes": {"age": {"max": 30}}}}, False),
    ],
)
def test_a_rule_holds_only_under_what_it_says(when: dict[str, Any], is_met: bool) -> None:
    request = replace(REQUEST, placement="home", channels=("app",))
    predictions = Predictions(churn_probability=0.7)

    decision = made({"exclusions": [{"offers": ["b"], **when}]}, state=GOLD, request=request, predictions=predictions)

    assert ids(decision) == (["c"] if is_met else ["b"])
    assert decision.excluded == ({"excluded_by_policy": 1} if is_met else {})


@pytest.mark.parametrize(
    ("scope", "left"),
    [({"offers": "b"}, "ac"), ({"kinds": "gift"}, "abc"), ({"categories": ["tea"]}, "bc"), ({"groups": ["g"]}, "ab"),
     ({"groups": ["mine"]}, "c")],
)  # fmt: skip
def test_a_rule_is_about_offers_by_id_kind_category_or_group(scope: dict[str, Any], left: str) -> None:
    offers = table(
        information("a", target=Target(categories=("tea",))), information("b"), information("c", exclusive_group="g")
    )
    groups = [{"name": "mine", "offers": ["b"], "categories": ["tea"]}]

    decision = made({"groups": groups, "exclusions": [{**scope, "to": "2027-01-01"}]}, offers)

    assert sorted(one.offer_id for one in decision.candidates if one.offer_id != "none") == list(left)


def test_the_category_of_an_offer_is_also_that_of_its_products() -> None:
    offers = table(information("a", target=Target(products=("tea",))), information("b"))

    assert made({"exclusions": [{"categories": "food"}]}, offers).excluded == {"excluded_by_policy": 1}


def test_a_boost_reorders_and_the_expected_value_stays_what_it_is() -> None:
    plain, boosted = made({}), made({"boosts": [{"offers": ["a"], "factor": 5}, {"offers": ["c"], "add": 0.001}]})

    assert (ids(plain), ids(boosted)) == (["b"], ["a"])
    of = {one.offer_id: one for one in boosted.candidates}
    assert of["a"].expected_value == {one.offer_id: one for one in plain.candidates}["a"].expected_value
    assert of["a"].score == pytest.approx(5 * of["a"].expected_value)
    assert of["c"].score == pytest.approx(of["c"].expected_value + 0.001)
    assert plain.candidates[1].score is None


def test_a_factor_never_makes_a_loss_a_gain_but_an_added_amount_can() -> None:
    offers = table(dear("a"))

    lost = made({}, offers).candidates[1].expected_value
    by_factor = made({"boosts": [{"offers": "a", "factor": 10}]}, offers)
    by_amount = made({"boosts": [{"offers": "a", "add": 1000}]}, offers)

    assert by_factor.candidates[1].score == pytest.approx(lost / 10)
    assert (ids(by_factor), ids(by_amount)) == ([], ["a"])


def test_each_part_of_the_arbitration_can_be_switched_off() -> None:
    sure = Offer(offer_id="sure", kind=OfferKind.GIFT, priority=0.0)
    dear_but_rare = Offer(offer_id="rare", kind=OfferKind.INFORMATION, priority=2_000.0)
    offers = table(sure, dear_but_rare)
    levers = {"contexts": [{"offers": "sure", "add": 50}], "boosts": [{"offers": "rare", "add": 100}]}

    assert ids(made({"weights": {"lever": False}}, offers)) == ["sure"]
    assert ids(made({}, offers)) == ["rare"]
    assert ids(made({"weights": {"value": False}}, offers)) == ["sure"]
    assert ids(made(levers, offers)) == ["rare"]
    assert ids(made({**levers, "weights": {"lever": 0}}, offers)) == ["sure"]
    assert ids(made({**levers, "weights": {"context": 0}}, offers)) == ["rare"]


def test_without_chances_offers_are_ranked_by_what_an_acceptance_brings() -> None:
    offers = table(Offer(offer_id="likely", kind=OfferKind.GIFT), information("rare", priority=1_000.0))
    of = {one.offer_id: one for one in made({"weights": {"propensity": 0}}, offers).candidates}

    for name in ("likely", "rare"):
        assert of[name].score == pytest.approx(of[name].expected_value / of[name].accept_probability)


def test_a_loss_stays_behind_nothing_however_it_is_weighed() -> None:
    offers = table(dear("a"))

    for weights in ({"value": 0}, {"propensity": 0}, {"value": 0, "propensity": 0}, {"value": 0.5}):
        assert ids(made({"weights": weights}, offers)) == []


def test_an_offer_yields_to_another_that_may_be_made() -> None:
    yields = {"exclusions": [{"offers": ["b"], "yields_to": ["c"]}, {"offers": ["c"], "yields_to": ["a"]}]}
    without_a = table(information("b", priority=3), information("c"), information("a", valid_to=NOW))

    with_all, without = made(yields, request=MENU), made(yields, without_a)

    assert (ids(with_all), with_all.excluded) == (["b", "a"], {"yields_to_another": 1})
    assert (ids(without), without.excluded) == (["c"], {"expired": 1, "yields_to_another": 1})


def test_a_menu_holds_one_offer_of_a_group_of_the_file() -> None:
    groups = {"groups": [{"name": "g", "offers": ["b", "c"]}]}

    assert ids(made(groups, request=MENU)) == ["b", "a"]
    assert made(groups, request=MENU).excluded == {"exclusive_group": 1}
    assert made(groups).excluded == {}


def test_a_pin_stays_where_its_group_has_a_better_offer() -> None:
    groups = {"groups": [{"name": "g", "offers": ["b", "c"]}], "pins": [{"offer": "c"}]}

    assert ids(made(groups, request=MENU)) == ["c", "a"]


def test_of_two_pins_in_one_group_the_first_stays_and_each_refusal_keeps_its_reason() -> None:
    offers = table(*(information(name, target=Target(categories=("tea",))) for name in "abc"))
    document = {
        "groups": [{"name": "g", "offers": ["a", "b"]}],
        "diversity": {"most_per_category": 1},
        "pins": [{"offer": "b"}, {"offer": "a"}],
    }

    decision = made(document, offers, request=MENU)

    assert (ids(decision), decision.excluded) == (["b"], {"exclusive_group": 1, "diversity": 1})


def test_a_menu_is_diverse_at_a_price_that_is_told() -> None:
    tea = Target(categories=("tea",))
    offers = table(*(information(n, priority=p, target=tea) for n, p in zip("abc", (1, 3, 2), strict=True)),
                   information("d", priority=0.5, target=Target(categories=("wine",))))  # fmt: skip
    two = replace(REQUEST, limit=2)

    plain, diverse = made({}, offers, request=two), made({"diversity": {"most_per_category": 1}}, offers, request=two)

    assert (ids(plain), ids(diverse), diverse.excluded) == (["b", "c"], ["b", "d"], {"diversity": 2})
    price = sum(one.expected_value for one in plain.offers) - sum(one.expected_value for one in diverse.offers)
    assert diverse.account is not None
    assert diverse.account.diversity_price == pytest.approx(price)
    assert price > 0


def used(offer: str, hours: float, channel: str | None = None) -> OfferUse:
    return OfferUse(offer, NOW - int(hours * HOUR), "confirmed", NOW, channel)


@pytest.mark.parametrize(
    ("document", "excluded"),
    [
        ({"gaps": [{"hours": 24}]}, {"too_soon": 3}),
        ({"gaps": [{"hours": 2}]}, {}),
        ({"gaps": [{"hours": 24, "offers": ["a", "b"]}]}, {"too_soon": 2}),
        ({"gaps": [{"hours": 24, "offers": ["b"]}]}, {}),
        ({"gaps": [{"hours": 24, "channels": ["email"]}]}, {"too_soon": 3}),
        ({"gaps": [{"hours": 24, "channels": ["push"]}]}, {}),
        ({"caps": [{"count": 3, "days": 7}]}, {}),
        ({"caps": [{"count": 2, "days": 7}]}, {"offered_enough": 3}),
        ({"caps": [{"count": 2, "days": 1}]}, {}),
        ({"caps": [{"count": 2, "days": 7, "offers": ["c"]}]}, {}),
        ({"caps": [{"count": 0, "days": 7, "offers": ["c"]}]}, {"offered_enough": 1}),
    ],
)
def test_a_customer_is_not_overloaded(document: dict[str, Any], excluded: dict[str, int]) -> None:
    state = CustomerState(uses=[used("a", 3, "email"), used("gone", 30, "sms")])

    decision = made(document, state=state, request=replace(REQUEST, channels=("email",)))

    assert decision.excluded == excluded


def test_what_was_reserved_and_never_shown_does_not_count() -> None:
    state = CustomerState(uses=[OfferUse("a", NOW - HOUR, "reserved", NOW - 1)])

    assert made({"gaps": [{"hours": 24}]}, state=state).excluded == {}


def test_a_menu_holds_no_more_than_the_caps_leave() -> None:
    state = CustomerState(uses=[used("a", 3)])

    overall = made({"caps": [{"count": 3, "days": 7}]}, state=state, request=MENU)
    of_some = made({"caps": [{"count": 2, "days": 7, "offers": ["a", "b", "c"]}]}, state=state, request=MENU)

    assert (ids(overall), overall.excluded) == (["b", "c"], {})
    assert (ids(of_some), of_some.excluded) == (["b"], {"offered_enough": 2})


@pytest.mark.parametrize(("scope", "refused"), [("offer", 0), ("category", 1), ("kind", 2), ("group", 1), ("all", 3)])
def test_what_is_like_a_refused_offer_is_not_made_again_for_a_while(scope: str, refused: int) -> None:
    tea = Target(categories=("tea",))
    offers = table(
        information("a", target=tea, exclusive_group="g"), information("b", target=tea),
        information("c", exclusive_group="g"), Offer(offer_id="d", kind=OfferKind.GIFT),
    )  # fmt: skip
    state = customer(event(2, EventType.OFFER_DECLINED, offer_id="a"))

    fresh = made({"suppression": {"decline_days": 7, "decline_scope": scope}}, offers, state=state)
    stale = made({"suppression": {"decline_days": 1, "decline_scope": scope}}, offers, state=state)

    assert fresh.excluded.get("similar_declined", 0) == refused
    assert fresh.excluded["declined_recently"] == 1
    assert stale.excluded == {}


def test_after_an_unsubscribe_no_message_goes_by_any_channel_for_a_while() -> None:
    state = customer(event(2, EventType.UNSUBSCRIBED, channel="sms"))
    by_email = replace(REQUEST, channels=("email",))
    quiet, later = {"suppression": {"unsubscribe_days": 7}}, {"suppression": {"unsubscribe_days": 1}}

    assert made(quiet, state=state, request=by_email).excluded == {"unsubscribed_recently": 3}
    assert ids(made(later, state=state, request=by_email)) == ["b"]
    assert ids(made(quiet, state=state, request=replace(REQUEST, channels=("web",)))) == ["b"]
    assert made(later, state=state, request=replace(REQUEST, channels=("sms",))).excluded == {"no_consent": 3}


def test_rules_of_a_channel_hold_for_the_one_that_was_settled_on() -> None:
    offers = table(
        information("mail", channels=("email",), priority=9), information("app", channels=("app",), priority=5)
    )
    request = replace(REQUEST, channels=("app", "email"))

    by_mail = made({"exclusions": [{"offers": ["mail"], "channels": ["email"]}]}, offers, request=request)
    by_app = made({"exclusions": [{"offers": ["mail"], "channels": ["app"]}]}, offers, request=request)

    assert (ids(by_mail), by_mail.excluded) == ([], {"channel": 1, "excluded_by_policy": 1})
    assert ids(by_app) == ["mail"]


def test_rules_are_beside_what_offers_ask_themselves() -> None:
    offers = table(information("a", schedule=Schedule(hours=(3,))), information("b"))

    assert made({"exclusions": [{"offers": ["a"]}]}, offers).excluded == {"excluded_by_policy": 1}
    assert made({"boosts": [{"offers": ["a"], "factor": 3}]}, offers).excluded == {"schedule": 1}


def test_the_present_rule_is_imitated_and_what_we_would_have_done_is_beside_it() -> None:
    steps = [{"offer": "a", "customers": {"tier": ["gold"]}}, {"offer": "c"}]
    document = {"epsilon": 0.2, "rules": {"now": steps}, "apprentice": {"rule": "now"}}

    gold, other = made(document, state=GOLD), made(document)

    assert (ids(gold), ids(other)) == (["a"], ["c"])
    assert (gold.offers[0].propensity, gold.none_probability) == (1.0, 0.0)
    assert gold.offers[0].reasons[0] == "present_rule"
    assert {one.offer_id: one.probability for one in gold.candidates} == {"none": 0.0, "b": 0.0, "c": 0.0, "a": 1.0}
    assert gold.account is not None
    assert gold.account.imitation is not None
    would_be = gold.account.imitation
    assert (would_be.rule, [one.offer_id for one in would_be.offers]) == ("now", ["b"])
    assert would_be.offers[0].propensity == pytest.approx(0.85)
    assert {one.offer_id: one.probability for one in would_be.candidates} == pytest.approx(
        {"none": 0.05, "a": 0.05, "b": 0.85, "c": 0.05}
    )


def test_where_no_step_matches_the_present_rule_offers_nothing() -> None:
    document = {"rules": {"now": [{"offer": "a", "customers": {"tier": ["gold"]}}]}, "apprentice": {"rule": "now"}}

    decision = made(document)

    assert (ids(decision), decision.no_offer_reason, decision.none_probability) == ([], "no_rule_matches", 1.0)


def test_a_step_whose_offer_may_not_be_made_is_passed_over() -> None:
    offers = table(information("a", valid_to=NOW), information("b"), information("c", priority=9))
    document = {"shortlist": 1, "rules": {"now": [{"offer": "a"}, {"offer": "b"}]}, "apprentice": {"rule": "now"}}

    decision = made(document, offers)

    assert (ids(decision), decision.excluded) == (["b"], {"expired": 1})
    assert [one.offer_id for one in decision.candidates] == ["none", "c", "b"]


def test_a_rule_of_a_past_window_holds_no_more() -> None:
    document = {"exclusions": [{"offers": ["b"], "from": "2025-01-01", "to": "2025-02-01"}]}

    assert ids(made(document)) == ["b"]
