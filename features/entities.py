"""The things that events speak of, once they have been parsed: customers, products, offers."""

from enum import StrEnum
from typing import Any

import msgspec

from features.events import DEFAULT_BRAND
from features.instant import Instant
from features.money import Money


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    product_id: str
    brand: str = DEFAULT_BRAND
    name: str | None = None
    category: str | None = None
    department: str | None = None
    maker: str | None = None
    price: Money | None = None
    margin_rate: float | None = None
    properties: dict[str, Any] | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``attributes`` holds every further column: a number, a text or nothing."""

    customer_id: str
    brand: str = DEFAULT_BRAND
    identifiers: dict[str, str] | None = None
    language: str | None = None
    timezone: str | None = None
    joined_at: Instant | None = None
    birth_date: str | None = None
    tier: str | None = None
    tier_progress: float | None = None
    points_balance: float | None = None
    points_expire_at: Instant | None = None
    attributes: dict[str, float | str | bool | None] | None = None


class OfferKind(StrEnum):
    DISCOUNT_PERCENT = "discount_percent"
    DISCOUNT_AMOUNT = "discount_amount"
    BONUS_POINTS = "bonus_points"
    POINTS_MULTIPLIER = "points_multiplier"
    CASHBACK = "cashback"
    GIFT = "gift"
    FREE_DELIVERY = "free_delivery"
    EARLY_ACCESS = "early_access"
    CHALLENGE = "challenge"
    INFORMATION = "information"


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Products and categories that an offer is about; both empty means everything."""

    products: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Local weekdays (0 is Monday) and local hours (0 to 23) at which an offer may be made; empty means any."""

    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()


class CapPerCustomer(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    days: float


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``value`` is in the unit of ``kind``: per cent, currency units, points or a factor."""

    offer_id: str
    brand: str = DEFAULT_BRAND
    campaign_id: str | None = None
    name: str | None = None
    kind: OfferKind = OfferKind.INFORMATION
    value: float | None = None
    currency: str | None = None
    depths: tuple[float, ...] = ()
    target: Target = Target()
    minimum_spend: Money | None = None
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    validity_days: float | None = None
    schedule: Schedule = Schedule()
    channels: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    eligibility: dict[str, Any] | None = None
    activity_name: str | None = None
    priority: float = 0.0
    cost_rate: float | None = None
    cost_amount: Money | None = None
    cap_per_customer: CapPerCustomer | None = None
    cap_total: int | None = None
    budget: Money | None = None
    stock: int | None = None
    exclusive_group: str | None = None
    partner_id: str | None = None
    partner_cost_share: float | None = None
    personalised: bool = True
    words: dict[str, str] | None = None
    properties: dict[str, Any] | None = None
