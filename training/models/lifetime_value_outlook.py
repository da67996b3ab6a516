"""How the total predicted for the next horizon is likely to be off: by how much, and to within what.

The cutoffs that a level is fitted on overlap the newest in their horizons, so that it looks right there whatever comes
later. A level fitted as of the newest cutoff, on those alone whose horizons were over by then, shows what it missed of
a horizon it knew nothing of (a cohort that fades faster than with age, say). What it missed again is expected of the
next horizon, as far as one such observation can be believed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.instant import MICROSECONDS_PER_DAY
from training.models.season_training import LEAST_NOISE, curve_at, strayed_totals
from training.models.spend_level import SpendLevel

if TYPE_CHECKING:
    from features.history import Snapshot

DRIFT_SIZES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Standard deviations of the drift that are considered, in logarithms of the total."""
LEAST_DRIFT_NOISE = 0.1
"""By how much the drift of one horizon differs from that of the next, in the same unit."""
FEWEST_CUTOFFS, FEWEST_SPENDERS = 3, 100
"""To fit a level whose drift says something."""


class Outlook(NamedTuple):
    """Of the logarithm of the actual over the predicted total of the horizon after the newest cutoff's."""

    drift: float
    deviation: float


def outlook(snapshots: "Sequence[Snapshot]", level: SpendLevel) -> Outlook:
    """Of totals predicted by ``level``, which was fitted on all the snapshots, and the season around it."""
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.as_of)
    newest = ordered[-1]
    horizon = newest.horizon_days * MICROSECONDS_PER_DAY
    cutoffs = [snapshot.as_of for snapshot in ordered]
    strayed, noise = strayed_totals(ordered, [snapshot.spend for snapshot in ordered], level)
    next_day = np.array([(newest.as_of + horizon) / MICROSECONDS_PER_DAY])
    _, around = curve_at(next_day, cutoffs, strayed, noise)
    known = [snapshot for snapshot in ordered if snapshot.as_of + horizon <= newest.as_of]
    missed, missed_noise = 0.0, np.inf
    if len(known) >= FEWEST_CUTOFFS and sum(int((snapshot.spend > 0).sum()) for snapshot in known) >= FEWEST_SPENDERS:
        missed = _strayed(newest, known) - float(strayed[-1])
        missed_noise = LEAST_DRIFT_NOISE + float(np.sqrt(np.mean(noise[: len(known)] ** 2)))
    drift, variance = _believed(missed, missed_noise)
    return Outlook(drift, float(np.sqrt(variance + around[0] ** 2 + noise[-1] ** 2 + LEAST_NOISE**2)))


def _believed(missed: float, noise: float) -> tuple[float, float]:
    """The mean and the variance of the drift, given one that was seen to within a noise; if infinite, none was.

    Of drifts of all the sizes considered: a small one is mostly noise, a large one is mostly true.
    """
    sizes = np.array(DRIFT_SIZES) ** 2
    if np.isinf(noise):
        return 0.0, float(sizes.mean())
    together = sizes + noise**2
    evidence = -0.5 * (missed**2 / together + np.log(together))
    belief = np.exp(evidence - evidence.max())
    belief /= belief.sum()
    kept = sizes / together
    mean = float(belief @ kept) * missed
    return mean, float(belief @ (kept * noise**2 + (kept * missed - mean) ** 2))


def _strayed(newest: "Snapshot", known: "Sequence[Snapshot]") -> float:
    """The logarithm of the actual total over what was to be expected by those that were known then."""
    features = np.concatenate([snapshot.features for snapshot in known])
    then = SpendLevel.of_mean(features, np.concatenate([snapshot.spend for snapshot in known]))
    strayed, _ = strayed_totals([newest], [newest.spend], then)
    return float(strayed[0])
