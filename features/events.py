"""The closed set of events: everything that is ever learned about a customer arrives as one of these."""

from enum import StrEnum
from typing import Any

import msgspec

from features.instant import Instant
from features.money import Money

DEFAULT_BRAND = "default"
NO_OFFER = "none"
"""The ``offer_id`` of a control: it was decided to show nothing."""


class EventType(StrEnum):
    PURCHASE = "purchase"
    REFUND = "refund"
    ORDER_CANCELLED = "order_cancelled"
    VIEW = "view"
    CART_ADD = "cart_add"
    OFFER_PRESENTED = "offer_presented"
    OFFER_ACCEPTED = "offer_accepted"
    OFFER_DECLINED = "offer_declined"
    OFFER_EXPIRED = "offer_expired"
    EXPOSURE = "exposure"
    MESSAGE_SENT = "message_sent"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_OPENED = "message_opened"
    MESSAGE_CLICKED = "message_clicked"
    UNSUBSCRIBED = "unsubscribed"
    POINTS_EARNED = "points_earned"
    POINTS_SPENT = "points_spent"
    POINTS_EXPIRED = "points_expired"
    TIER_CHANGED = "tier_changed"
    SURVEY_ANSWERED = "survey_answered"
    ACTIVITY = "activity"
    CONSENT_CHANGED = "consent_changed"
    CONTACT_BLOCKED = "contact_blocked"
    CONTACT_UNBLOCKED = "contact_unblocked"
    CUSTOMER_MERGED = "customer_merged"
    CUSTOMER_ERASED = "customer_erased"


IDENTIFIER_KINDS = ("phone_hash", "email_hash", "card", "qr", "device")
"""In the order in which they name an anonymous customer."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to one customer; for a purchase, one order line.

    Times are instants (microseconds UTC), money is in ten-thousandths of ``currency``.
    ``customer_id`` is the one given, before merges are followed; never empty once parsed.
    ``properties`` holds the columns that nobody here knows.
    """

    event_id: str
    type: EventType
    occurred_at: Instant
    customer_id: str
    brand: str = DEFAULT_BRAND
    source: str = "file"
    identifiers: dict[str, str] | None = None
    channel: str | None = None
    store_id: str | None = None
    campaign_id: str | None = None
    product_id: str | None = None
    quantity: float | None = None
    amount: Money | None = None
    currency: str | None = None
    exchange_rate: float | None = None
    list_amount: Money | None = None
    discount_amount: Money | None = None
    points: float | None = None
    points_balance: float | None = None
    points_expire_at: Instant | None = None
    order_id: str | None = None
    offer_id: str | None = None
    decision_id: str | None = None
    propensity: float | None = None
    message_id: str | None = None
    machine_open: bool | None = None
    experiment: str | None = None
    variant: str | None = None
    activity_name: str | None = None
    score: float | None = None
    purpose: str | None = None
    granted: bool | None = None
    basis: str | None = None
    merged_customer_id: str | None = None
    properties: dict[str, Any] | None = None
