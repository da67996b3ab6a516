"""What offers are about: the products of many targets, and the other way round the targets of each product."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.id_table import IdTable
from features.profile_tables import Integers, offsets_of


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ProductTargets:
    """m targets, and a row for each product that is in any of them.

    Of thousands of products most are in the same few combinations of targets: the product of row r is in those of
    combination ``c = combination[r]``, which are ``target[offsets[c]:offsets[c + 1]]``.
    """

    product_sets: tuple[Collection[str] | None, ...]
    """The products of each target; ``None`` means everything."""
    is_everything: NDArray[np.bool_]
    row_of_product: IdTable
    combination: NDArray[np.int32]
    offsets: Integers
    target: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.product_sets)

    def of(self, product_id: str) -> NDArray[np.int32]:
        """The targets that name the product."""
        row = self.row_of_product.get(product_id)
        if row is None:
            return self.target[:0]
        combination = self.combination[row]
        return self.target[self.offsets[combination] : self.offsets[combination + 1]]


def index_targets(product_sets: Sequence[Collection[str] | None]) -> ProductTargets:
    """
    >>> index_targets([{"milk"}, None, {"tea", "milk"}]).of("milk")
    array([0, 2], dtype=int32)
    """
    targets_of: dict[str, list[int]] = {}
    for number, products in enumerate(product_sets):
        for product_id in dict.fromkeys(products or ()):
            targets_of.setdefault(product_id, []).append(number)
    combinations: dict[tuple[int, ...], int] = {}
    combination = [combinations.setdefault(tuple(some), len(combinations)) for some in targets_of.values()]
    return ProductTargets(
        product_sets=tuple(product_sets),
        is_everything=np.array([products is None for products in product_sets], dtype=np.bool_),
        row_of_product=IdTable({product_id: row for row, product_id in enumerate(targets_of)}),
        combination=np.array(combination, dtype=np.int32),
        offsets=offsets_of(np.array([len(some) for some in combinations], dtype=np.int64)),
        target=np.array([number for some in combinations for number in some], dtype=np.int32),
    )
