"""How decisions are made: the numbers that a person may turn, and what the brand has settled."""

from dataclasses import dataclass
from typing import Literal

from features.brand import BrandSettings, QuietHours
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND
from serving.policy_rules import NO_RULES, PLAIN_WEIGHTS, PolicyRules, Weights

Exploration = Literal["epsilon_greedy", "softmax", "thompson"]
DeclineScope = Literal["offer", "category", "kind", "group", "all"]
EDITION = 2
"""Of what decisions count and log; 1 is that of policies which were kept before there was a number."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The defaults are priors, not findings: plain guesses until logged decisions say better."""

    version: str = "prior-1"
    salt: str = "decide"
    """Of the hash that stands for chance; decisions of another salt are independent of these."""
    epsilon: float = 0.05
    """Total probability given to exploration, spread evenly over the shortlist and ``none``."""
    shortlist: int = 10
    """How many of the most valuable offers may be explored."""
    least_value: float = 0.0
    """Currency units that an offer must be worth to be preferred to none."""
    margin_rate: float = 0.25
    """Where neither the product nor the brand states one."""
    typical_order: float = 30.0
    """Currency units; where neither the customer nor the basket tells what an order comes to."""
    order_probability: float = 0.5
    """Of an order while an offer lasts, where there is neither a basket nor a model to tell."""
    spend_lift: float = 0.1
    """By how much those who would have bought anyway buy more under an offer, as a share of their spend."""
    retention_lift: float = 0.05
    """By how much accepting an offer lowers the chance of churn, as a share of that chance."""
    value_per_priority: float = 0.01
    """Currency units that one point of ``priority`` adds to an offer, given that it is accepted."""
    purchases_per_view: float = 0.05
    """Where responses are views: how many purchases one of them is worth."""
    points_per_unit: float = 1.0
    """Points that a currency unit of spend earns before any multiplier."""
    worst_case_orders: float = 4.0
    """The most that an offer's order may come to, in typical orders of the customer."""
    decline_suppression_days: float = 30.0
    """For how long an offer that was declined is not made again; 0 turns it off."""
    send_within_hours: int = 168
    reservation_seconds: int = 30 * 60
    """How long an answer given on the spot holds its cap, stock and budget."""
    message_reservation_seconds: int = 24 * 60 * 60
    """The same for a message, from the moment at which it is to be sent."""
    message_channels: frozenset[str] = frozenset({"email", "push", "sms", "messenger", "mail", "phone"})
    exploration: Exploration = "epsilon_greedy"
    temperature: float = 1.0
    """Of softmax: currency units."""
    draws: int = 256
    """Of Thompson sampling."""
    prior_outcomes: float = 100.0
    """How many outcomes a chance of acceptance is as sure as: where it is a prior,"""
    borrowed_outcomes: float = 400.0
    """where it was learned from similar offers,"""
    learned_outcomes: float = 2_000.0
    """and where it was learned from the offer itself."""
    most_per_category: int = 0
    """Offers of one category in a menu; 0 for any number."""
    decline_scope: DeclineScope = "offer"
    """What is not made again after a refusal: the offer, or all that is like it in this."""
    unsubscribe_days: float = 0.0
    """For how long after a channel was unsubscribed from no message goes by any; 0 turns it off."""
    weights: Weights = PLAIN_WEIGHTS
    rules: PolicyRules = NO_RULES
    edition: int = EDITION
    personal_purposes: tuple[str, ...] = ("purchases", "browsing", "attributes")
    """A customer who refused all of these gets only offers that are not personalised."""

    def hold(self, *, is_message: bool) -> int:
        """Microseconds for which a reservation stands."""
        seconds = self.message_reservation_seconds if is_message else self.reservation_seconds
        return seconds * MICROSECONDS_PER_SECOND

    @property
    def decline_suppression(self) -> int:
        """Microseconds."""
        return int(self.decline_suppression_days * MICROSECONDS_PER_DAY)

    @property
    def unsubscribe_quiet(self) -> int:
        """Microseconds."""
        return int(self.unsubscribe_days * MICROSECONDS_PER_DAY)


@dataclass(frozen=True, slots=True)
class BrandTerms:
    """What the brand file settles for every decision."""

    brand: str = "default"
    timezone: str = "UTC"
    currency: str | None = None
    point_value: float | None = None
    """Currency units per bonus point; without it the cost of points is unknown."""
    margin_rate: float | None = None
    quiet_hours: QuietHours | None = None
    """In which no message is sent."""


def brand_terms(settings: BrandSettings) -> BrandTerms:
    return BrandTerms(
        brand=settings.brand,
        timezone=settings.timezone,
        currency=settings.currency,
        point_value=settings.point_value,
        margin_rate=settings.default_margin_rate,
        quiet_hours=settings.quiet_hours,
    )
