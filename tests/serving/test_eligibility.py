import numpy as np
import pytest
from msgspec.structs import replace

from features.entities import CapPerCustomer, Offer, Schedule
from features.instant import MICROSECONDS_PER_DAY, parse
from serving.conditions import Subject, Value, is_met, parse_conditions
from serving.decision import DecisionRequest, OfferUse
from serving.eligibility import build_rules, permissions, refusals, refuse_channel, refuse_hour, refuse_unsendable
from serving.policy import Policy
from serving.refusal import Refusal, count_refusals
from serving.send_slots import send_slots

NOW = parse("2026-01-05T10:00:00")  # a Monday
REQUEST = DecisionRequest("anna", NOW, "decision-1")
DAY = MICROSECONDS_PER_DAY


def refusal_of(
    offer,
    request=REQUEST,
    *,
    is_blocked=False,
    spend=None,
    consents=None,
    known=None,
    uses=(),
    declines=(),
    policy=Policy(),  # noqa: B008
):
    """The refusal's word for a catalogue of one offer; empty when it may be made."""
    rules = build_rules([offer], np.zeros(1, dtype=np.int8))
    allowed = permissions(request, (consents or {}).get, rules, policy)
    codes = refusals(
        request, is_blocked, spend, uses, declines, allowed, rules, lambda _, name: (known or {}).get(name), policy
    )
    return Refusal(codes[0]).word if codes[0] else ""


def test_an_offer_without_terms_may_always_be_made():
    assert refusal_of(Offer(offer_id="a")) == ""


def test_a_block_goes_before_every_other_refusal():
    assert refusal_of(Offer(offer_id="a", valid_to=NOW - 1), is_blocked=True) == "contact_blocked"


@pytest.mark.parametrize(
    ("offer", "refusal"),
    [
        (Offer(offer_id="a", valid_from=NOW), ""),
        (Offer(offer_id="a", valid_from=NOW + 1), "not_yet_valid"),
        (Offer(offer_id="a", valid_to=NOW + 1), ""),
        (Offer(offer_id="a", valid_to=NOW), "expired"),
    ],
)
def test_an_offer_is_valid_from_its_first_instant_to_before_its_last(offer, refusal):
    assert refusal_of(offer) == refusal


def test_an_offer_for_a_channel_is_not_made_on_another():
    web = replace(REQUEST, channels=("web",))

    assert refusal_of(Offer(offer_id="a", channels=("web", "app")), web) == ""
    assert refusal_of(Offer(offer_id="a", channels=("email",)), web) == "channel"
    assert refusal_of(Offer(offer_id="a"), web) == ""


def test_an_offer_for_a_placement_is_not_made_on_another():
    till = replace(REQUEST, placement="till")

    assert refusal_of(Offer(offer_id="a", placements=("till",)), till) == ""
    assert refusal_of(Offer(offer_id="a", placements=("banner",)), till) == "placement"


@pytest.mark.parametrize("purpose", ["messages", "email"])
def test_a_customer_who_refused_messages_or_the_channel_gets_none_on_it(purpose):
    email = replace(REQUEST, channels=("email",))

    assert refusal_of(Offer(offer_id="a"), email, consents={purpose: False}) == "no_consent"


def test_a_customer_who_refused_messages_is_still_served_on_the_spot():
    web = replace(REQUEST, channels=("web",))

    assert refusal_of(Offer(offer_id="a"), web, consents={"messages": False}) == ""


def test_an_offer_only_for_a_refused_channel_is_not_made_where_no_channel_was_named():
    assert refusal_of(Offer(offer_id="a", channels=("email",)), consents={"email": False}) == "no_consent"
    assert refusal_of(Offer(offer_id="a", channels=("email", "web")), consents={"email": False}) == ""


def test_who_refused_all_use_of_data_gets_only_offers_that_are_not_personalised():
    refused = {"purchases": False, "browsing": False, "attributes": False}

    assert refusal_of(Offer(offer_id="a"), consents=refused) == "not_personalised"
    assert refusal_of(Offer(offer_id="a", personalised=False), consents=refused) == ""
    assert refusal_of(Offer(offer_id="a"), consents={"purchases": False}) == ""


@pytest.mark.parametrize(
    ("eligibility", "known", "refusal"),
    [
        ({"tier": "gold"}, {"tier": "gold"}, ""),
        ({"tier": ["gold", "silver"]}, {"tier": "bronze"}, "tier"),
        ({"tier": "gold"}, {}, "tier"),
        ({"segment": ["loyal"]}, {"segment": "new"}, "segment"),
        ({"attributes": {"age": {"min": 18}}}, {"age": 18.0}, ""),
        ({"attributes": {"age": {"min": 18}}}, {"age": 17.0}, "attribute"),
        ({"attributes": {"age": {"min": 18}}}, {"age": "old"}, "attribute"),
        ({"city": {"not_in": ["Riga"]}}, {}, ""),
        ({"city": {"not_in": ["Riga"]}}, {"city": "Riga"}, "attribute"),
        ({"scores": {"churn_probability": {"max": 0.5}}}, {"churn_probability": 0.6}, "score"),
        ({"scores": {"churn_probability": {"above": 0.5}}}, {"churn_probability": 0.6}, "condition_unknown"),
        ({"scores": "high"}, {}, "condition_unknown"),
    ],
)
def test_a_condition_must_be_met_and_one_that_is_not_understood_is_met_by_nobody(eligibility, known, refusal):
    assert refusal_of(Offer(offer_id="a", eligibility=eligibility), known=known) == refusal


def test_a_number_that_is_missing_meets_no_bound():
    def nothing_known(_: Subject, __: str) -> Value:
        return float("nan")

    (condition,) = parse_conditions({"attributes": {"age": {"min": 18, "max": 99}}})

    assert not is_met(condition, nothing_known)


def test_a_basket_below_the_minimum_spend_is_refused_but_not_a_request_without_a_basket():
    offer = Offer(offer_id="a", minimum_spend=100_000)

    assert refusal_of(offer) == ""
    assert refusal_of(offer, spend=99_999) == "minimum_spend"
    assert refusal_of(offer, spend=100_000) == ""


def test_the_cap_per_customer_counts_what_was_not_released_within_its_days():
    offer = Offer(offer_id="a", cap_per_customer=CapPerCustomer(count=2, days=7))
    recent = [OfferUse("a", NOW - DAY, "confirmed", NOW), OfferUse("a", NOW - 2 * DAY, "accepted", NOW)]

    assert refusal_of(offer, uses=recent) == "cap_per_customer"
    assert refusal_of(offer, uses=[recent[0], OfferUse("a", NOW - DAY, "released", NOW)]) == ""
    assert refusal_of(offer, uses=[recent[0], OfferUse("a", NOW - 7 * DAY, "accepted", NOW)]) == ""
    assert refusal_of(offer, uses=[recent[0], OfferUse("b", NOW - DAY, "accepted", NOW)]) == ""


def test_a_reservation_that_has_expired_is_not_held():
    offer = Offer(offer_id="a", cap_per_customer=CapPerCustomer(count=1, days=7))

    assert refusal_of(offer, uses=[OfferUse("a", NOW - 1, "reserved", expires_at=NOW + 1)]) == "cap_per_customer"
    assert refusal_of(offer, uses=[OfferUse("a", NOW - 1, "reserved", expires_at=NOW)]) == ""
    assert refusal_of(offer, uses=[OfferUse("a", NOW - 1, "confirmed", expires_at=NOW)]) == "cap_per_customer"


def test_an_offer_capped_at_none_is_for_nobody():
    assert refusal_of(Offer(offer_id="a", cap_per_customer=CapPerCustomer(count=0, days=7))) == "cap_per_customer"


def test_a_declined_offer_rests_for_a_while():
    policy = Policy(decline_suppression_days=10)

    assert refusal_of(Offer(offer_id="a"), declines=[("a", NOW - 9 * DAY)], policy=policy) == "declined_recently"
    assert refusal_of(Offer(offer_id="a"), declines=[("a", NOW - 10 * DAY)], policy=policy) == ""
    assert refusal_of(Offer(offer_id="a"), declines=[("b", NOW - DAY)], policy=policy) == ""


def test_a_schedule_binds_the_hour_of_showing():
    rules = build_rules([Offer(offer_id="a", schedule=Schedule(weekdays=(0,), hours=(10,)))], np.zeros(1, np.int8))
    monday_ten, monday_eleven = np.zeros(1, np.int8), np.zeros(1, np.int8)

    refuse_hour(monday_ten, rules, 10)
    refuse_hour(monday_eleven, rules, 11)

    assert count_refusals(monday_ten) == {}
    assert count_refusals(monday_eleven) == {"schedule": 1}


def test_a_message_that_cannot_go_out_before_its_offer_ends_is_refused():
    soon = Offer(offer_id="a", valid_to=NOW + DAY // 2)
    on_tuesdays = Offer(offer_id="b", valid_to=NOW + DAY // 2, schedule=Schedule(weekdays=(1,)))
    codes = np.zeros(2, dtype=np.int8)

    refuse_unsendable(codes, build_rules([soon, on_tuesdays], codes), send_slots(NOW, "UTC", None, 168))

    assert codes.tolist() == [0, Refusal.NO_SENDING_HOUR]


def test_a_settled_channel_leaves_other_refusals_as_they_are():
    offers = [Offer(offer_id="a", channels=("web",)), Offer(offer_id="b", channels=("email",))]
    codes = np.array([Refusal.EXPIRED, 0], dtype=np.int8)

    refuse_channel(codes, build_rules(offers, codes), "app")

    assert count_refusals(codes) == {"expired": 1, "channel": 1}
