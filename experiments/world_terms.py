"""What a simulated world is made of: its customers, its offers with their true effects, and what contacts do.

The numbers of customers are those of the Complete Journey (2,469 households in 2017); ``docs/simulate.md`` compares.
Those of offers, fatigue and leaving are made up: no public data knows them.
"""

import msgspec

from features.entities import OfferKind

DRIVERS = ("price_sensitivity", "convenience", "novelty")
"""What in a customer an offer may appeal to."""


class OfferTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An offer of the world.

    ``uplift`` is the chance, of the average customer who never got an offer before and would not order while it is
    valid, that it brings an order; ``acceptance`` that whoever orders while it is valid redeems it.
    """

    offer_id: str
    kind: OfferKind = OfferKind.BONUS_POINTS
    value: float | None = None
    uplift: float = 0.1
    acceptance: float = 1.0
    cost_amount: float = 0.0
    """Currency units for each redemption."""
    cost_rate: float = 0.0
    """Share of the order's amount, for each redemption."""
    heterogeneity: float = 1.5
    """Standard deviation of the logarithm of the effect between customers; 0: it is the same for all."""
    appeals_to: str = DRIVERS[0]
    """One of ``DRIVERS``, which the effect rises with."""
    reverse: bool = False
    """Whether the effect falls with it instead."""

    @property
    def is_discount(self) -> bool:
        """Whether its cost is taken off what is paid."""
        return self.kind in (OfferKind.DISCOUNT_PERCENT, OfferKind.DISCOUNT_AMOUNT)


class CustomerTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Medians over customers, and standard deviations of logarithms between them."""

    orders_per_day: float = 0.118
    orders_spread: float = 1.1
    spend_per_order: float = 27.0
    spend_spread: float = 0.63
    order_noise: float = 1.04
    """Standard deviation of the logarithm of one customer's orders."""
    lines_per_order: float = 9.4
    """Mean."""
    margin_rate: float = 0.25
    leaving_per_year: float = 0.15
    shown: float = 0.95
    """How well the attributes that the brand knows tell what moves a customer: their correlation."""


class ContactTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everybody is decided for every ``every_days``, a part of them each day; an offer is valid ``valid_days``."""

    every_days: int = 5
    valid_days: int = 3
    fatigue: float = 0.12
    """By what share a contact of just now lowers the response to the next (of more contacts, as an exponent)."""
    leaving: float = 0.3
    """By what share a contact of just now raises the chance to leave."""
    half_life_days: float = 7.0
    """Of the memory of contacts."""
    message_hour: int = 10
    message_habit: float = 0.8
    """Share of messages that the sender sends at that hour; the others go at any hour of the day."""


class Season(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    weekdays: tuple[float, ...] = (0.968, 0.943, 0.918, 0.943, 0.947, 1.116, 1.165)
    """Monday first; how many times the orders of the mean day."""
    yearly: float = 0.05
    """By how much of the mean orders rise and fall over a year."""


class Drift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From ``day`` on the effects of offers are so many times what they were, by their ids."""

    day: int
    factors: dict[str, float]


OFFERS = (
    OfferTruth(offer_id="points", kind=OfferKind.BONUS_POINTS, value=200, uplift=0.4, cost_amount=2.0),
    OfferTruth(
        offer_id="delivery", kind=OfferKind.FREE_DELIVERY, uplift=0.4, cost_amount=2.5, appeals_to="convenience"
    ),
    OfferTruth(offer_id="gift", kind=OfferKind.GIFT, uplift=0.4, cost_amount=2.0, appeals_to="novelty"),
    OfferTruth(
        offer_id="amount-4",
        kind=OfferKind.DISCOUNT_AMOUNT,
        value=4,
        uplift=0.3,
        cost_amount=4.0,
        heterogeneity=0.8,
    ),
)
"""The last is taken up by most and pays for few."""


class WorldTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``budget`` is in currency units, for each customer and day of the simulation."""

    customers: CustomerTruth = CustomerTruth()
    contact: ContactTruth = ContactTruth()
    season: Season = Season()
    offers: tuple[OfferTruth, ...] = OFFERS
    drift: Drift | None = None
    budget: float = 0.12
