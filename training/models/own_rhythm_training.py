"""How churn against the own rhythm is fitted: on all cutoffs, judged and calibrated by customers who taught nothing.

A customer's own horizon is often longer than the days between two cutoffs: what came after the newest one is then in
good part what taught about the same customer at the one before.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.instant import MICROSECONDS_PER_DAY
from features.vector import FEATURES
from training.models.calibration import base_log_odds, fit_platt
from training.models.churn_training import blanked, judge
from training.models.gradient_boosting import Rows, boost_rounds, settled, stack, teaching_and_newest
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
    for part in teaching_and_newest(snapshots):
        stayed = np.concatenate([stayed_away(snapshot, usual) for snapshot in part])
        if min(stayed.sum(), len(stayed) - stayed.sum()) < FEWEST_OF_EACH:
            return None
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    outcomes = [stayed_away(snapshot, usual) for snapshot in ordered]
    season, base = season_of_odds(ordered, outcomes), base_log_odds(np.concatenate(outcomes))
    rows = [_rows(snapshot, outcome, season, base) for snapshot, outcome in zip(ordered, outcomes, strict=True)]
    everything = stack(rows)
    chosen = settled(parameters, len(everything.target))
    judged = judge(ordered, rows, chosen, seed, MOST_LEAVES)
    calibration = fit_platt(judged.trees, judged.outcome, base)
    trees, _ = boost_rounds("binary", blanked(everything, seed), chosen, judged.rounds, seed, most_leaves=MOST_LEAVES)
    return OwnRhythm(trees, calibration, season, ordered[-1].as_of, usual, float(ordered[-1].horizon_days))


def stayed_away(snapshot: "Snapshot", usual_gap_days: float) -> Floats:
    """1 where no order came within what is long for the customer."""
    days = own_horizon_days(snapshot.features, usual_gap_days, snapshot.horizon_days)
    waited = (snapshot.next_order_at - snapshot.as_of) / MICROSECONDS_PER_DAY
    return np.asarray(waited >= days, dtype=np.float64)


def _rows(snapshot: "Snapshot", outcome: Floats, season: Season, base: float) -> Rows:
    return Rows(snapshot.features, outcome, np.full(len(outcome), base + season.at(snapshot.as_of)))
