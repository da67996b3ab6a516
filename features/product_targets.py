"""What offers are about: the products of many targets, and the other way round the targets of each product."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.id_table import IdTable

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ProductTargets:
    """m targets, and a row for each product that is in any of them (compressed sparse rows).

    The product of row r is in the targets ``target[offsets[r]:offsets[r + 1]]``.
    """

    product_sets: tuple[Collection[str] | None, ...]
    """The products of each target; ``None`` means everything."""
    is_everything: NDArray[np.bool_]
    row_of_product: IdTable
    offsets: Integers
    target: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.product_sets)

    def of(self, product_id: str) -> NDArray[np.int32]:
        """The targets that name the product."""
        row = self.row_of_product.get(product_id)
        return self.target[:0] if row is None else self.target[self.offsets[row] : self.offsets[row + 1]]


def index_targets(product_sets: Sequence[Collection[str] | None]) -> ProductTargets:
    """
    >>> index_targets([{"milk"}, None, {"tea", "milk"}]).of("milk")
    array([0, 2], dtype=int32)
    """
    targets_of: dict[str, list[int]] = {}
    for number, products in enumerate(product_sets):
        for product_id in dict.fromkeys(products or ()):
            targets_of.setdefault(product_id, []).append(number)
    return ProductTargets(
        product_sets=tuple(product_sets),
        is_everything=np.array([products is None for products in product_sets], dtype=np.bool_),
        row_of_product=IdTable({product_id: row for row, product_id in enumerate(targets_of)}),
        offsets=_offsets(map(len, targets_of.values())),
        target=np.array([number for numbers in targets_of.values() for number in numbers], dtype=np.int32),
    )


def _offsets(lengths: Iterable[int]) -> Integers:
    return np.concatenate([[0], np.cumsum(list(lengths), dtype=np.int64)]).astype(np.int64)
