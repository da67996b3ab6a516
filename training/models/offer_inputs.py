"""What the offer response model reads beside the profile: the words on a customer, and the terms of an offer."""

from collections.abc import Collection
from datetime import date

from features.entities import Customer, Offer, OfferKind
from features.instant import MICROSECONDS_PER_DAY, Instant, to_datetime
from features.money import from_money
from training.models.encoding import Word, Words

ATTRIBUTES = "attributes"
"""The purpose of consent that the words on a customer belong to."""
_DAYS_PER_YEAR = 365.25
_DEPTH_IS_VALUE = (OfferKind.DISCOUNT_PERCENT, OfferKind.CASHBACK)
_AS_PART = 100.0


def customer_words(customer: Customer | None, at: Instant, protected: Collection[str] = ()) -> Words:
    """Attributes, age (years) and how long joined (days) at an instant, without what is protected.

    What only holds for now and changes with responses (tier, points) is left out: it would tell of the future.
    """
    if customer is None:
        return {}
    words: dict[str, Word] = {**(customer.attributes or {})}
    words["language"] = customer.language
    if customer.joined_at is not None:
        words["days since joined"] = (at - customer.joined_at) / MICROSECONDS_PER_DAY
    if customer.birth_date is not None and "birth_date" not in protected:
        words["age"] = (to_datetime(at).date() - date.fromisoformat(customer.birth_date)).days / _DAYS_PER_YEAR
    return {name: word for name, word in words.items() if name not in protected}


def offer_words(offer: Offer, price: float | None = None) -> Words:
    """The terms of an offer; ``price`` is the mean price of what it is about, in currency units."""
    value = offer.value if offer.value is not None else next(iter(offer.depths), None)
    words: dict[str, Word] = {
        "kind": offer.kind.value,
        "value": value,
        "depth": _depth(offer, value, price),
        "minimum spend": None if offer.minimum_spend is None else from_money(offer.minimum_spend),
        "validity days": offer.validity_days,
        "days from first to last": _days(offer),
        "is about everything": not (offer.target.products or offer.target.categories),
        "price": price,
        "cost rate": offer.cost_rate,
        "cost amount": None if offer.cost_amount is None else from_money(offer.cost_amount),
        "is personalised": offer.personalised,
    }
    words |= {f"channel {channel}": True for channel in offer.channels}
    words |= {f"category {category}": True for category in offer.target.categories}
    properties = offer.properties or {}
    return {**{name: word for name, word in properties.items() if isinstance(word, int | float | str)}, **words}


def _depth(offer: Offer, value: float | None, price: float | None) -> float | None:
    """Which part of the price is given away."""
    if value is None:
        return None
    if offer.kind in _DEPTH_IS_VALUE:
        return value / _AS_PART
    spend = from_money(offer.minimum_spend) if offer.minimum_spend else price
    return value / spend if spend else None


def _days(offer: Offer) -> float | None:
    if offer.valid_from is None or offer.valid_to is None:
        return None
    return (offer.valid_to - offer.valid_from) / MICROSECONDS_PER_DAY
