"""Forests of the lifetime value model: those that judge the newest cutoff, and those of all that is then served."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.models.calibration import base_log_odds
from training.models.customer_parts import PARTS, part_numbers
from training.models.gradient_boosting import (
    Fold,
    Rows,
    boost,
    boost_folds,
    boost_rounds,
    rounds_in_proportion,
    settled,
    stack,
)
from training.models.lifetime_value import LEAST_SPEND, Levels, Seasons
from training.models.lifetime_value_rows import Material
from training.models.trees import FlatTrees

if TYPE_CHECKING:
    from features.history import Snapshot

ENOUGH_JUDGED = 12_000
"""Of so many customers the share below a quantile is known to within a hundredth."""
MOST_PARTS = 10
"""Of few customers: nine tenths teach nearly as well as all do, three quarters do not (coverage of sure buyers of 2,400
customers at four cutoffs: .849, .802, .824, .802 by quarters, .839, .811, .816, .807 by tenths)."""
CUSTOMERS_IN_ALL_PARTS = 24_000
"""Parts times the customers of the newest cutoff, at most; but never fewer parts than four."""


class Part(NamedTuple):
    """Some of the customers: at the cutoffs that teach, and at the newest, by which they are judged."""

    earlier: Material
    newest: Material


@dataclass(frozen=True, slots=True)
class Grown:
    """``early`` are the trees that judge, each its own of ``judges``; ``final`` those of all customers at all cutoffs,
    with the gains of the columns; ``rounds`` those of the early trees.
    """

    early: Sequence[FlatTrees]
    judges: Sequence[Material]
    rounds: int
    final: FlatTrees
    gains: Mapping[str, float]

    def judged(self) -> Iterator[tuple[Material, FlatTrees]]:
        return zip(self.judges, self.early, strict=True)


def parts_of(snapshots: "Sequence[Snapshot]", levels: Levels, seasons: Seasons, seed: int) -> list[Part]:
    """The snapshots in the order of time; of a single one the others' outcomes of then teach of a part."""
    from training.sample import take  # not deployed: the service fits nothing

    spent = [(snapshot.spend > 0).astype(np.float64) for snapshot in snapshots]
    base = base_log_odds(np.concatenate(spent))
    parts = min(max(CUSTOMERS_IN_ALL_PARTS // max(len(spent[-1]), 1), PARTS), MOST_PARTS)
    numbers = part_numbers(snapshots, seed, spent, parts)
    found = []
    for number in range(parts):
        mine = [
            take(snapshot, np.flatnonzero(part == number)) for snapshot, part in zip(snapshots, numbers, strict=True)
        ]
        newest = Material(mine[-1:], levels, seasons, base)
        found.append(Part(Material(mine[:-1], levels, seasons, base) if mine[:-1] else newest, newest))
    return found


def grown(
    objective: str,
    rows: str,
    parts: Sequence[Part],
    parameters: Mapping[str, float | int],
    seed: int,
    *,
    is_every_part_judged: bool = False,
) -> Grown:
    """A part is judged by what the others taught: every part, or so many as have enough customers together."""
    taught, latest = _rows_of(parts, rows, seed)
    count = sum(len(each.target) for each in (*taught, *latest))
    judges = [
        part.newest
        for number, part in enumerate(parts)
        if is_every_part_judged or sum(len(before.newest.spend) for before in parts[:number]) < ENOUGH_JUDGED
    ]
    folds = [
        Fold([other for other in range(len(parts)) if other != number], judge.plain(rows))
        for number, judge in enumerate(judges)
    ]
    parameters = settled(parameters, count)
    early, rounds = boost_folds(objective, taught, folds, parameters, seed)
    enough = rounds_in_proportion(rounds, sum(len(taught[other].target) for other in folds[0].taught), count)
    return Grown(early, judges, rounds, *boost_rounds(objective, stack([*taught, *latest]), parameters, enough, seed))


def grown_from(
    objective: str,
    rows: str,
    taught: Material,
    judge: Material,
    parts: Sequence[Part],
    parameters: Mapping[str, float | int],
    seed: int,
) -> Grown:
    """The newest cutoff is judged as a whole by what some cutoffs taught."""
    before, latest = _rows_of(parts, rows, seed)
    earlier, of_all = taught.rows(rows, seed), stack([*before, *latest])
    parameters = settled(parameters, len(of_all.target))
    early, rounds = boost(objective, earlier, judge.plain(rows), parameters, seed)
    enough = rounds_in_proportion(rounds, len(earlier.target), len(of_all.target))
    return Grown([early], [judge], rounds, *boost_rounds(objective, of_all, parameters, enough, seed))


def scale_of(judges: Sequence[Material], mean: Sequence[FlatTrees]) -> float:
    """What brings the total that the trees of the mean predict of the newest cutoff to the actual one."""
    predicted = sum(judge.total_by(trees) for judge, trees in zip(judges, mean, strict=True))
    return float(sum(judge.spend.sum() for judge in judges)) / max(predicted, LEAST_SPEND)


def _rows_of(parts: Sequence[Part], rows: str, seed: int) -> tuple[list[Rows], list[Rows]]:
    """Of each part at the cutoffs that teach; and at the newest, unless this is one of them."""
    taught = [part.earlier.rows(rows, seed) for part in parts]
    return taught, [part.newest.rows(rows, seed) for part in parts if part.newest is not part.earlier]
