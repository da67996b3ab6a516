"""A shop with two products, a customer called Anna, and what is decided of her."""

from features.batching import to_batch
from features.entities import Offer, OfferKind, Product
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, parse
from features.profile import fold
from serving.customer_history import histories
from serving.decide import decide
from serving.decision import CustomerState, DecisionRequest, Predictions
from serving.offer_table import BrandTerms, build_offer_table
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
