import numpy as np
import pytest

from features.entities import Offer, OfferKind, Product
from serving.arbitration import ValueInputs, build_worth, to_minor, values
from serving.offer_cost import CostUnknownError, OfferCost, offer_cost
from serving.policy import BrandTerms, Policy

POLICY = Policy(margin_rate=0.25)
MILK = Product(product_id="milk", price=20_000, margin_rate=0.5)


def offer(kind, value=None, **terms):
    return Offer(offer_id="a", kind=kind, value=value, **terms)


def known(
    *,
    affinity=0.0,
    spend=np.nan,
    order=30.0,
    ordering=1.0,
    churn=0.0,
    lifetime_value=0.0,
    accept=np.nan,
    taken=1.0,
    added=np.nan,
):
    of_customer = np.array([affinity]), np.array([spend]), order, ordering, churn, lifetime_value
    return ValueInputs(*of_customer, np.array([accept]), taken, np.array([added]))


def worth_of(one, product_set=frozenset({"milk"}), terms=BrandTerms()):  # noqa: B008
    return build_worth([one], [MILK], [product_set], terms, POLICY)


@pytest.mark.parametrize(
    ("one", "cost"),
    [
        (offer(OfferKind.DISCOUNT_PERCENT, 20.0), OfferCost(0.0, 0.2)),
        (offer(OfferKind.DISCOUNT_AMOUNT, 3.0), OfferCost(3.0, 0.0)),
        (offer(OfferKind.DISCOUNT_AMOUNT, 4.0, partner_cost_share=0.75), OfferCost(1.0, 0.0)),
        (offer(OfferKind.BONUS_POINTS, 500.0), OfferCost(5.0, 0.0)),
        (offer(OfferKind.POINTS_MULTIPLIER, 3.0), OfferCost(0.0, 0.02)),
        (offer(OfferKind.GIFT), OfferCost(2.0, 0.0)),
        (offer(OfferKind.GIFT, cost_amount=15_000), OfferCost(1.5, 0.0)),
        (offer(OfferKind.CASHBACK, 5.0, cost_rate=0.04), OfferCost(0.0, 0.04)),
        (offer(OfferKind.INFORMATION), OfferCost(0.0, 0.0)),
        (offer(OfferKind.DISCOUNT_PERCENT, depths=(10.0, 20.0)), OfferCost(0.0, 0.1)),
    ],
)
def test_the_cost_of_an_acceptance_is_what_its_kind_and_terms_say(one, cost):
    found = offer_cost(one, BrandTerms(point_value=0.01), POLICY, target_price=2.0)

    assert (found.fixed, found.share) == pytest.approx((cost.fixed, cost.share))


@pytest.mark.parametrize("kind", [OfferKind.BONUS_POINTS, OfferKind.POINTS_MULTIPLIER, OfferKind.CHALLENGE])
def test_points_of_unknown_value_are_refused_not_guessed(kind):
    with pytest.raises(CostUnknownError, match="point_value"):
        offer_cost(offer(kind, 100.0), BrandTerms(), POLICY)


def test_an_offer_in_another_currency_than_the_brands_is_refused():
    with pytest.raises(CostUnknownError, match="currency: got 'EUR', expected 'USD'"):
        offer_cost(offer(OfferKind.DISCOUNT_AMOUNT, 1.0, currency="EUR"), BrandTerms(currency="USD"), POLICY)


def test_value_is_incremental_margin_less_the_cost_to_all_who_accept():
    worth = worth_of(offer(OfferKind.DISCOUNT_AMOUNT, 1.0))

    found = values(worth, known(affinity=0.5, spend=4.0), POLICY)

    accept = (0.003 + 0.008 * 0.5) * (1 + 22 * 0.5**0.5)  # depth 1 of 2 currency units, affinity 0.5
    assert found.accept_probability[0] == pytest.approx(accept)
    assert found.expected_value[0] == pytest.approx(accept * ((0.5 + 0.5 * 0.1) * 0.5 * 4.0 - 1.0))


def test_who_would_buy_anyway_is_worth_no_discount():
    worth = worth_of(offer(OfferKind.DISCOUNT_PERCENT, 10.0))

    assert values(worth, known(affinity=0.0, spend=4.0), POLICY).expected_value[0] > 0
    assert values(worth, known(affinity=1.0, spend=4.0), POLICY).expected_value[0] < 0


def test_the_same_affinity_is_worth_more_where_no_order_is_to_be_expected():
    worth = worth_of(offer(OfferKind.DISCOUNT_PERCENT, 10.0))

    staying, leaving = (values(worth, known(affinity=0.8, spend=4.0, ordering=p), POLICY) for p in (1.0, 0.2))

    assert leaving.expected_value[0] > staying.expected_value[0]


def test_keeping_a_customer_counts_by_churn_and_lifetime_value():
    worth = worth_of(offer(OfferKind.INFORMATION))

    without, with_risk = (
        values(worth, known(spend=4.0, churn=churn, lifetime_value=200.0), POLICY) for churn in (0.0, 0.5)
    )

    kept = without.accept_probability[0] * 0.5 * (0.5 * 0.05 * 200.0)
    assert with_risk.expected_value[0] - without.expected_value[0] == pytest.approx(kept)


def test_the_prior_meets_the_redemptions_that_it_was_set_by():
    coupon = worth_of(offer(OfferKind.DISCOUNT_AMOUNT, 0.6))  # 0.3 of the price

    found = [values(coupon, known(affinity=share), POLICY).accept_probability[0] for share in (0.0, 0.01, 0.035, 0.15)]

    assert found == pytest.approx([0.005, 0.016, 0.031, 0.046], rel=0.15)


def test_priority_adds_value_and_information_costs_nothing():
    plain, urgent = (values(worth_of(offer(OfferKind.INFORMATION, priority=p)), known(), POLICY) for p in (0.0, 10.0))

    assert urgent.expected_value[0] > plain.expected_value[0] > 0
    assert urgent.worst_cost[0] == 0


def test_the_worst_cost_of_a_share_is_that_of_a_large_order():
    worth = worth_of(offer(OfferKind.DISCOUNT_PERCENT, 10.0))

    assert values(worth, known(spend=2.0, order=30.0), POLICY).worst_cost[0] == pytest.approx(0.1 * 4 * 30.0)


def test_spend_on_an_unknown_target_is_a_typical_order():
    worth = worth_of(offer(OfferKind.DISCOUNT_PERCENT, 10.0), product_set=None)

    found = values(worth, known(order=40.0), POLICY)

    assert found.expected_value[0] == pytest.approx(found.accept_probability[0] * (0.5 * 40.0 - 0.1 * 40.0))


def test_a_reservation_is_rounded_up():
    assert to_minor(0.00011) == 2
    assert to_minor(1.2) == 12_000
