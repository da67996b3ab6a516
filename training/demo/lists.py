"""The lists of products that a shop could make without any model: what the household buys most, what everyone buys."""

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY, Instant
from features.profiles import Profiles
from features.statistics import PRODUCT_HALF_LIFE_DAYS


def decayed_counts(profiles: Profiles, as_of: Instant) -> NDArray[np.float64]:
    """The decayed count of each line of ``profiles.products``, brought to ``as_of``."""
    products = profiles.products
    days = (as_of - products.last_at) / MICROSECONDS_PER_DAY
    counts: NDArray[np.float64] = products.decayed * np.exp2(-days / PRODUCT_HALF_LIFE_DAYS)
    return counts


def most_popular(profiles: Profiles, as_of: Instant, limit: int) -> list[str]:
    """The products of most lines, by everyone, a line 90 days old counting half."""
    products = profiles.products
    totals = np.bincount(products.code, decayed_counts(profiles, as_of), len(products.vocabulary))
    best = np.argsort(-totals, kind="stable")[:limit]
    return [products.vocabulary[code] for code in best]


def own_most_frequent(profiles: Profiles, as_of: Instant, limit: int) -> list[list[str]]:
    """Each customer's products of most lines, counted likewise; filled up with the most popular."""
    popular = most_popular(profiles, as_of, limit)
    counts, products = decayed_counts(profiles, as_of), profiles.products
    lists = []
    for start, end in zip(products.offsets[:-1], products.offsets[1:], strict=True):
        best = start + np.argsort(-counts[start:end], kind="stable")[:limit]
        own = [products.vocabulary[code] for code in products.code[best]]
        lists.append([*own, *(product for product in popular if product not in own)][:limit])
    return lists
