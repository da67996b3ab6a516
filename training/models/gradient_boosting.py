"""Gradient-boosted trees fitted in time order: earlier snapshots teach, the newest says when to stop.

LightGBM (Ke et al., NeurIPS 2017) is imported only here, to fit; predictions walk the flat trees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY
from features.vector import PURPOSE_OF_FEATURE
from training.models.trees import FlatTrees, flatten

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
Parameters = Mapping[str, float | int]

MOST_ROUNDS = 800
PATIENCE_ROUNDS = 40
MOST_MORE_ROUNDS = 2.0
MOST_LEAVES = 20
"""A leaf holds at least one row in so many, where that is fewer than ``min_data_in_leaf``."""
BLANKED_SHARE = 0.1
"""Copies of rows with one purpose blanked, as a share of the rows: what an opted-out customer looks like."""

FEWEST_APART = 3
"""Cutoffs whose horizons were over before the newest began, to learn from them alone what it then judges."""

DEFAULTS: dict[str, float | int] = {
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "lambda_l2": 5.0,
}
MANY_ROWS = 100_000
"""From here on others are the defaults."""
DEFAULTS_OF_MANY: dict[str, float | int] = {"learning_rate": 0.1, "max_bin": 63}
"""As good on so many rows, in half the time (measured on churn of 310,156 rows)."""
_FIXED: dict[str, Any] = {
    "bagging_freq": 1,
    "verbose": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Features (n, F), what is to be predicted (n), and the score that the trees start from (n; none is zero)."""

    features: Floats
    target: Floats
    start: Floats | None = None

    def where(self, chosen: NDArray[np.bool_]) -> "Rows":
        start = None if self.start is None else self.start[chosen]
        return Rows(self.features[chosen], self.target[chosen], start)


@dataclass(frozen=True, slots=True)
class Fold:
    """The numbers of the parts that teach, and the rows that are then judged."""

    taught: Sequence[int]
    judged: Rows


def stack(parts: Sequence[Rows]) -> Rows:
    """One after the other; with starts only if all have one."""
    starts = [part.start for part in parts if part.start is not None]
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate(starts) if len(starts) == len(parts) else None,
    )


def teaching_and_newest(snapshots: "Sequence[Snapshot]") -> "tuple[list[Snapshot], list[Snapshot]]":
    """The earlier snapshots and the newest; of a single one, the two halves of its customers.

    What judges when to stop, and is calibrated on, must not be what was learned by heart.
    """
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    if len(ordered) > 1:
        return ordered[:-1], ordered[-1:]
    from training.sample import take  # not deployed: the service fits nothing

    customers = np.arange(len(ordered[0].orders))
    return [take(ordered[0], customers[0::2])], [take(ordered[0], customers[1::2])]


def over_before(snapshots: "Sequence[Snapshot]", newest: "Snapshot") -> "list[Snapshot]":
    """Those whose horizons were over when the newest began; none if they are fewer than three.

    An outcome whose horizon overlaps the newest one's is in good part the answer to what is then asked.
    """
    over = [one for one in snapshots if one.as_of + one.horizon_days * MICROSECONDS_PER_DAY <= newest.as_of]
    return over if len(over) >= FEWEST_APART else []


def with_blanked(rows: Rows, purposes: Sequence[str], columns: Sequence[str], seed: int) -> Rows:
    """The rows, and copies of some of them with the features of one purpose missing."""
    generator = np.random.default_rng(seed)
    parts = [rows]
    for purpose in purposes:
        chosen = generator.random(len(rows.target)) < BLANKED_SHARE / len(purposes)
        copies = rows.where(chosen)
        blank = np.array([PURPOSE_OF_FEATURE[column] == purpose for column in columns])
        copies.features[:, blank] = np.nan
        parts.append(copies)
    return stack(parts)


def boost(
    objective: str,
    teaching: Rows,
    newest: Rows,
    parameters: Parameters,
    seed: int,
) -> tuple[FlatTrees, int]:
    """The trees fitted on ``teaching`` up to the round that was best on ``newest``, and that round."""
    import lightgbm

    settings = _settings(objective, parameters, len(teaching.target), seed, MOST_LEAVES)
    taught = lightgbm.Dataset(teaching.features, teaching.target, init_score=teaching.start)
    judged = lightgbm.Dataset(newest.features, newest.target, reference=taught, init_score=newest.start)
    stop = lightgbm.early_stopping(PATIENCE_ROUNDS, verbose=False)
    booster = lightgbm.train(settings, taught, MOST_ROUNDS, valid_sets=[judged], callbacks=[stop])
    return flatten(booster), max(int(booster.best_iteration), 1)


def boost_rounds(
    objective: str, rows: Rows, parameters: Parameters, rounds: int, seed: int, *, most_leaves: int = MOST_LEAVES
) -> tuple[FlatTrees, dict[str, float]]:
    """The trees of a known number of rounds, and the share of gain of each column (by its number, as text)."""
    import lightgbm

    settings = _settings(objective, parameters, len(rows.target), seed, most_leaves)
    taught = lightgbm.Dataset(rows.features, rows.target, init_score=rows.start)
    booster = lightgbm.train(settings, taught, rounds)
    gains = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    shares = gains / max(float(gains.sum()), 1e-12)
    return flatten(booster), {str(column): float(share) for column, share in enumerate(shares)}


def boost_folds(
    objective: str,
    parts: Sequence[Rows],
    folds: Sequence[Fold],
    parameters: Parameters,
    seed: int,
    *,
    most_leaves: int = MOST_LEAVES,
) -> tuple[list[FlatTrees], int]:
    """Of each fold the trees up to the round that was best on the judged rows of all, and that round."""
    import lightgbm

    rows = stack([*parts, *(fold.judged for fold in folds)])
    ends = np.cumsum([len(part.target) for part in parts] + [len(fold.judged.target) for fold in folds])
    places = np.split(np.arange(len(rows.target)), ends[:-1])
    splits = [
        (np.sort(np.concatenate([places[part] for part in fold.taught])), places[len(parts) + number])
        for number, fold in enumerate(folds)
    ]
    found: Any = lightgbm.cv(
        _settings(objective, parameters, len(splits[0][0]), seed, most_leaves),
        lightgbm.Dataset(rows.features, rows.target, init_score=rows.start),
        MOST_ROUNDS,
        folds=splits,
        callbacks=[lightgbm.early_stopping(PATIENCE_ROUNDS, verbose=False)],
        return_cvbooster=True,
    )["cvbooster"]
    return [flatten(booster) for booster in found.boosters], max(int(found.best_iteration), 1)


def rounds_in_proportion(rounds: int, taught: int, rows: int) -> int:
    """As many more rounds as there are more rows than the ``taught`` on which the best number was found, at most twice
    as many: more rows support more rounds, but nobody has judged those.
    """
    more = min(rows / taught, MOST_MORE_ROUNDS)
    return min(max(round(rounds * more), 1), MOST_ROUNDS)


def settled(parameters: Parameters, rows: int) -> Parameters:
    """The parameters with the defaults for so many rows, for all fits whose rounds are to mean the same."""
    return defaults_of(rows) | dict(parameters)


def defaults_of(rows: int) -> dict[str, float | int]:
    return DEFAULTS | (DEFAULTS_OF_MANY if rows > MANY_ROWS else {})


def _settings(objective: str, parameters: Parameters, rows: int, seed: int, most_leaves: int) -> dict[str, Any]:
    chosen = defaults_of(rows) | dict(parameters)
    fewest = min(int(chosen["min_data_in_leaf"]), max(rows // most_leaves, 1))
    return {**_FIXED, **chosen, "min_data_in_leaf": fewest, "objective": objective, "seed": seed}


def shares_by_name(gains: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    return {names[int(column)]: share for column, share in gains.items() if share}
