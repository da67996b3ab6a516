"""Which offers of a catalogue a rule is about, and what categories an offer is of."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.entities import Offer
from features.errors import FieldError
from serving.policy_rules import Group, PolicyRules, Scope

Flags = NDArray[np.bool_]
Categories = Sequence[tuple[str, ...]]
"""Of each offer; the first is the one that it mostly is of."""


def categories_of(offer: Offer, by_product: Mapping[str, str | None]) -> tuple[str, ...]:
    """Those that the offer names, then those of its products, most of them first."""
    counted = Counter(category for product in offer.target.products if (category := by_product.get(product)))
    of_products = sorted(counted, key=lambda category: (-counted[category], category))
    return tuple(dict.fromkeys((*offer.target.categories, *of_products)))


def rows_of(scope: Scope, offers: Sequence[Offer], categories: Categories, groups: Sequence[Group]) -> Flags:
    """Of each offer whether the scope holds it; a group of the policy goes by its name before an offer's own."""
    if scope.is_everything:
        return np.ones(len(offers), dtype=np.bool_)
    named = [group for group in groups if group.name in scope.groups]
    ids, kinds, about, own = set(scope.offers), set(scope.kinds), set(scope.categories), set(scope.groups)
    found = np.fromiter(
        (
            offer.offer_id in ids
            or offer.kind.value in kinds
            or offer.exclusive_group in own
            or not about.isdisjoint(of)
            for offer, of in zip(offers, categories, strict=True)
        ),
        dtype=np.bool_,
        count=len(offers),
    )
    for group in named:
        found |= rows_of(group.scope, offers, categories, ())
    return found


def require_some_left(rules: PolicyRules, offers: Sequence[Offer], by_product: Mapping[str, str | None]) -> None:
    """
    Raises
    ------
    FieldError
        If the exclusions that always hold leave no offer of the catalogue, or exclude one that is pinned.
    """
    categories = [categories_of(offer, by_product) for offer in offers]
    left = np.ones(len(offers), dtype=np.bool_)
    for exclusion in rules.exclusions:
        if exclusion.when.is_always and not exclusion.yields_to:
            left &= ~rows_of(exclusion.scope, offers, categories, rules.groups)
    if offers and not left.any():
        expected = f"some of the {len(offers)} offers of the catalogue to be left: together they exclude every one"
        raise FieldError("exclusions", len(rules.exclusions), expected)
    excluded = {offer.offer_id for offer, is_left in zip(offers, left.tolist(), strict=True) if not is_left}
    for place, pin in enumerate(rules.pins):
        if pin.offer in excluded:
            raise FieldError(f"pins[{place}].offer", pin.offer, "an offer that the exclusions do not always exclude")
