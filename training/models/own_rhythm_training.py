"""How churn against the own rhythm is fitted: on the earlier cutoffs, calibrated on the newest."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.instant import MICROSECONDS_PER_DAY
from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES
from training.models.calibration import base_log_odds, fit_platt
from training.models.gradient_boosting import Rows, boost, boost_rounds, stack, teaching_and_newest, with_blanked
from training.models.own_rhythm import Floats, OwnRhythm, own_horizon_days
from training.models.season import Season
from training.models.season_training import season_of_odds

if TYPE_CHECKING:
    from features.history import Snapshot

FEWEST_OF_EACH = 20
MOST_LEAVES = 10


def fit_own_rhythm(
    snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int
) -> OwnRhythm | None:
    """None where too few stayed away, or came back, within what is long for them."""
    if any(not snapshot.next_order_at.size for snapshot in snapshots):
        return None
    gaps = np.concatenate([snapshot.features[:, FEATURES.index("mean_gap_days")] for snapshot in snapshots])
    if not np.isfinite(gaps).any():
        return None
    usual = float(np.nanmedian(gaps))
    teaching, newest = teaching_and_newest(snapshots)
    for part in (teaching, newest):
        stayed = np.concatenate([stayed_away(snapshot, usual) for snapshot in part])
        if min(stayed.sum(), len(stayed) - stayed.sum()) < FEWEST_OF_EACH:
            return None
    season = season_of_odds(snapshots, [stayed_away(snapshot, usual) for snapshot in snapshots])
    base = base_log_odds(np.concatenate([stayed_away(snapshot, usual) for snapshot in snapshots]))
    earlier, latest, everything = (_rows(part, usual, season, base) for part in (teaching, newest, snapshots))
    early, rounds = boost("binary", _blanked(earlier, seed), latest, parameters, seed, most_leaves=MOST_LEAVES)
    trees, _ = boost_rounds("binary", _blanked(everything, seed), parameters, rounds, seed, most_leaves=MOST_LEAVES)
    calibration = fit_platt(early.predict_raw(latest.features), latest.target, base)
    return OwnRhythm(trees, calibration, season, newest[-1].as_of, usual, float(newest[-1].horizon_days))


def stayed_away(snapshot: "Snapshot", usual_gap_days: float) -> Floats:
    """1 where no order came within what is long for the customer."""
    days = own_horizon_days(snapshot.features, usual_gap_days, snapshot.horizon_days)
    waited = (snapshot.next_order_at - snapshot.as_of) / MICROSECONDS_PER_DAY
    return np.asarray(waited >= days, dtype=np.float64)


def _rows(snapshots: "Sequence[Snapshot]", usual_gap_days: float, season: Season, base: float) -> Rows:
    return stack(
        [
            Rows(
                snapshot.features,
                stayed_away(snapshot, usual_gap_days),
                np.full(len(snapshot.orders), base + season.at(snapshot.as_of)),
            )
            for snapshot in snapshots
        ]
    )


def _blanked(rows: Rows, seed: int) -> Rows:
    return with_blanked(rows, (PURCHASES, BROWSING, MESSAGES), FEATURES, seed)
