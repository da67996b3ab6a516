"""The offers of a brand as columns, so that fifty of them cost a request little more than one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from features.entities import Offer, Product
from features.money import Money
from features.product_targets import ProductTargets
from serving.arbitration import Worth, build_worth, to_minor
from serving.catalogue_content import content_of, version_of
from serving.eligibility import Rules, build_rules
from serving.limits import NO_LIMITS, Limits
from serving.policy import BrandTerms, Policy
from serving.refusal import Codes, Refusal
from serving.rule_columns import categories_of
from serving.targets import build_targets
from serving.words import Phrases, phrases

__all__ = ["BrandTerms", "OfferTable", "OfferUsage", "build_offer_table", "with_usage"]


@dataclass(frozen=True, slots=True)
class OfferUsage:
    """How much of an offer has been given away already, to everyone."""

    issued: int = 0
    committed: Money = 0
    """Charged and reserved cost together."""


@dataclass(frozen=True, slots=True)
class OfferTable:
    """One entry per offer in each column, in the order of ``offers`` (by id, the newest word on each)."""

    offers: tuple[Offer, ...]
    terms: BrandTerms
    targets: ProductTargets
    worth: Worth
    rules: Rules
    standing: Codes
    """The refusals that hold for everyone, before anything was given away."""
    phrases: tuple[Phrases, ...]
    group: NDArray[np.int64]
    """Number of the exclusive group; -1 for none."""
    has_groups: bool
    prices: Mapping[str, Money]
    """By product, where the catalogue tells."""
    categories: tuple[tuple[str, ...], ...] = ()
    """Of each offer, that which it mostly is of first."""
    version: str = ""
    """Digest of :func:`content`; without one the table is of no catalogue that decisions could be made of."""
    used_up: Mapping[int, int] = field(default_factory=dict)
    """By position, the refusals that hold for everyone because so much was given away."""
    limits: Limits = NO_LIMITS
    """Of the budgets that offers share."""
    shadow_price: NDArray[np.float64] | None = None
    """Of each offer, what a currency unit of the budgets that it draws on is worth elsewhere; ``None`` where nothing is
    scarce.
    """

    @property
    def draws_on_budgets(self) -> bool:
        """Whether what is spent of shared budgets may change it, or has."""
        return bool(self.limits.brand) or self.shadow_price is not None


def build_offer_table(
    offers: Sequence[Offer], products: Sequence[Product], terms: BrandTerms, policy: Policy
) -> OfferTable:
    """The columns of all offers of one brand; called when the catalogue changes, never per request."""
    ordered = tuple(sorted({offer.offer_id: offer for offer in offers}.values(), key=lambda offer: offer.offer_id))
    targets = build_targets(ordered, products)
    worth = build_worth(ordered, products, targets.product_sets, terms, policy)
    standing = np.where(worth.is_cost_unknown, Refusal.COST_UNKNOWN, 0).astype(np.int8)
    rules = build_rules(ordered, standing)
    names = {product.product_id: product.name or product.product_id for product in products}
    group = groups_of(ordered)
    by_product = {product.product_id: product.category for product in products}
    table = OfferTable(
        offers=ordered,
        terms=terms,
        targets=targets,
        worth=worth,
        rules=rules,
        standing=rules.standing,
        phrases=tuple(phrases(offer, names, terms) for offer in ordered),
        group=group,
        has_groups=bool((group >= 0).any()),
        prices={product.product_id: product.price for product in products if product.price is not None},
        categories=tuple(categories_of(offer, by_product) for offer in ordered),
    )
    return with_usage(replace(table, version=version_of(content(table))), {})


def groups_of(offers: Sequence[Offer]) -> NDArray[np.int64]:
    """Of each offer the number of its exclusive group; -1 for none."""
    numbers: dict[str | None, int] = {
        offer.exclusive_group: number for number, offer in enumerate(offers) if offer.exclusive_group
    }
    return np.array([numbers.get(offer.exclusive_group, -1) for offer in offers], dtype=np.int64)


def content(table: OfferTable) -> bytes:
    """All of the table that decisions may be made of, but for what was given away."""
    columns = {name: getattr(table.worth, name) for name in Worth.__slots__}
    columns |= {"standing": table.standing, "is_everything": table.targets.is_everything}
    return content_of(table.offers, table.terms, table.phrases, columns, table.categories)


def with_usage(table: OfferTable, usage: Mapping[str, OfferUsage]) -> OfferTable:
    """The same table, knowing what is left of each cap, stock and budget; cheap enough to call after every batch.

    A budget is refused once even the least costly acceptance would not fit; whether this customer's fits is for the
    transaction that reserves it.
    """
    standing, used_up = table.standing.copy(), {}
    for row, offer in enumerate(table.offers):
        if offer.cap_total is None and offer.stock is None and offer.budget is None:
            continue
        used = usage.get(offer.offer_id, OfferUsage())
        if offer.budget is not None and used.committed + least_cost(table.worth, row) > offer.budget:
            standing[row] = Refusal.BUDGET
        if offer.stock is not None and used.issued >= offer.stock:
            standing[row] = Refusal.STOCK
        if offer.cap_total is not None and used.issued >= offer.cap_total:
            standing[row] = Refusal.CAP_TOTAL
        if standing[row] != table.standing[row]:
            used_up[row] = int(standing[row])
    return replace(table, rules=replace(table.rules, standing=standing), used_up=used_up)


def least_cost(worth: Worth, row: int) -> Money:
    """Of one acceptance: where it is a share of a spend that is not known yet, more than nothing."""
    fixed, share = worth.cost_fixed[row], worth.cost_share[row]
    return max(to_minor(fixed), 1) if fixed or share else 0
