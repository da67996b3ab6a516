r"""What each offer is worth for one customer: expected incremental margin, from priors until there are responses.

With :math:`p` the chance that the offer is accepted, :math:`b` the chance that its target would be bought anyway,
:math:`s` the spend on the target, :math:`m` its margin rate and :math:`c` the cost of an acceptance::

    value = added * m + p * (retention + priority - c)
    added = p * (1 - b + b * spend lift) * s
    retention = churn probability * retention lift * m * lifetime value

The cost is paid to those who would have bought anyway too; of their margin only the lift is counted.
"No offer" is worth 0.
Until responses were learned :math:`p` is a prior by kind and depth, bent by affinity. Where the uplift over nothing
was learned, ``added`` is that uplift: of spend as it is, of purchases and views times what one of them comes to.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.compiled import compiled
from features.entities import Offer, OfferKind, Product
from features.money import MONEY_SCALE, from_money
from serving.offer_cost import CostUnknownError, OfferCost, chosen_value, offer_cost
from serving.policy import BrandTerms, Policy

Floats = NDArray[np.float64]

BASE_RATES = {
    OfferKind.DISCOUNT_PERCENT: 0.003,
    OfferKind.DISCOUNT_AMOUNT: 0.003,
    OfferKind.CASHBACK: 0.003,
    OfferKind.BONUS_POINTS: 0.003,
    OfferKind.POINTS_MULTIPLIER: 0.003,
    OfferKind.GIFT: 0.010,
    OfferKind.FREE_DELIVERY: 0.006,
    OfferKind.EARLY_ACCESS: 0.005,
    OfferKind.CHALLENGE: 0.003,
    OfferKind.INFORMATION: 0.002,
}
"""Prior share of customers who take up an offer of no depth on something they never bought.

Discounts are set by 29,558 coupons mailed to households of the Complete Journey (campaigns of types B and C, March to
November 2017): of those on products the household had never bought 0.5 % were redeemed, and the rate rose about as
0.005 + 0.11 times the square root of the share of orders with such a product. The other kinds are judgement.
"""
MOST_LIKELY = 0.6
"""No prior is surer than this."""
DEPTH_EFFECT = 0.008
"""How much of a depth of 1 (all of the price) turns into acceptance; of those coupons the usual depth was 0.3."""
AFFINITY_EFFECT = 22.0
"""Acceptance grows by this times the square root of affinity (0.11 / 0.005, above)."""
LARGE_SHARE_OF_ORDER = 0.5
"""An amount is as deep as this share at most, whatever the target costs."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What an acceptance of each offer brings and costs, before anything is known of the customer.

    ``target_price`` is the mean price in the target, NaN where the catalogue does not tell.
    """

    accept_prior: Floats
    margin_rate: Floats
    target_price: Floats
    cost_fixed: Floats
    cost_share: Floats
    priority: Floats
    is_cost_unknown: NDArray[np.bool_]


class ValueInputs(Struct, frozen=True):
    """What matters of the customer to the worth of offers; per offer where an array."""

    affinity: Floats
    """Chance that the next order holds something of the target."""
    target_spend: Floats
    """Currency units that an order with the target spends on it; NaN where the customer never bought it."""
    typical_order: float
    """Currency units."""
    order_probability: float
    """Of any order while the offer lasts; 1 where there is a basket."""
    churn_probability: float
    """0 where no model tells."""
    lifetime_value: float
    """Currency units within the horizon."""
    accept: Floats
    """Learned chance of acceptance; NaN where the prior serves."""
    taken: float
    """How much of that chance takes what the offer gives: 1, but that of views."""
    added_spend: Floats
    """Learned uplift of spend for each time that the offer is made, currency units; NaN where the prior serves."""


class Values(Struct, frozen=True):
    """Per offer, in currency units: expected incremental margin, chance of acceptance, the most that it may cost, and
    what it is expected to (the cost of an acceptance times its chance).
    """

    expected_value: Floats
    accept_probability: Floats
    worst_cost: Floats
    expected_cost: Floats


def build_worth(
    offers: Sequence[Offer],
    products: Sequence[Product],
    product_sets: Sequence[Collection[str] | None],
    terms: BrandTerms,
    policy: Policy,
) -> Worth:
    """The columns of worth of one brand's offers."""
    by_id = {product.product_id: product for product in products}
    default_margin = policy.margin_rate if terms.margin_rate is None else terms.margin_rate
    overall_margin = _mean([p.margin_rate for p in products if p.margin_rate is not None]) or default_margin
    rows = []
    for offer, product_set in zip(offers, product_sets, strict=True):
        about = [by_id[product_id] for product_id in product_set or () if product_id in by_id]
        price = _mean([from_money(product.price) for product in about if product.price is not None])
        margins = [default_margin if product.margin_rate is None else product.margin_rate for product in about]
        margin = (_mean(margins) if margins else None) or overall_margin
        try:
            cost, is_unknown = offer_cost(offer, terms, policy, price), False
        except CostUnknownError:
            cost, is_unknown = OfferCost(), True
        rows.append((offer, price, margin, cost, is_unknown))
    return Worth(
        accept_prior=_floats([accept_prior(offer, price or policy.typical_order) for offer, price, *_ in rows]),
        margin_rate=_floats([margin for _, _, margin, _, _ in rows]),
        target_price=_floats([np.nan if price is None else price for _, price, *_ in rows]),
        cost_fixed=_floats([cost.fixed for *_, cost, _ in rows]),
        cost_share=_floats([cost.share for *_, cost, _ in rows]),
        priority=_floats([offer.priority * policy.value_per_priority for offer in offers]),
        is_cost_unknown=np.array([is_unknown for *_, is_unknown in rows], dtype=np.bool_),
    )


def accept_prior(offer: Offer, usual_spend: float) -> float:
    """The chance of acceptance by someone with no affinity to the target; ``usual_spend`` in currency units.

    >>> round(accept_prior(Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=20.0), 30.0), 4)
    0.0046
    """
    value = chosen_value(offer) or 0.0
    depth = 0.0
    if offer.kind in (OfferKind.DISCOUNT_PERCENT, OfferKind.CASHBACK):
        depth = value / 100
    elif offer.kind is OfferKind.DISCOUNT_AMOUNT:
        depth = min(value / max(usual_spend, 1e-9), LARGE_SHARE_OF_ORDER)
    return min(BASE_RATES[offer.kind] + DEPTH_EFFECT * depth, MOST_LIKELY)


def values(worth: Worth, known: ValueInputs, policy: Policy) -> Values:
    """The worth of every offer for one customer."""
    found = Values(*np.empty((4, len(worth.priority))))
    _fill_values(
        *(
            worth.accept_prior,
            worth.margin_rate,
            worth.target_price,
            worth.cost_fixed,
            worth.cost_share,
            worth.priority,
        ),
        *(known.affinity, known.target_spend, known.typical_order, known.order_probability),
        *(known.accept, known.taken, known.added_spend),
        known.churn_probability * policy.retention_lift * known.lifetime_value,
        policy.spend_lift,
        policy.worst_case_orders * known.typical_order,
        *(found.expected_value, found.accept_probability, found.worst_cost, found.expected_cost),
    )
    return found


@compiled
def _fill_values(
    accept_prior: Floats,
    margin_rate: Floats,
    target_price: Floats,
    cost_fixed: Floats,
    cost_share: Floats,
    priority: Floats,
    affinity: Floats,
    target_spend: Floats,
    typical_order: float,
    order_probability: float,
    learned_accept: Floats,
    taken_of_learned: float,
    learned_added_spend: Floats,
    kept_spend: float,
    spend_lift: float,
    largest_spend: float,
    expected_value: Floats,
    accept_probability: Floats,
    worst_cost: Floats,
    expected_cost: Floats,
) -> None:
    for row in range(accept_prior.size):
        spend = target_spend[row]
        if np.isnan(spend):
            spend = typical_order if np.isnan(target_price[row]) else target_price[row]
        if np.isnan(learned_accept[row]):
            accept = min(accept_prior[row] * (1.0 + AFFINITY_EFFECT * np.sqrt(affinity[row])), MOST_LIKELY)
            taken = accept
        else:
            accept = learned_accept[row]
            taken = accept * taken_of_learned
        added_spend = learned_added_spend[row]
        if np.isnan(added_spend):
            anyway = affinity[row] * order_probability
            added_spend = taken * (1.0 - anyway + anyway * spend_lift) * spend
        each = kept_spend * margin_rate[row] + priority[row] - cost_fixed[row] - cost_share[row] * spend
        expected_value[row] = added_spend * margin_rate[row] + taken * each
        accept_probability[row] = accept
        worst_cost[row] = cost_fixed[row] + cost_share[row] * max(spend, largest_spend)
        expected_cost[row] = taken * (cost_fixed[row] + cost_share[row] * spend)


def priced(scores: Floats, found: Values, shadow_price: Floats | None) -> Floats:
    """The scores less what the expected costs would bring elsewhere; the very same where nothing is scarce."""
    return scores if shadow_price is None else scores - shadow_price * found.expected_cost


def to_minor(cost: float) -> int:
    """A cost as money, rounded up: a reservation must never be too small."""
    return int(np.ceil(cost * MONEY_SCALE - 1e-6))


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _floats(numbers: Sequence[float]) -> Floats:
    return np.array(numbers, dtype=np.float64)
