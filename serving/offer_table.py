"""The offers of a brand as columns, so that fifty of them cost a request little more than one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.entities import Offer, Product
from features.money import Money
from serving.policy import Policy


@dataclass(frozen=True, slots=True)
class BrandTerms:
    """What the brand file settles for every decision."""

    brand: str = "default"
    timezone: str = "UTC"
    currency: str | None = None
    point_value: float | None = None
    """Currency units per bonus point; without it the cost of points is unknown."""
    margin_rate: float | None = None
    languages: tuple[str, ...] = ("en",)
    quiet_hours: frozenset[int] = frozenset()
    """Local hours (0 to 23) in which no message is sent."""
    protected_attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OfferUsage:
    """How much of an offer has been given away already, to everyone."""

    issued: int = 0
    committed: Money = 0
    """Charged and reserved cost together."""


@dataclass(frozen=True, slots=True)
class OfferTable:
    """One column entry per offer, in the order of ``offers``."""

    offers: tuple[Offer, ...]
    index: Mapping[str, int]
    terms: BrandTerms
    targets: tuple[frozenset[str] | None, ...]
    """Product ids that each offer is about, categories resolved; ``None`` means everything."""


def build_offer_table(
    offers: Sequence[Offer], products: Sequence[Product], terms: BrandTerms, policy: Policy
) -> OfferTable:
    """The columns of all offers of one brand; called when the catalogue changes, never per request."""
    raise NotImplementedError


def with_usage(table: OfferTable, usage: Mapping[str, OfferUsage]) -> OfferTable:
    """The same table, knowing what is left of each cap, stock and budget; cheap enough to be called after every batch."""
    raise NotImplementedError
