"""What a model loses on each customer of held-out cutoffs, so that versions can be compared customer by customer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from training.metrics import SMALLEST_PROBABILITY, calibration_bands, coverage
from training.models.send_time_evaluation import answer_losses, held_out_messages
from training.ranking_metrics import hour_log_loss, normalised_discounted_gain, recall, top_hours_hit
from training.slices import SLICES, Codes, coded_as_now, slices_of

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
_FILE = "losses{}.npz"
_LIST_LENGTH = 10
_LOSS = "loss_"
_CALIBRATION = "calibration_"
_LEAST_SPEND = 0.01
"""Currency units; so that a window without any spend has a bias too."""
_SLICE, _NAMES = "slice_", "names_of_"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Losses by metric, one a customer: lower is better, NaN where the customer does not count.

    ``customer_keys`` are hashes, so that files kept with a model name nobody. The first metric is the one to tune by.
    ``calibration`` holds what should be small, by name. ``bias`` is by how much what happened exceeded what was
    predicted, in shares of its mean for amounts; empty where a model predicts no one number. ``chance`` is what was
    predicted, where it is of a yes or no. ``slices`` are of :data:`training.slices.SLICES`.
    """

    as_of: Instant
    horizon_days: int
    customer_keys: NDArray[np.uint64]
    losses: dict[str, Floats]
    calibration: dict[str, float]
    bias: Floats = field(default_factory=lambda: np.zeros(0))
    slices: dict[str, Codes] = field(default_factory=dict)
    chance: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def main_loss(self) -> float:
        """The mean of the first metric."""
        return float(np.nanmean(next(iter(self.losses.values()))))


Pair = tuple[HeldOut, HeldOut]
"""What a champion and a challenger lost on one cutoff that is new to both."""


def held_out(model: Any, snapshot: "Snapshot") -> HeldOut:
    """What the model loses on the snapshot, which it must not have been trained on."""
    found = _MEASURES[model.name](model, snapshot)
    return HeldOut(
        snapshot.as_of,
        snapshot.horizon_days,
        customer_keys(snapshot.profiles.customer_ids),
        found.losses,
        found.calibration,
        found.bias,
        slices_of(snapshot),
        found.chance,
    )


def chances_and_outcomes(measured: Sequence[HeldOut]) -> tuple[Floats, Floats]:
    """Of a model of yes-or-no chances, on all the cutoffs together: its bias is the outcome less the chance."""
    chance = np.concatenate([one.chance for one in measured])
    outcome = np.concatenate([one.bias for one in measured]) + chance
    return chance, np.rint(outcome)


def customer_keys(customer_ids: Sequence[str]) -> NDArray[np.uint64]:
    return np.array([_key(customer_id) for customer_id in customer_ids], dtype=np.uint64)


def save_held_out(measured: Sequence[HeldOut], folder: Path) -> None:
    """A file a cutoff; :func:`load_held_out` gives them back in the same order."""
    for number, one in enumerate(measured):
        arrays: dict[str, Any] = {
            "as_of": np.int64(one.as_of),
            "horizon_days": np.int64(one.horizon_days),
            "customer_keys": one.customer_keys,
            "bias": one.bias,
            "chance": one.chance,
        }
        arrays |= {_LOSS + name: values for name, values in one.losses.items()}
        arrays |= {_CALIBRATION + name: np.float64(value) for name, value in one.calibration.items()}
        arrays |= {_SLICE + name: codes for name, codes in one.slices.items()}
        arrays |= {_NAMES + name: np.array(SLICES[name]) for name in one.slices}
        np.savez_compressed(folder / _file(number), allow_pickle=False, **arrays)


def load_held_out(folder: Path) -> list[HeldOut]:
    """Of each cutoff, newest first."""
    found: list[HeldOut] = []
    while (folder / _file(len(found))).exists():
        found.append(_load(folder / _file(len(found))))
    return found


def _file(number: int) -> str:
    """The first one is of the newest cutoff, and all that versions of before had.

    >>> _file(0), _file(1)
    ('losses.npz', 'losses-1.npz')
    """
    return _FILE.format(f"-{number}" if number else "")


def _load(path: Path) -> HeldOut:
    with np.load(path, allow_pickle=False) as arrays:

        def starting(prefix: str) -> dict[str, Any]:
            return {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}

        return HeldOut(
            int(arrays["as_of"]),
            int(arrays["horizon_days"]),
            arrays["customer_keys"],
            starting(_LOSS),
            {name: float(value) for name, value in starting(_CALIBRATION).items()},
            arrays["bias"] if "bias" in arrays.files else np.zeros(0),
            _as_now(starting(_SLICE), starting(_NAMES)),
            arrays["chance"] if "chance" in arrays.files else np.zeros(0),
        )


def _as_now(slices: Mapping[str, Codes], names: Mapping[str, NDArray[np.str_]]) -> dict[str, Codes]:
    """Whatever the groups were called first when the codes were kept; before names were, they were those of now."""
    return {
        by: coded_as_now(codes, names[by].tolist() if by in names else SLICES[by], by)
        for by, codes in slices.items()
        if by in SLICES
    }


_NOTHING = np.zeros(0)


class Measured(NamedTuple):
    """See :class:`HeldOut`."""

    losses: dict[str, Floats]
    calibration: dict[str, float]
    bias: Floats = _NOTHING
    chance: Floats = _NOTHING


def _churn(model: Any, snapshot: "Snapshot") -> Measured:
    churned = (snapshot.orders == 0).astype(np.float64)
    chance = model.predict(snapshot.features, snapshot.as_of)
    likelihood = np.where(churned == 1, chance, 1 - chance)
    losses = {"log_loss": -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))}
    calibration = {"calibration_error_beyond_chance": calibration_error_beyond_chance(churned, chance)}
    return Measured(losses, calibration, churned - chance, chance)


def _lifetime_value(model: Any, snapshot: "Snapshot") -> Measured:
    value = model.predict(snapshot.features, snapshot.as_of)
    spend = snapshot.spend
    losses = {
        "absolute_error_of_median": np.abs(spend - value.median),
        "squared_error_of_mean": (spend - value.mean) ** 2,
        "pinball_loss_of_low": _pinball(spend - value.low, 0.1),
        "pinball_loss_of_high": _pinball(spend - value.high, 0.9),
    }
    # The band from the 10 % to the 90 % quantile may hold more than 80 % where many spend nothing, never much less.
    by_chance = 1.96 * (0.8 * 0.2 / max(len(spend), 1)) ** 0.5
    missing = 0.8 - by_chance - coverage(spend, value.low, value.high)
    bias = (spend - value.mean) / max(float(spend.mean()), _LEAST_SPEND)
    return Measured(losses, {"coverage_missing_beyond_chance": max(0.0, missing)}, bias)


def _pinball(miss: Floats, level: float) -> Floats:
    return np.maximum(level * miss, (level - 1) * miss)


def _favourite_product(model: Any, snapshot: "Snapshot") -> Measured:
    ranked = model.rank(snapshot.profiles, snapshot.as_of, _LIST_LENGTH)
    lists = list(zip(ranked, snapshot.next_basket, strict=True))
    found = [recall(products, basket, _LIST_LENGTH) for (products, _), basket in lists]
    gain = [normalised_discounted_gain(products, basket, _LIST_LENGTH) for (products, _), basket in lists]
    losses = {"missed_at_10": 1 - np.array(found), "missed_gain_at_10": 1 - np.array(gain)}
    return Measured(losses, {})


def _send_time(model: Any, snapshot: "Snapshot") -> Measured:
    shares, (offsets, hours) = model.presence(snapshot.profiles, snapshot.as_of), snapshot.purchase_hours
    losses = {
        "log_loss": hour_log_loss(shares, offsets, hours),
        "missed_by_top_3_hours": 1 - top_hours_hit(shares, offsets, hours),
    }
    if (messages := held_out_messages(model, snapshot)) is not None:
        losses["answer_log_loss"] = answer_losses(messages)
    return Measured(losses, {})


def calibration_error_beyond_chance(actual: Floats, predicted: Floats) -> float:
    """The expected calibration error less what perfectly calibrated chances would show on as many customers.

    A band of n outcomes with mean chance p strays from p by sqrt(2 p (1 - p) / (pi n)) on average.
    """
    bands = calibration_bands(actual, predicted)
    total = sum(band.count for band in bands)
    strayed = sum(band.count * abs(band.predicted - band.actual) for band in bands)
    by_chance = sum((2 * band.count * band.predicted * (1 - band.predicted) / np.pi) ** 0.5 for band in bands)
    return max(0.0, float(strayed - by_chance) / total) if total else 0.0


_MEASURES: dict[str, Callable[[Any, "Snapshot"], Measured]] = {
    "churn": _churn,
    "lifetime-value": _lifetime_value,
    "favourite-product": _favourite_product,
    "send-time": _send_time,
}


def _key(customer_id: str) -> int:
    return int.from_bytes(blake2b(customer_id.encode(), digest_size=8).digest(), "little")
