"""What matters of a customer, a basket and the models' words to the worth of each offer, and to its conditions."""

import numpy as np

from features.instant import Instant
from features.money import MONEY_SCALE, Money
from features.presented_terms import Outcome
from features.segments import rfm_segments
from features.vector import vector
from serving.arbitration import ValueInputs
from serving.conditions import Facts, Subject, Value
from serving.customer_facts import consent, moment_of, state
from serving.customer_history import CustomerHistory
from serving.decision import BasketLine, CustomerState, DecisionRequest, Floats, Predictions
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.targets import about
from training.models.churn import risk_band


def value_inputs(
    request: DecisionRequest,
    offers: OfferTable,
    history: CustomerHistory,
    predictions: Predictions,
    policy: Policy,
) -> ValueInputs:
    """With a basket an order is certain, and what is in the basket would be bought anyway."""
    basket = request.basket or ()
    affinity = predictions.affinity
    if affinity is None:
        affinity = np.where(offers.targets.is_everything, 1.0, history.target_share)
    if basket:
        affinity = np.where(about(offers.targets, (line.product_id for line in basket)), 1.0, affinity)
    churn = predictions.churn_probability
    typical_order = (basket_amount(request, offers) or 0) / MONEY_SCALE or history.mean_order or policy.typical_order
    accept, taken, added_spend = _learned(predictions, history, typical_order, policy)
    return ValueInputs(
        affinity=affinity,
        target_spend=history.target_spend,
        typical_order=typical_order,
        order_probability=_order_probability(basket, churn, policy),
        churn_probability=churn or 0.0,
        lifetime_value=predictions.lifetime_value or 0.0,
        accept=accept,
        taken=taken,
        added_spend=added_spend,
    )


def _learned(
    predictions: Predictions, history: CustomerHistory, typical_order: float, policy: Policy
) -> tuple[Floats, float, Floats]:
    """Of each offer the chance of acceptance, how much of it takes what the offer gives, and the spend that is added.

    Acceptances tell nothing of what would have been bought without the offer: that stays with the prior.
    """
    response, unknown = predictions.response, np.full(len(history.target_spend), np.nan)
    if response is None:
        return unknown, 1.0, unknown
    match response.outcome:
        case Outcome.ACCEPTED:
            return response.accept, 1.0, unknown
        case Outcome.SPEND:
            return response.accept, 1.0, response.uplift
        case Outcome.PURCHASE:
            return response.accept, 1.0, response.uplift * typical_order
        case Outcome.VIEW:
            return (
                response.accept,
                policy.purchases_per_view,
                response.uplift * policy.purchases_per_view * typical_order,
            )


def _order_probability(basket: tuple[BasketLine, ...], churn: float | None, policy: Policy) -> float:
    if basket:
        return 1.0
    return policy.order_probability if churn is None else 1.0 - churn


def basket_amount(request: DecisionRequest, offers: OfferTable) -> Money | None:
    """What the basket comes to, at the catalogue's prices where it does not say; ``None`` without a basket."""
    if request.basket is None:
        return None
    return sum(line.amount or round(line.quantity * offers.prices.get(line.product_id, 0)) for line in request.basket)


def facts(decided_at: Instant, customer: CustomerState, predictions: Predictions) -> Facts:
    """What offers' conditions may ask of the customer; each is looked up only when asked."""

    def fact(subject: Subject, name: str) -> Value:
        if subject is Subject.SEGMENT:
            return _segment(decided_at, customer, predictions)
        if subject is Subject.TIER:
            return _tier(customer)
        if subject is Subject.SCORE:
            return _score(predictions, name)
        return _attribute(customer, name)

    return fact


def _segment(decided_at: Instant, customer: CustomerState, predictions: Predictions) -> Value:
    if customer.profile is None:
        return None
    features = predictions.features
    if features is None:
        features = vector(customer.profile, moment_of(customer.profile, decided_at))
    return rfm_segments(features.reshape(1, -1))[0]


def _tier(customer: CustomerState) -> Value:
    newest = state(customer, "tier")
    return customer.customer.tier if newest is None and customer.customer is not None else newest


def _score(predictions: Predictions, name: str) -> Value:
    churn = predictions.churn_probability
    if name == "churn_risk_band":
        return None if churn is None else risk_band(churn)
    known = {"churn_probability": churn, "lifetime_value": predictions.lifetime_value}
    return known.get(name)


def _attribute(customer: CustomerState, name: str) -> Value:
    """A further column of the customers file, or one of its own; nothing once their use was refused."""
    if consent(customer)("attributes") is False:
        return None
    if name in ("points_balance", "points_expire_at"):
        newest = state(customer, name)
        if newest is not None:
            return newest
    if customer.customer is None:
        return None
    attributes = customer.customer.attributes or {}
    if name in attributes:
        return attributes[name]
    own = getattr(customer.customer, name, None)
    return own if isinstance(own, str | int | float) else None
