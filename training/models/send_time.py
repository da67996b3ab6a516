"""The hour of the local week at which a customer is best written to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from features.instant import Instant
from features.profiles import Profiles
from training.evaluation import Evaluation
from training.models.manifest import read_manifest, write_manifest
from training.models.message_log import MessageLog, empty_log, message_log
from training.models.message_response import MessageResponse, times_response
from training.models.send_evidence import Evidence, level_of_presence, level_of_response
from training.models.send_response import Coefficients, SendResponse
from training.models.week_hours import (
    Floats,
    Segments,
    Strengths,
    activity_of,
    all_hours,
    orders_by_hour_of_day,
)
from training.search_space import Range

if TYPE_CHECKING:
    from features.history import Snapshot

ARRAYS_FILE = "send_time.npz"
SEARCH_SPACE = {"segments": Range(1, 24, is_log=True), "response_kinds": Range(1, 8)}
_COEFFICIENT = "coefficient_"
_NO_RESPONSE, _BY_HOUR, _BY_MESSAGE = "none", "by hour", "by message"


@dataclass(frozen=True, slots=True)
class SendTimeModel:
    """``everyone`` (168): the hours of all customers together.

    ``response`` is None where messages were too few; a :class:`MessageResponse` where they carry no ids, so that
    nothing ties an opening to its sending. ``learned_until`` is the instant of the newest profiles it was learned from.
    """

    name: ClassVar[str] = "send-time"

    segments: Segments
    strengths: Strengths
    everyone: Floats
    response: SendResponse | MessageResponse | None
    horizon_days: int
    learned_until: Instant | None = None

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
        """(n, 168), rows summing to 1: presence, or where messages were logged the response to one sent then.

        The response is by all channels, as they were used.
        """
        if isinstance(self.response, SendResponse):
            expected = self.response.expected(*self._known(profiles, as_of, self.response))
            scaled: Floats = expected / expected.sum(axis=1, keepdims=True)
            return scaled
        hours = self.presence(profiles, as_of)
        return hours if self.response is None else times_response(hours, self.everyone, self.response)

    def predict_channels(self, profiles: Profiles, as_of: Instant) -> tuple[Floats, dict[str, Floats]]:
        """:meth:`predict`, and the same of messages by each channel that was learned, for little more than one."""
        if not isinstance(self.response, SendResponse):
            return self.predict(profiles, as_of), {}
        expected = self.response.expected_by_each(*self._known(profiles, as_of, self.response))
        expected /= expected.sum(axis=2, keepdims=True)
        return expected[:, -1], {channel: expected[:, row] for row, channel in enumerate(self.response.channels)}

    def presence(self, profiles: Profiles, as_of: Instant) -> Floats:
        """(n, 168): the chance that an activity falls into that hour."""
        return all_hours(activity_of(profiles, as_of), self.segments, self.strengths)

    def evidence(self, profiles: Profiles, as_of: Instant) -> Evidence:
        """What the prediction of each customer rests on."""
        activity = activity_of(profiles, as_of)
        by_hour = orders_by_hour_of_day(activity, self.strengths.half_life_days, as_of)
        if not isinstance(self.response, SendResponse):
            rows = np.repeat(np.arange(len(profiles)), np.diff(profiles.hours.offsets))
            engaged = np.bincount(rows, profiles.hours.engaged, len(profiles))
            own = by_hour.sum(axis=1) + self.strengths.engagement * engaged
            level = level_of_presence(own, self.strengths.hour_of_day)
            return Evidence(level, has_response=False)
        log, none = message_log(profiles, as_of, self.response.channels), empty_log(len(profiles))
        is_known = (np.diff(profiles.orders.offsets) > 0) | (np.diff(log.offsets) > 0)
        beliefs = (
            self.response.beliefs(none, np.zeros_like(by_hour)),
            self.response.beliefs(none, by_hour),
            self.response.beliefs(log, np.zeros_like(by_hour)),
        )
        return Evidence(level_of_response(*beliefs, is_known), has_response=True)

    def _known(self, profiles: Profiles, as_of: Instant, response: SendResponse) -> tuple[MessageLog, Floats]:
        orders = orders_by_hour_of_day(activity_of(profiles, as_of), self.strengths.half_life_days, as_of)
        return message_log(profiles, as_of, response.channels), orders

    def save(self, folder: Path) -> None:
        arrays: dict[str, Floats] = {"everyone": self.everyone, **self.segments._asdict()}
        words = {
            "horizon_days": self.horizon_days,
            "strengths": self.strengths._asdict(),
            "response": _NO_RESPONSE,
            "learned_until": self.learned_until,
        }
        if isinstance(self.response, SendResponse):
            coefficients = self.response.coefficients._asdict()
            arrays |= {_COEFFICIENT + name: np.asarray(values) for name, values in coefficients.items()}
            arrays["everyones_hours_of_day"] = self.response.everyone
            words |= {"response": _BY_MESSAGE, "channels": list(self.response.channels)}
        elif self.response is not None:
            arrays |= {"rate": self.response.rate, "closeness": np.asarray(self.response.closeness)}
            words["response"] = _BY_HOUR
        np.savez(folder / ARRAYS_FILE, allow_pickle=False, **arrays)
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "SendTimeModel":
        """One saved before messages had a table of their own is read as well.

        Raises
        ------
        TrainingError
            If it is of another kind or format.
        """
        words = read_manifest(folder, cls.name)
        kind = words.get("response") or (_BY_HOUR if words["has_response"] else _NO_RESPONSE)
        response: SendResponse | MessageResponse | None = None
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            segments = Segments(*(arrays[name] for name in Segments._fields))
            if kind == _BY_HOUR:
                response = MessageResponse(arrays["rate"], float(arrays["closeness"]))
            elif kind == _BY_MESSAGE:
                known = Coefficients(*(arrays[_COEFFICIENT + name] for name in Coefficients._fields))
                known = known._replace(order_weight=float(known.order_weight))
                response = SendResponse(known, tuple(words["channels"]), arrays["everyones_hours_of_day"])
            return cls(segments, Strengths(**words["strengths"]), arrays["everyone"], response, words["horizon_days"],
                       words.get("learned_until"))  # fmt: skip


def evaluate(model: SendTimeModel, snapshot: "Snapshot") -> Evaluation:
    """On a cutoff that the model was not trained on: hours of orders beside everybody's, and answers to messages."""
    from training.models.send_time_evaluation import evaluate_hours

    return evaluate_hours(model, snapshot)
