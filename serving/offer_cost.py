"""What an accepted offer costs the brand: a fixed part and a share of the spend it applies to."""

from dataclasses import dataclass

from features.entities import Offer, OfferKind
from features.money import from_money
from serving.policy import BrandTerms, Policy


@dataclass(frozen=True, slots=True)
class OfferCost:
    """``fixed`` in currency units; ``share`` of the spend on the target. Free kinds have neither."""

    fixed: float = 0.0
    share: float = 0.0


class CostUnknownError(ValueError):
    """The offer does not say what it costs, and that is not guessed."""


def offer_cost(offer: Offer, terms: BrandTerms, policy: Policy, target_price: float | None = None) -> OfferCost:
    """The cost of one acceptance, after what a partner bears.

    ``cost_rate`` and ``cost_amount`` go before what the kind implies. A gift without either costs the mean price of
    what it is about, if that is known.

    >>> offer_cost(Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=20.0), BrandTerms(), Policy())
    OfferCost(fixed=0.0, share=0.2)

    Raises
    ------
    CostUnknownError
        If it costs points and the brand has no ``point_value``, or the offer is in another currency than the brand.
    """
    if offer.currency is not None and terms.currency not in (None, offer.currency):
        raise CostUnknownError(f"currency: got {offer.currency!r}, expected {terms.currency!r}")
    if offer.cost_rate is not None or offer.cost_amount is not None:
        cost = OfferCost(from_money(offer.cost_amount or 0), offer.cost_rate or 0.0)
    else:
        cost = _implied(offer, terms, policy, target_price)
    ours = 1.0 - (offer.partner_cost_share or 0.0)
    return OfferCost(cost.fixed * ours, cost.share * ours)


def _implied(offer: Offer, terms: BrandTerms, policy: Policy, target_price: float | None) -> OfferCost:
    value = chosen_value(offer) or 0.0
    match offer.kind:
        case OfferKind.DISCOUNT_PERCENT | OfferKind.CASHBACK:
            return OfferCost(share=value / 100)
        case OfferKind.DISCOUNT_AMOUNT:
            return OfferCost(fixed=value)
        case OfferKind.BONUS_POINTS | OfferKind.CHALLENGE:
            return OfferCost(fixed=value * _point_value(terms)) if value else OfferCost()
        case OfferKind.POINTS_MULTIPLIER:
            return OfferCost(share=max(value - 1.0, 0.0) * policy.points_per_unit * _point_value(terms))
        case OfferKind.GIFT:
            return OfferCost(fixed=value or target_price or 0.0)
        case OfferKind.FREE_DELIVERY:
            return OfferCost(fixed=value)
        case OfferKind.EARLY_ACCESS | OfferKind.INFORMATION:
            return OfferCost()


def _point_value(terms: BrandTerms) -> float:
    if terms.point_value is None:
        raise CostUnknownError("point_value: got None, expected the currency units that a bonus point is worth")
    return terms.point_value


def chosen_value(offer: Offer) -> float | None:
    """The depth at which the offer is made: its value, else the first of its depths."""
    if offer.value is None and offer.depths:
        return offer.depths[0]
    return offer.value
