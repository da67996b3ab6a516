"""The rows that the four forests of the lifetime value model are fitted on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.models.gradient_boosting import Rows, with_blanked
from training.models.lifetime_value import LEAST_SPEND, Floats, Levels, Seasons
from training.models.trees import FlatTrees

if TYPE_CHECKING:
    from features.history import Snapshot

LEAST_RESIDUAL = 0.02
_PURPOSES = (PURCHASES, BROWSING, MESSAGES)


class OfCutoffs(NamedTuple):
    """Of each row, what the seasons say of its cutoff."""

    mean: Floats
    any: Floats
    location: Floats


class Material:
    """The rows of several snapshots for each of the four forests; ``base`` is the usual log odds of any spend."""

    def __init__(self, snapshots: "Sequence[Snapshot]", levels: Levels, seasons: Seasons, base: float = 0.0) -> None:
        self.features: Floats = np.concatenate([snapshot.features for snapshot in snapshots])
        self.spend: Floats = np.concatenate([snapshot.spend for snapshot in snapshots])
        self.starts, self.seasons, self.base = levels, seasons, base
        self.start = levels.mean.logarithm(self.features)
        self.spent = self.spend > 0
        sizes = [len(snapshot.spend) for snapshot in snapshots]
        self.levels = OfCutoffs(*(np.repeat([season.at(s.as_of) for s in snapshots], sizes) for season in seasons))
        self.location: FlatTrees | None = None

    def total_by(self, mean: FlatTrees) -> float:
        """The spend of all together, as these trees of the mean predict it."""
        return float(np.exp(self.start + mean.predict_raw(self.features)).sum())

    def over_start(self, features: Floats, logarithms: Floats, levels: Floats) -> Floats:
        """Of logarithms of what was spent, what the start and the level of the cutoff do not tell."""
        left: Floats = logarithms - self.starts.location.logarithm(features) - levels
        return left

    @property
    def log_spend(self) -> Rows:
        """Those who spent, with the logarithm of it; a row starts from the level of its cutoff."""
        logarithms = np.log(np.maximum(self.spend[self.spent], LEAST_SPEND))
        return Rows(self.features[self.spent], logarithms, self.levels.location[self.spent])

    @property
    def residual(self) -> Floats:
        """Of those who spent, what the location leaves unexplained."""
        return self._explained(self.log_spend).target

    def plain(self, rows: str) -> Rows:
        if rows == "spend":
            return Rows(self.features, self.spend, self.start + self.levels.mean)
        if rows == "any":
            return Rows(self.features, self.spent.astype(np.float64), self.base + self.levels.any)
        return self._of_spenders(rows, self.log_spend)

    def rows(self, rows: str, seed: int) -> Rows:
        """With copies in which a purpose is blanked; the start of such a copy knows no spend."""
        if rows == "any":
            return with_blanked(self.plain(rows), _PURPOSES, FEATURES, seed)
        if rows != "spend":
            return self._of_spenders(rows, with_blanked(self.log_spend, _PURPOSES, FEATURES, seed))
        levelled = Rows(self.features, self.spend, self.levels.mean)
        blanked = with_blanked(levelled, _PURPOSES, FEATURES, seed)
        start = self.starts.mean.logarithm(blanked.features) + np.asarray(blanked.start)
        return Rows(blanked.features, blanked.target, start)

    def _of_spenders(self, rows: str, spenders: Rows) -> Rows:
        if rows == "log_spend":
            left = self.over_start(spenders.features, spenders.target, np.asarray(spenders.start))
            return Rows(spenders.features, left)
        left = self._explained(spenders).target
        return Rows(spenders.features, np.log(np.abs(left) + LEAST_RESIDUAL))

    def _explained(self, spenders: Rows) -> Rows:
        if self.location is None:
            raise ValueError("location: got none, expected the trees that explain the log spend")
        left = self.over_start(spenders.features, spenders.target, np.asarray(spenders.start))
        return Rows(spenders.features, left - self.location.predict_raw(spenders.features))
