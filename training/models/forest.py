"""Trees laid out as arrays, for compiled code."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ZERO_THRESHOLD = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``: a value no larger than this is read as 0."""

CONSTANT, VALUE, NEGATIVE, VALUE_OR_MISSING, NEGATIVE_OR_MISSING, NOT_MEMBER = range(6)
"""Forms of a column. A comparison with NaN is false, which sends it right; a split that sends missing values left
compares the negative and has its children exchanged. ``*_OR_MISSING`` read 0 as NaN."""


class Forest(NamedTuple):
    """Trees in one sequence of nodes; a node leads to ``child`` if its column <= ``threshold``, else to ``child + 1``.

    Attributes
    ----------
    roots, depths
        Of each tree: the node of its root, the steps to its deepest leaf.
    column, threshold, child, value
        Of each node. A leaf is its own child; of the others ``value`` is 0.
    column_form, column_feature, column_set
        Of each column that is compared: CONSTANT to NOT_MEMBER, the feature it is made from, its set of categories.
    set_starts, set_words
        Set ``s`` is the bits of ``set_words[set_starts[s] : set_starts[s + 1]]``, 32 to a word.
    """

    roots: NDArray[np.uint32]
    depths: NDArray[np.uint32]
    column: NDArray[np.uint32]
    threshold: NDArray[np.float64]
    child: NDArray[np.uint32]
    value: NDArray[np.float64]
    column_form: NDArray[np.uint8]
    column_feature: NDArray[np.uint32]
    column_set: NDArray[np.uint32]
    set_starts: NDArray[np.uint32]
    set_words: NDArray[np.uint32]
