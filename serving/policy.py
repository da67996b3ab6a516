"""How decisions are made: the numbers that a person may turn."""

from dataclasses import dataclass, field

from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND, Instant


@dataclass(frozen=True, slots=True)
class Policy:
    """Defaults are priors, not findings: each is a plain guess until logged decisions say better."""

    version: str = "prior-1"
    epsilon: float = 0.05
    """Total probability given to exploration, spread evenly over the shortlist and ``none``."""
    shortlist: int = 10
    """How many of the most valuable offers may be explored."""
    least_value: float = 0.0
    """Currency units that an offer must be worth to be preferred to none."""
    margin_rate: float = 0.25
    """Where neither the product nor the brand states one."""
    typical_order: float = 30.0
    """Currency units; where neither the customer nor the catalogue tells what an order comes to."""
    retention_lift: float = 0.05
    """By how much accepting an offer lowers the chance of churn, as a share of that chance."""
    value_per_priority: float = 0.01
    """Currency units that one point of ``priority`` is worth, given that the offer is accepted."""
    points_per_unit: float = 1.0
    """Points that a currency unit of spend earns before any multiplier."""
    worst_case_orders: float = 4.0
    """The most that an offer's order may come to, in typical orders of the customer."""
    decline_suppression_days: float = 30.0
    send_within_hours: int = 168
    reservation: Instant = 30 * 60 * MICROSECONDS_PER_SECOND
    """How long an answer given on the spot holds its cap, stock and budget."""
    message_reservation: Instant = MICROSECONDS_PER_DAY
    """The same for a message, from the moment at which it is to be sent."""
    message_channels: frozenset[str] = field(
        default_factory=lambda: frozenset({"email", "push", "sms", "messenger", "mail", "phone"})
    )
    personal_purposes: tuple[str, ...] = ("purchases", "browsing", "attributes")
    """A customer who refused all of these gets only offers that are not personalised."""


SEND_STEP: Instant = MICROSECONDS_PER_HOUR
