"""How the lifetime value model is fitted: on the earlier cutoffs, judged and levelled on the newest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.errors import NotEnoughData
from training.models.calibration import base_log_odds, fit_platt
from training.models.gradient_boosting import (
    Rows,
    boost,
    boost_rounds,
    over_before,
    rounds_in_proportion,
    settled,
    shares_by_name,
    teaching_and_newest,
    with_blanked,
)
from training.models.lifetime_horizons import OtherHorizon, needed_days
from training.models.lifetime_value import (
    LEAST_SPEND,
    Floats,
    Levels,
    LifetimeValueModel,
    Parts,
    Seasons,
    Shape,
)
from training.models.lifetime_value_outlook import outlook
from training.models.season_training import season_of_amounts, season_of_logarithms, season_of_odds
from training.models.spend_level import SpendLevel
from training.models.trees import FlatTrees

if TYPE_CHECKING:
    from features.history import Snapshot

TWEEDIE_POWER = 1.1
"""Near Poisson: the variance grows little faster than the mean."""
LEAST_RESIDUAL = 0.02
FEWEST_IN_A_PART = 10
"""Spenders whose spread of spend says something: both of those who teach and of those who judge."""
USUAL, LARGEST_OVER_USUAL = 0.95, 20.0
"""Above 20 times the 95 % quantile of those who spent nothing counts."""
LEAST_SHARE_OF_CUSTOMERS = 0.02
"""Of those at the newest cutoff."""
LEVELS = np.linspace(0.0, 1.0, 201)
_PURPOSES = (PURCHASES, BROWSING, MESSAGES)


def fit(snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> LifetimeValueModel:
    snapshots = without_openings(snapshots)
    for part, purpose in zip(teaching_and_newest(snapshots), ("to learn from", "to calibrate on"), strict=True):
        _check_spenders(part, purpose)
    snapshots = without_slips(snapshots)
    teaching, newest = teaching_and_newest(snapshots)
    levels = _levels(snapshots)
    seasons = _seasons(snapshots, levels)
    parts = teaching, _over_before(teaching, newest[-1]), newest, snapshots
    earlier, over, judge, everything = (_Material(part, levels, seasons) for part in parts)
    over.base = judge.base = everything.base = base_log_odds(everything.spent.astype(np.float64))

    def grown(objective: str, rows: str, chosen: Mapping[str, float | int], taught: _Material = earlier) -> _Grown:
        of_all = everything.rows(rows, seed)
        return _grown(objective, taught.rows(rows, seed), judge.plain(rows), of_all, chosen, seed)

    uncentred = {**parameters, "boost_from_average": False}
    tweedie = {**uncentred, "tweedie_variance_power": TWEEDIE_POWER}
    mean = grown("tweedie", "spend", tweedie, over)
    any_ = grown("binary", "any", parameters, over)
    location = grown("regression", "log_spend", uncentred)
    earlier.location = judge.location = everything.location = location.early
    spread = grown("regression_l1", "log_residual", parameters)
    residual = judge.residual / np.exp(spread.early.predict_raw(judge.features[judge.spent]))
    ahead = outlook(snapshots, levels.mean)
    return LifetimeValueModel(
        levels,
        Parts(mean.final, any_.final, location.final, spread.final),
        fit_platt(any_.early.predict_raw(judge.features), judge.spent.astype(np.float64), everything.base),
        Shape(LEVELS, np.quantile(residual, LEVELS)),
        judge.scale_of(mean.early) * float(np.exp(ahead.drift)),
        seasons,
        newest[-1].as_of,
        newest[-1].horizon_days,
        shares_by_name(mean.gains, FEATURES),
        _other_horizons(snapshots, tweedie, mean.rounds, seed),
        ahead.deviation,
    )


class _Grown(NamedTuple):
    """The trees of earlier cutoffs, by which the newest is judged, and their rounds; those of all, and their gains."""

    early: FlatTrees
    rounds: int
    final: FlatTrees
    gains: dict[str, float]


def _grown(
    objective: str, taught: Rows, newest: Rows, of_all: Rows, parameters: Mapping[str, float | int], seed: int
) -> _Grown:
    parameters = settled(parameters, of_all)
    early, rounds = boost(objective, taught, newest, parameters, seed)
    final, gains = boost_rounds(objective, of_all, parameters, rounds_in_proportion(rounds, taught, of_all), seed)
    return _Grown(early, rounds, final, gains)


def without_openings(snapshots: "Sequence[Snapshot]") -> "list[Snapshot]":
    """Without the cutoffs at which hardly anybody was known yet: a few customers stray far from everybody."""
    newest = max(snapshots, key=lambda snapshot: snapshot.as_of)
    fewest = LEAST_SHARE_OF_CUSTOMERS * len(newest.spend)
    return [snapshot for snapshot in snapshots if len(snapshot.spend) >= fewest]


def without_slips(snapshots: "Sequence[Snapshot]") -> "list[Snapshot]":
    """With what nobody spends in earnest cut: one slip of the pen would tilt everybody's level."""
    spent = np.concatenate([snapshot.spend[snapshot.spend > 0] for snapshot in snapshots])
    largest = LARGEST_OVER_USUAL * float(np.quantile(spent, USUAL))
    return [
        replace(
            snapshot,
            spend=np.minimum(snapshot.spend, largest),
            spend_within={
                days: np.minimum(spend, largest * max(days / snapshot.horizon_days, 1.0))
                for days, spend in snapshot.spend_within.items()
            },
        )
        for snapshot in snapshots
    ]


def _other_horizons(
    snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], rounds: int, seed: int
) -> tuple[OtherHorizon, ...]:
    newest = max(snapshots, key=lambda snapshot: snapshot.as_of)
    tenure_days = np.nan_to_num(newest.features[:, FEATURES.index("tenure_days")], nan=0.0)
    known_days = newest.horizon_days + tenure_days.max(initial=0.0)
    found = []
    for days in sorted({days for snapshot in snapshots for days in snapshot.spend_within} - {newest.horizon_days}):
        seen = [_over(snapshot, days) for snapshot in snapshots if days in snapshot.spend_within]
        spenders = [int((snapshot.spend > 0).sum()) for snapshot in seen]
        is_enough = len(seen) > 1 and min(sum(spenders[:-1]), spenders[-1]) >= FEWEST_IN_A_PART
        if is_enough and known_days >= needed_days(days):
            found.append(_other_horizon(sorted(seen, key=lambda snapshot: snapshot.as_of), parameters, rounds, seed))
    return tuple(found)


def _over(snapshot: "Snapshot", days: int) -> "Snapshot":
    return replace(snapshot, horizon_days=days, spend=snapshot.spend_within[days])


def _other_horizon(
    snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], rounds: int, seed: int
) -> OtherHorizon:
    """As many rounds as the model's own horizon took, in proportion; the newest cutoff says what the trees before it
    missed."""
    levels = _levels(snapshots)
    season = season_of_amounts(snapshots, [snapshot.spend for snapshot in snapshots], levels.mean)
    parts = _over_before(snapshots[:-1], snapshots[-1]), snapshots[-1:], snapshots
    earlier, judge, everything = (_Material(part, levels, Seasons(mean=season)) for part in parts)
    taught, of_all = earlier.rows("spend", seed), everything.rows("spend", seed)
    parameters = settled(parameters, of_all)
    early, _ = boost_rounds("tweedie", taught, parameters, rounds, seed)
    enough = rounds_in_proportion(rounds, taught, of_all)
    trees, _ = boost_rounds("tweedie", of_all, parameters, enough, seed)
    scale = judge.scale_of(early) * float(np.exp(outlook(snapshots, levels.mean).drift))
    return OtherHorizon(snapshots[-1].horizon_days, levels.mean, trees, scale, season, snapshots[-1].as_of)


def _over_before(snapshots: "Sequence[Snapshot]", newest: "Snapshot") -> "list[Snapshot]":
    """As :func:`over_before`; all of them where too few spent in those that were over."""
    over = over_before(snapshots, newest)
    return over if spenders_in(over) >= FEWEST_IN_A_PART else list(snapshots)


def spenders_in(snapshots: "Sequence[Snapshot]") -> int:
    return sum(int((snapshot.spend > 0).sum()) for snapshot in snapshots)


def _check_spenders(snapshots: "Sequence[Snapshot]", purpose: str) -> None:
    if (spenders := spenders_in(snapshots)) < FEWEST_IN_A_PART:
        raise NotEnoughData(f"customers who spent, {purpose}", spenders, f"at least {FEWEST_IN_A_PART}")


def _levels(snapshots: "Sequence[Snapshot]") -> Levels:
    features = np.concatenate([snapshot.features for snapshot in snapshots])
    spend = np.concatenate([snapshot.spend for snapshot in snapshots])
    spent = spend > 0
    logarithms = np.log(np.maximum(spend[spent], LEAST_SPEND))
    return Levels(SpendLevel.of_mean(features, spend), SpendLevel.of_logarithm(features[spent], logarithms))


def _seasons(snapshots: "Sequence[Snapshot]", levels: Levels) -> Seasons:
    spends = [snapshot.spend for snapshot in snapshots]
    bought = [(spend > 0).astype(np.float64) for spend in spends]
    return Seasons(
        season_of_amounts(snapshots, spends, levels.mean),
        season_of_odds(snapshots, bought),
        season_of_logarithms(snapshots, spends, levels.location),
    )


class _OfCutoffs(NamedTuple):
    """Of each row, what the seasons say of its cutoff."""

    mean: Floats
    any: Floats
    location: Floats


class _Material:
    """The rows of several snapshots for each of the four forests."""

    def __init__(self, snapshots: "Sequence[Snapshot]", levels: Levels, seasons: Seasons) -> None:
        self.features: Floats = np.concatenate([snapshot.features for snapshot in snapshots])
        self.spend: Floats = np.concatenate([snapshot.spend for snapshot in snapshots])
        self.starts = levels
        self.start = levels.mean.logarithm(self.features)
        self.spent = self.spend > 0
        sizes = [len(snapshot.spend) for snapshot in snapshots]
        self.levels = _OfCutoffs(*(np.repeat([season.at(s.as_of) for s in snapshots], sizes) for season in seasons))
        self.location: FlatTrees | None = None
        self.base = 0.0

    def scale_of(self, mean: FlatTrees) -> float:
        """What brings the total that the trees of the mean predict to the actual one."""
        predicted = float(np.exp(self.start + mean.predict_raw(self.features)).sum())
        return float(self.spend.sum()) / max(predicted, LEAST_SPEND)

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
