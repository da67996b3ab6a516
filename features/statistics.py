"""The statistics of a customer: commutative monoids, each declared once.

A statistic knows its identity, how two of them merge, how one fact updates it, and the expression that aggregates
it over a table of facts on any engine that Ibis speaks to. For every statistic, in whatever order and partition:
``aggregate(facts) = fold(update, facts) = merge(parts)``; counts, money and times exactly, decayed values up to the
rounding of floating point.

Nothing here knows what a customer is: the same statistics are kept of a customer, an order, a product.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from features.events import EventType
from features.facts import Fact
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, Instant

HALF_LIVES_DAYS = (7, 30, 90, 365)
PRODUCT_HALF_LIFE_DAYS = 90

NEVER_FIRST: Instant = 2**63 - 1
"""The first time of what never happened."""
NEVER_LAST: Instant = -(2**63)
"""The last time of what never happened."""
LARGEST_SUM = 2**63 - 1
"""Sums stay here once they arrive, so that they still commute."""
_DIGITS = "decimal(18, 0)"
"""Holds the money of any line; engines sum it into more digits, where Spark refuses whole numbers beyond 64 bits."""


class Statistic(Protocol):
    """A commutative monoid over the facts of some facets."""

    @property
    def name(self) -> str: ...
    @property
    def facets(self) -> tuple[str, ...]: ...
    @property
    def identity(self) -> int: ...
    def update(self, so_far: int, fact: Fact) -> int: ...
    def merge(self, one: int, other: int) -> int: ...
    def aggregate(self, facts: Any) -> Any:
        """An Ibis expression over a table of facts (columns ``facet, at, amount, discount``)."""


@dataclass(frozen=True, slots=True)
class Count:
    name: str
    facets: tuple[str, ...]
    identity: int = 0

    def update(self, so_far: int, fact: Fact) -> int:  # noqa: ARG002 - a count asks only that there was one
        return so_far + 1

    def merge(self, one: int, other: int) -> int:
        return one + other

    def aggregate(self, facts: Any) -> Any:
        return facts.facet.isin(self.facets).sum().fill_null(0)


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of a column of money, saturating at ``LARGEST_SUM``."""

    name: str
    facets: tuple[str, ...]
    column: str
    identity: int = 0

    def update(self, so_far: int, fact: Fact) -> int:
        value: int = getattr(fact, self.column)
        return min(so_far + value, LARGEST_SUM)

    def merge(self, one: int, other: int) -> int:
        return min(one + other, LARGEST_SUM)

    def aggregate(self, facts: Any) -> Any:
        import ibis  # the service, which never aggregates, does without

        total = facts[self.column].cast(_DIGITS).sum(where=facts.facet.isin(self.facets)).fill_null(0)
        return ibis.least(total, LARGEST_SUM).cast("int64")


@dataclass(frozen=True, slots=True)
class First:
    name: str
    facets: tuple[str, ...]
    identity: int = NEVER_FIRST

    def update(self, so_far: int, fact: Fact) -> int:
        return min(so_far, fact.at)

    def merge(self, one: int, other: int) -> int:
        return min(one, other)

    def aggregate(self, facts: Any) -> Any:
        return facts.at.min(where=facts.facet.isin(self.facets)).fill_null(NEVER_FIRST)


@dataclass(frozen=True, slots=True)
class FirstSecond:
    """As :class:`First`, of full seconds: the first instant of the second in which it happened first."""

    name: str
    facets: tuple[str, ...]
    identity: int = NEVER_FIRST

    def update(self, so_far: int, fact: Fact) -> int:
        return min(so_far, fact.at - fact.at % MICROSECONDS_PER_SECOND)

    def merge(self, one: int, other: int) -> int:
        return min(one, other)

    def aggregate(self, facts: Any) -> Any:
        second = facts.at - facts.at % MICROSECONDS_PER_SECOND
        return second.min(where=facts.facet.isin(self.facets)).fill_null(NEVER_FIRST)


@dataclass(frozen=True, slots=True)
class Last:
    name: str
    facets: tuple[str, ...]
    identity: int = NEVER_LAST

    def update(self, so_far: int, fact: Fact) -> int:
        return max(so_far, fact.at)

    def merge(self, one: int, other: int) -> int:
        return max(one, other)

    def aggregate(self, facts: Any) -> Any:
        return facts.at.max(where=facts.facet.isin(self.facets)).fill_null(NEVER_LAST)


@dataclass(frozen=True, slots=True)
class Decayed:
    """A count (or the sum of a column, in its own unit) in which a fact weighs 2^(-age / half-life).

    The value belongs to a reference instant; merging and updating need both sides at the same one, to which
    :func:`decay` brings them.
    """

    name: str
    facets: tuple[str, ...]
    half_life_days: int
    column: str | None = None

    def contribution(self, fact: Fact, reference: Instant) -> float:
        value = 1 if self.column is None else getattr(fact, self.column)
        return float(value) * decay(reference - fact.at, self.half_life_days)

    def aggregate(self, facts: Any) -> Any:
        """As a sum over the weights that stand ready in the column ``weight_<half-life>``."""
        weight = facts[f"weight_{self.half_life_days}"]
        value = weight if self.column is None else weight * facts[self.column].cast("float64")
        return value.sum(where=facts.facet.isin(self.facets)).fill_null(0.0)


def decay(age_microseconds: int, half_life_days: float) -> float:
    """The factor that an age takes off.

    >>> decay(30 * MICROSECONDS_PER_DAY, half_life_days=30)
    0.5
    """
    exponent = age_microseconds / (half_life_days * MICROSECONDS_PER_DAY)
    return float(2.0 ** -max(min(exponent, 1_100.0), -1_000.0))


PURCHASES = (EventType.PURCHASE.value,)
REFUNDS = (EventType.REFUND.value,)
CANCELLATIONS = (EventType.ORDER_CANCELLED.value,)
VIEWS = (EventType.VIEW.value,)
CART_ADDS = (EventType.CART_ADD.value,)
SENT = (EventType.MESSAGE_SENT.value,)
OPENED = (EventType.MESSAGE_OPENED.value,)
CLICKED = (EventType.MESSAGE_CLICKED.value,)
PRESENTED = (EventType.OFFER_PRESENTED.value,)
ACCEPTED = (EventType.OFFER_ACCEPTED.value,)
DECLINED = (EventType.OFFER_DECLINED.value,)
ACTIVITIES = (EventType.ACTIVITY.value,)
ENGAGEMENT = (*VIEWS, *CART_ADDS, *OPENED, *CLICKED, *ACCEPTED, *ACTIVITIES)
"""What a customer does at an hour of their own choosing, besides buying."""
RESPONSES = (*OPENED, *CLICKED, *ACCEPTED)
OFFER_CONTACTS = (*PRESENTED, *ACCEPTED, *DECLINED, EventType.OFFER_EXPIRED.value)

BEHAVIOURS = {
    "views": VIEWS,
    "cart_adds": CART_ADDS,
    "messages_sent": SENT,
    "messages_opened": OPENED,
    "messages_clicked": CLICKED,
    "offers_presented": PRESENTED,
    "offers_accepted": ACCEPTED,
    "offers_declined": DECLINED,
    "activities": ACTIVITIES,
}

ALL_FACETS: tuple[str, ...] = (
    *(kind.value for kind in EventType if kind not in (EventType.CUSTOMER_MERGED, EventType.CUSTOMER_ERASED)),
    "machine_opened",
    "control",
)

OF_CUSTOMER: tuple[Statistic, ...] = (
    Count("events", ALL_FACETS),
    First("first_event_at", ALL_FACETS),
    Last("last_event_at", ALL_FACETS),
    Count("purchase_lines", PURCHASES),
    Sum("purchase_amount", PURCHASES, "amount"),
    Sum("discount_amount", PURCHASES, "discount"),
    First("first_purchase_at", PURCHASES),
    Last("last_purchase_at", PURCHASES),
    Count("refunds", REFUNDS),
    Sum("refund_amount", REFUNDS, "amount"),
    *(Count(name, facets) for name, facets in BEHAVIOURS.items()),
    *(Last(f"last_{name}_at", facets) for name, facets in BEHAVIOURS.items()),
)
"""Kept as 64-bit integers, in this order."""

DECAYED_OF_CUSTOMER: tuple[Decayed, ...] = tuple(
    Decayed(f"{name}_decayed_{half_life}", facets, half_life, column)
    for name, facets, column in (
        ("purchase_amount", PURCHASES, "amount"),
        ("purchase_lines", PURCHASES, None),
        *((name, facets, None) for name, facets in BEHAVIOURS.items()),
    )
    for half_life in HALF_LIVES_DAYS
)
"""Kept as floats at the reference ``last_event_at``, in this order."""

OF_ORDER: tuple[Statistic, ...] = (
    First("first_at", PURCHASES),
    Sum("amount", PURCHASES, "amount"),
    Count("lines", PURCHASES),
    Sum("refunded", REFUNDS, "amount"),
    Count("cancellations", CANCELLATIONS),
)
"""Kept for each order: what lines, refunds and cancellations say of it, in whatever order they came."""

OF_PRODUCT: tuple[Statistic, ...] = (
    Count("lines", PURCHASES),
    Sum("amount", PURCHASES, "amount"),
    Last("last_at", PURCHASES),
)
DECAYED_OF_PRODUCT = Decayed("decayed", PURCHASES, PRODUCT_HALF_LIFE_DAYS)
"""Kept at the reference ``last_at`` of the product, so that one purchase touches one product."""

ANSWERS = (*OPENED, *CLICKED)
OF_MESSAGE: tuple[Statistic, ...] = (FirstSecond("sent_at", SENT), FirstSecond("answered_at", ANSWERS))
"""Kept for each message that has an id: what its sending, its openings and clicks, in whatever order they came, say of
it. What a machine opened is not answered."""

OF_HOUR: tuple[Statistic, ...] = (Count("engaged", ENGAGEMENT), Count("sent", SENT))
OF_CHANNEL: tuple[Statistic, ...] = (
    Count("sent", SENT),
    Count("responses", RESPONSES),
    Count("purchase_lines", PURCHASES),
)


def merge_all(statistics: tuple[Statistic, ...], one: list[int], other: list[int]) -> list[int]:
    return [statistic.merge(a, b) for statistic, a, b in zip(statistics, one, other, strict=True)]


def identities(statistics: tuple[Statistic, ...]) -> list[int]:
    return [statistic.identity for statistic in statistics]


def by_facet(statistics: tuple[Statistic, ...]) -> dict[str, tuple[tuple[int, Statistic], ...]]:
    """The statistics that each facet touches, with their positions."""
    return {facet: tuple((index, s) for index, s in enumerate(statistics) if facet in s.facets) for facet in ALL_FACETS}
