"""The hour of the local week at which a customer is best written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from features.instant import HOURS_PER_WEEK, Instant
from features.profiles import Profiles
from training.evaluation import Evaluation
from training.models.manifest import read_manifest, write_manifest
from training.models.message_response import MessageResponse, times_response
from training.models.week_hours import Floats, Segments, Strengths, activity_of, all_hours, everyones_hours
from training.ranking_metrics import hour_log_loss, mean_difference, top_hours_hit
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

ARRAYS_FILE = "send_time.npz"
BOOTSTRAP_SEED = 0

SEARCH_SPACE = {"segments": Range(1, 24, is_log=True)}


@dataclass(frozen=True, slots=True)
class SendTimeModel:
    """``everyone`` (168): the hours of all customers together; ``response`` is None where messages were too few."""

    name: ClassVar[str] = "send-time"

    segments: Segments
    strengths: Strengths
    everyone: Floats
    response: MessageResponse | None
    horizon_days: int

    @classmethod
    def fit(cls, snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> "SendTimeModel":
        """
        Raises
        ------
        NotEnoughData
            If too few orders are known before the cutoffs, or followed them.
        """
        from training.models.send_time_training import fit

        return fit(snapshots, parameters, seed)

    def predict(self, profiles: Profiles, as_of: Instant) -> Floats:
        """(n, 168), rows summing to 1: presence, or where messages were logged the response to one sent then."""
        hours = self.presence(profiles, as_of)
        return hours if self.response is None else times_response(hours, self.everyone, self.response)

    def presence(self, profiles: Profiles, as_of: Instant) -> Floats:
        """(n, 168): the chance that an activity falls into that hour."""
        return all_hours(activity_of(profiles, as_of), self.segments, self.strengths)

    def save(self, folder: Path) -> None:
        response = {} if self.response is None else self.response._asdict()
        np.savez(
            folder / ARRAYS_FILE, allow_pickle=False, everyone=self.everyone, **self.segments._asdict(), **response
        )
        words = {
            "horizon_days": self.horizon_days,
            "strengths": self.strengths._asdict(),
            "has_response": self.response is not None,
        }
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "SendTimeModel":
        words = read_manifest(folder, cls.name)
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            segments = Segments(*(arrays[name] for name in Segments._fields))
            response = None
            if words["has_response"]:
                response = MessageResponse(arrays["rate"], float(arrays["closeness"]))
            return cls(segments, Strengths(**words["strengths"]), arrays["everyone"], response, words["horizon_days"])


def evaluate(model: SendTimeModel, snapshot: "Snapshot") -> Evaluation:
    """Log loss (nats an order) and hits of the hours of orders after a cutoff that the model was not trained on.

    Measured on presence: what messages would have done at other hours was never seen.
    """
    offsets, hours = snapshot.purchase_hours
    ours = model.presence(snapshot.profiles, snapshot.as_of)
    known = np.bincount(snapshot.profiles.orders.hour, minlength=HOURS_PER_WEEK).astype(np.float64)
    everyones = np.tile(everyones_hours(known), (len(ours), 1))
    orders = np.diff(offsets).astype(np.float64)
    loss, baseline = hour_log_loss(ours, offsets, hours), hour_log_loss(everyones, offsets, hours)
    difference = mean_difference(loss, baseline, np.random.default_rng(BOOTSTRAP_SEED), weights=orders)
    return Evaluation(
        {
            "log_loss": _mean(loss, orders),
            "top_3_hit_rate": _mean(top_hours_hit(ours, offsets, hours), orders),
            "log_loss_difference": difference.value,
            "log_loss_difference_low": difference.low,
            "log_loss_difference_high": difference.high,
        },
        {
            "everyones_hours": {
                "log_loss": _mean(baseline, orders),
                "top_3_hit_rate": _mean(top_hours_hit(everyones, offsets, hours), orders),
            }
        },
    )


def _mean(values: Floats, weights: Floats) -> float:
    known = weights > 0
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
