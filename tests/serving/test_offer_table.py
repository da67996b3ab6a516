import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.entities import Offer, OfferKind, Product, Target
from features.profile_tables import Products
from serving.offer_table import BrandTerms, OfferUsage, build_offer_table, with_usage
from serving.policy import Policy
from serving.refusal import Refusal
from serving.targets import about, bought, build_targets

PRODUCTS = [
    Product(product_id="milk", category="dairy", department="food", price=20_000, margin_rate=0.5),
    Product(product_id="cheese", category="dairy", department="food", price=60_000),
    Product(product_id="soap", category="care"),
]


def table(*offers, terms=BrandTerms()):  # noqa: B008
    return build_offer_table(offers, PRODUCTS, terms, Policy(margin_rate=0.3))


def test_a_category_stands_for_its_products_and_no_target_for_everything():
    targets = table(
        Offer(offer_id="a", target=Target(categories=("dairy",))),
        Offer(offer_id="b", target=Target(products=("soap",), categories=("food",))),
        Offer(offer_id="c"),
        Offer(offer_id="d", target=Target(categories=("unheard of",))),
    ).targets

    assert targets.product_sets == (("cheese", "milk"), ("cheese", "milk", "soap"), None, ())


def test_margin_and_price_of_a_target_are_means_of_its_products_with_the_brands_margin_where_one_says_nothing():
    worth = table(
        Offer(offer_id="a", target=Target(categories=("dairy",))),
        Offer(offer_id="b", target=Target(products=("soap",))),
        terms=BrandTerms(margin_rate=0.1),
    ).worth

    assert worth.margin_rate.tolist() == pytest.approx([(0.5 + 0.1) / 2, 0.1])
    assert worth.target_price[0] == 4.0
    assert np.isnan(worth.target_price[1])


def test_of_two_rows_with_one_id_the_later_counts():
    offers = table(Offer(offer_id="a", name="old"), Offer(offer_id="a", name="new")).offers

    assert [offer.name for offer in offers] == ["new"]


def test_a_table_of_no_offers_is_a_table():
    assert with_usage(table(), {}).offers == ()


def test_a_refusal_for_everyone_outlives_the_usage():
    points = table(Offer(offer_id="a", kind=OfferKind.BONUS_POINTS, value=5.0, cap_total=1))

    assert points.rules.standing.tolist() == [Refusal.COST_UNKNOWN]
    assert with_usage(points, {"a": OfferUsage(1)}).rules.standing.tolist() == [Refusal.CAP_TOTAL]
    assert with_usage(with_usage(points, {"a": OfferUsage(1)}), {}).rules.standing.tolist() == [Refusal.COST_UNKNOWN]


_names = st.sampled_from(["p1", "p2", "p3", "p4", "p5"])


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.frozensets(_names), max_size=5),
    st.dictionaries(_names, st.tuples(st.integers(1, 99), st.integers(0, 10**6))),
)
def test_what_was_bought_of_each_target_is_the_sum_over_its_products(sets, purchases):
    offers = [Offer(offer_id=str(row), target=Target(products=tuple(some))) for row, some in enumerate(sets)]
    targets = build_targets(offers, [])
    lines, amount = (np.array([pair[i] for pair in purchases.values()], dtype=np.int64) for i in (0, 1))
    codes = np.arange(lines.size, dtype=np.int32)[::-1]
    ids = list(purchases)[::-1]
    products = Products(np.array([0, lines.size]), codes, lines, amount, lines, np.ones(lines.size), ids)

    found = bought(targets, products, np.array([7]))

    for row, some in enumerate(sets):
        own = [pair for name, pair in purchases.items() if name in some or not some]
        count, amount = sum(pair[0] for pair in own), sum(pair[1] for pair in own)
        assert found.lines[0, row] == count
        assert found.spend[0, row] == pytest.approx(amount / 10_000 / min(count, 7) if count else np.nan, nan_ok=True)


def test_an_offer_about_everything_is_about_any_basket_that_is_not_empty():
    targets = table(Offer(offer_id="a"), Offer(offer_id="b", target=Target(products=("milk",)))).targets

    assert about(targets, ["milk"]).tolist() == [True, True]
    assert about(targets, ["soap"]).tolist() == [True, False]
    assert about(targets, []).tolist() == [False, False]
