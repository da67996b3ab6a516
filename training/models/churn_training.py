"""What the parts of the churn model say of customers whom they have not met, at the newest cutoff.

The horizons of neighbouring cutoffs overlap: what a customer did after the newest one is in good part what taught about
the same customer at the one before. Trees that know a hundred facts of everyone learn such answers by heart, and seem
the better the longer they do. So each part of the customers is judged by what was taught of the others, at the earlier
cutoffs.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.models.customer_parts import PARTS, part_numbers
from training.models.gradient_boosting import Fold, Rows, boost_folds, stack, with_blanked
from training.models.recency_frequency import RecencyFrequency

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]

ENOUGH_JUDGED = 20_000
"""So many customers say as much as all of very many."""


class Judged(NamedTuple):
    """The two scores of customers that were not taught, what became of them, and the best number of rounds."""

    simple: Floats
    trees: Floats
    outcome: Floats
    rounds: int


def judge(
    snapshots: "Sequence[Snapshot]",
    rows: Sequence[Rows],
    parameters: Mapping[str, float | int],
    seed: int,
    most_leaves: int,
) -> Judged:
    """``rows`` are of the snapshots, which are in the order of time; of a single one the other customers teach.

    Where the others are all lost, or all kept, they teach nothing of a part, and it is not judged.
    """
    numbers = part_numbers(snapshots, seed)
    earlier = list(zip(rows, numbers, strict=True))[: max(len(rows) - 1, 1)]
    newest, part_of_newest = rows[-1], numbers[-1]
    simple: list[Floats] = []
    folds: list[Fold] = []
    for part in range(PARTS):
        others = stack([each.where(number != part) for each, number in earlier])
        asked = newest.where(part_of_newest == part)
        if 0 < others.target.sum() < len(others.target) and sum(map(len, simple)) < ENOUGH_JUDGED:
            simple.append(RecencyFrequency.fit(others.features, others.target).predict_raw(asked.features))
            folds.append(Fold([other for other in range(PARTS) if other != part], asked))
    if not folds:
        nothing = np.empty(0)
        return Judged(nothing, nothing, nothing, 1)
    teaching = [blanked(stack([each.where(number == part) for each, number in earlier]), seed) for part in range(PARTS)]
    forests, rounds = boost_folds("binary", teaching, folds, parameters, seed, most_leaves=most_leaves)
    trees = [forest.predict_raw(fold.judged.features) for forest, fold in zip(forests, folds, strict=True)]
    outcome = [fold.judged.target for fold in folds]
    return Judged(np.concatenate(simple), np.concatenate(trees), np.concatenate(outcome), rounds)


def blanked(rows: Rows, seed: int) -> Rows:
    return with_blanked(rows, (PURCHASES, BROWSING, MESSAGES), FEATURES, seed)
