"""Trees as bit masks, for many rows: every comparison of a tree is made, of several rows by one instruction, and none
waits for another.

A row's mask of a tree starts with a bit for every leaf; each comparison that fails takes away the leaves to its left,
and the leaf of the lowest bit that is left is the row's (QuickScorer: Lucchese et al., SIGIR 2015; several rows at a
time: Lucchese et al., SIGIR 2016).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.compiled import compiled
from training.models.forest import CONSTANT, NEGATIVE, VALUE, ZERO_THRESHOLD, Forest

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating]
"""Of double precision, or all of a call of single."""
Integers = NDArray[np.int64]
Words = NDArray[np.uint32]

MOST_LEAVES = 32
"""Of a tree: the bits of a mask."""
ROWS_AT_ONCE = 16
"""Room for rows comes in whole multiples."""
_BLOCK = 512
"""Rows whose columns stay in the processor's cache while all trees look at them."""
_NODES_AT_ONCE = 4
_ALL = 0xFFFFFFFF
_DE_BRUIJN = 0x077CB531
"""Times a power of two it has other highest five bits for each of them (Leiserson, Prokop & Randall, 1998)."""
_HIGHEST_FIVE = 27


class TreeBits(NamedTuple):
    """Comparisons and leaves, tree by tree.

    Attributes
    ----------
    starts
        (trees + 1): tree ``t`` has the comparisons from ``starts[t]`` to before ``starts[t + 1]``, a whole multiple of
        four of them.
    column, threshold, mask
        Of each comparison ``column <= threshold``: the bits that are left where it fails.
    leaves
        (trees, MOST_LEAVES): the value of a leaf, at the place to which its bit is hashed.
    feature, sign
        Of each column: the feature it is made from, and by what it is multiplied.
    """

    starts: Integers
    column: Integers
    threshold: Numbers
    mask: Words
    leaves: Floats
    feature: Integers
    sign: Numbers


def bits_of(forest: Forest) -> TreeBits | None:
    """The same trees; none where one of them has more than MOST_LEAVES leaves, or compares anything but numbers and
    missing values."""
    is_number = np.isin(forest.column_form, (CONSTANT, VALUE, NEGATIVE))
    most = len(forest.column) + _NODES_AT_ONCE * len(forest.roots)
    bits = TreeBits(
        np.zeros(len(forest.roots) + 1, np.int64),
        np.zeros(most, np.int64),
        np.full(most, np.inf),
        np.full(most, _ALL, np.uint32),
        np.zeros((len(forest.roots), MOST_LEAVES)),
        forest.column_feature.astype(np.int64),
        np.where(forest.column_form == NEGATIVE, -1.0, 1.0),
    )
    if not is_number.all() or not _fill(forest, bits):
        return None
    last = bits.starts[-1]
    return bits._replace(column=bits.column[:last], threshold=bits.threshold[:last], mask=bits.mask[:last])


def in_single_precision(bits: TreeBits) -> TreeBits:
    """The same trees for features of single precision, of which an instruction compares twice as many: each goes to the
    very same leaf."""
    nearest = bits.threshold.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    threshold = np.where(nearest > bits.threshold, below, nearest).astype(np.float32)
    return bits._replace(threshold=threshold, sign=bits.sign.astype(np.float32))


@compiled
def _fill(forest: Forest, bits: TreeBits) -> bool:
    """Whether there are bits for the leaves of each tree; comparisons beside those of the trees never fail."""
    open_nodes, lowest = np.empty(len(forest.column) + 1, np.int64), np.empty(len(forest.column), np.int64)
    for tree in range(len(forest.roots)):
        leaves, count, at = 0, 1, bits.starts[tree]
        open_nodes[0] = forest.roots[tree]
        while count > 0:
            count -= 1
            node = open_nodes[count]
            if node < 0:  # what is left of this one has been seen
                node = -1 - node
                bits.column[at] = forest.column[node]
                bits.threshold[at] = forest.threshold[node]
                bits.mask[at] = _ALL & ~((1 << leaves) - (1 << lowest[node]))
                at += 1
            elif forest.child[node] == node:
                if leaves == MOST_LEAVES:
                    return False
                bits.leaves[tree, _place(np.uint32(1 << leaves))] = forest.value[node]
                leaves += 1
            else:
                lowest[node] = leaves
                open_nodes[count] = forest.child[node] + 1
                open_nodes[count + 1] = -1 - node
                open_nodes[count + 2] = forest.child[node]
                count += 3
        bits.starts[tree + 1] = at + (bits.starts[tree] - at) % _NODES_AT_ONCE
    return True


@compiled
def _place(bit: np.uint32) -> np.uint32:
    return np.uint32(bit * np.uint32(_DE_BRUIJN)) >> np.uint32(_HIGHEST_FIVE)


@compiled
def room_for_rows(rows: int) -> int:
    """As many rows, or a few more: whole multiples of ROWS_AT_ONCE."""
    return (rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE * ROWS_AT_ONCE


@compiled
def sum_rows(rows: Floats, bits: TreeBits, sums: Floats) -> None:
    """Adds the trees to the sums of (rows, features), in their order; NaN is a missing value."""
    compared, masks = np.empty((bits.sign.shape[0], _BLOCK)), np.empty(_BLOCK, dtype=np.uint32)
    for start in range(0, rows.shape[0], _BLOCK):
        some = rows[start : start + _BLOCK]
        for column in range(compared.shape[0]):
            feature, sign = bits.feature[column], bits.sign[column]
            for row in range(some.shape[0]):
                compared[column, row] = _compared(some[row, feature], sign)
        add_trees(compared, some.shape[0], bits, 0, bits.leaves.shape[0], masks, sums[start : start + _BLOCK])


@compiled
def write_columns(features: Numbers, count: int, bits: TreeBits, compared: Numbers) -> None:
    """Writes what the trees compare, from (features, room) of which the first ``count`` are rows; NaN is missing."""
    for column in range(compared.shape[0]):
        feature, sign = bits.feature[column], bits.sign[column]
        for row in range(count):
            compared[column, row] = _compared(features[feature, row], sign)


@compiled
def _compared(value: float, sign: float) -> float:
    return sign * (value - value if abs(value) <= ZERO_THRESHOLD else value)


@compiled
def add_trees(compared: Numbers, count: int, bits: TreeBits, first: int, last: int, masks: Words, sums: Floats) -> None:
    """Adds the trees from ``first`` to before ``last`` to the sums of rows, in LightGBM's order.

    Four comparisons are made at a time: a loop over the rows for one alone is over before it has begun.

    Parameters
    ----------
    compared
        (columns, room): the first ``count`` are rows; behind them may be anything, for :func:`room_for_rows` so many.
    masks, sums
        (room): to work in, and the sums.
    """
    column, threshold, mask, leaves = bits.column, bits.threshold, bits.mask, bits.leaves
    room, every = room_for_rows(count), np.uint32(_ALL)
    for tree in range(first, last):
        masks[:room] = every
        for node in range(bits.starts[tree], bits.starts[tree + 1], _NODES_AT_ONCE):
            a, b, c, d = column[node], column[node + 1], column[node + 2], column[node + 3]
            at_a, at_b, at_c, at_d = threshold[node], threshold[node + 1], threshold[node + 2], threshold[node + 3]
            of_a, of_b, of_c, of_d = mask[node], mask[node + 1], mask[node + 2], mask[node + 3]
            for row in range(room):
                one = (every if compared[a, row] <= at_a else of_a) & (every if compared[b, row] <= at_b else of_b)
                two = (every if compared[c, row] <= at_c else of_c) & (every if compared[d, row] <= at_d else of_d)
                masks[row] &= one & two
        for row in range(count):
            sums[row] += leaves[tree, _place(masks[row] & (~masks[row] + np.uint32(1)))]
