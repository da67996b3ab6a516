"""What a customer has several of, and what is one of few words, as columns of ``score``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from features.product_lists import ProductLists

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """One a customer: ``labels[codes[i]]``, or nothing where the code is -1."""

    codes: Integers
    labels: Sequence[str]

    def values(self) -> list[str | None]:
        known = [*self.labels, None]
        return [known[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class WordLists:
    """Customer ``i`` has the labels of ``codes[offsets[i]:offsets[i + 1]]``."""

    offsets: Integers
    codes: NDArray[np.integer]
    labels: Sequence[str]

    def values(self) -> list[list[str]]:
        words = [self.labels[code] for code in self.codes.tolist()]
        return [words[start:end] for start, end in pairwise(self.offsets.tolist())]


@dataclass(frozen=True, slots=True)
class NumberLists:
    """Customer ``i`` has ``numbers[offsets[i]:offsets[i + 1]]``."""

    offsets: Integers
    numbers: NDArray[np.float64]

    def values(self) -> list[list[float]]:
        numbers = self.numbers.tolist()
        return [numbers[start:end] for start, end in pairwise(self.offsets.tolist())]


def categories_of(lists: ProductLists, categories: Mapping[str, str | None]) -> WordLists:
    """The categories of each customer's products, each once, that of the first first; ``categories`` by product.

    >>> lists = ProductLists(np.array([0, 3]), np.array([0, 1, 2]), np.zeros(3), ["milk", "tea", "cheese"])
    >>> categories_of(lists, {"milk": "dairy", "tea": None, "cheese": "dairy"}).values()
    [['dairy']]
    """
    products, place = np.unique(lists.code, return_inverse=True)
    named = [categories.get(lists.vocabulary[code]) for code in products.tolist()]
    labels = list(dict.fromkeys(name for name in named if name is not None))
    number = {name: code for code, name in enumerate(labels)}
    of_product = np.array([-1 if name is None else number[name] for name in named], dtype=np.int64)
    codes, offsets = np.empty(len(lists.code), dtype=np.int64), np.zeros_like(lists.offsets)
    _fill_distinct(lists.offsets, of_product[place], codes, offsets)
    return WordLists(offsets, codes[: offsets[-1]], labels)


@compiled
def _fill_distinct(offsets: Integers, found: Integers, codes: Integers, ends: Integers) -> None:
    """Of each customer every code from 0 on, where it is first found."""
    count = 0
    for i in range(offsets.shape[0] - 1):
        first = count
        for at in range(offsets[i], offsets[i + 1]):
            is_new = found[at] >= 0
            for before in range(first, count):
                is_new = is_new and codes[before] != found[at]
            if is_new:
                codes[count] = found[at]
                count += 1
        ends[i + 1] = count
