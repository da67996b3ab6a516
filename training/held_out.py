"""What a model loses on each customer of a held-out cutoff, so that versions can be compared customer by customer."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from training.metrics import SMALLEST_PROBABILITY, calibration_bands, coverage
from training.ranking_metrics import hour_log_loss, recall

if TYPE_CHECKING:
    from features.history import Snapshot

Floats = NDArray[np.float64]
FILE = "losses.npz"
_LIST_LENGTH = 10
_LOSS = "loss_"
_CALIBRATION = "calibration_"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Losses by metric, one a customer: lower is better, NaN where the customer does not count.

    ``customer_keys`` are hashes, so that files kept with a model name nobody. The first metric is the one to tune by.
    ``calibration`` holds what should be small, by name.
    """

    as_of: Instant
    horizon_days: int
    customer_keys: NDArray[np.uint64]
    losses: dict[str, Floats]
    calibration: dict[str, float]

    def is_comparable_with(self, other: "HeldOut") -> bool:
        return (self.as_of, self.horizon_days) == (other.as_of, other.horizon_days)

    @property
    def main_loss(self) -> float:
        """The mean of the first metric."""
        return float(np.nanmean(next(iter(self.losses.values()))))


def held_out(model: Any, snapshot: "Snapshot") -> HeldOut:
    """What the model loses on the snapshot, which it must not have been trained on."""
    losses, calibration = _MEASURES[model.name](model, snapshot)
    keys = np.array([_key(customer_id) for customer_id in snapshot.profiles.customer_ids], dtype=np.uint64)
    return HeldOut(snapshot.as_of, snapshot.horizon_days, keys, losses, calibration)


def save_held_out(measured: HeldOut, folder: Path) -> None:
    arrays: dict[str, Any] = {
        "as_of": np.int64(measured.as_of),
        "horizon_days": np.int64(measured.horizon_days),
        "customer_keys": measured.customer_keys,
    }
    arrays |= {_LOSS + name: values for name, values in measured.losses.items()}
    arrays |= {_CALIBRATION + name: np.float64(value) for name, value in measured.calibration.items()}
    np.savez_compressed(folder / FILE, **arrays)


def load_held_out(folder: Path) -> HeldOut:
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        return HeldOut(
            int(arrays["as_of"]),
            int(arrays["horizon_days"]),
            arrays["customer_keys"],
            {name.removeprefix(_LOSS): arrays[name] for name in arrays.files if name.startswith(_LOSS)},
            {
                name.removeprefix(_CALIBRATION): float(arrays[name])
                for name in arrays.files
                if name.startswith(_CALIBRATION)
            },
        )


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Challenger minus champion in one loss, over the customers both were measured on, with its 95 % interval."""

    metric: str
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    customers: int


def paired_differences(champion: HeldOut, challenger: HeldOut) -> list[PairedDifference]:
    """One difference a metric that both have; they must have answered the same question."""
    _, ours, theirs = np.intersect1d(champion.customer_keys, challenger.customer_keys, return_indices=True)
    return [
        _paired(name, champion.losses[name][ours], challenger.losses[name][theirs])
        for name in champion.losses
        if name in challenger.losses
    ]


def _paired(metric: str, champion: Floats, challenger: Floats) -> PairedDifference:
    both = np.isfinite(champion) & np.isfinite(challenger)
    change = (challenger - champion)[both]
    count = len(change)
    if not count:
        return PairedDifference(metric, np.nan, np.nan, np.nan, -np.inf, np.inf, 0)
    half_width = 1.96 * float(change.std(ddof=1)) / count**0.5 if count > 1 else np.inf
    mean = float(change.mean())
    return PairedDifference(
        metric,
        float(champion[both].mean()),
        float(challenger[both].mean()),
        mean,
        mean - half_width,
        mean + half_width,
        count,
    )


Measured = tuple[dict[str, Floats], dict[str, float]]


def _churn(model: Any, snapshot: "Snapshot") -> Measured:
    churned = (snapshot.orders == 0).astype(np.float64)
    chance = model.predict(snapshot.features)
    likelihood = np.where(churned == 1, chance, 1 - chance)
    losses = {"log_loss": -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))}
    return losses, {"calibration_error_beyond_chance": calibration_error_beyond_chance(churned, chance)}


def _lifetime_value(model: Any, snapshot: "Snapshot") -> Measured:
    value = model.predict(snapshot.features)
    miss = {
        "absolute_error_of_median": np.abs(snapshot.spend - value.median),
        "squared_error_of_mean": (snapshot.spend - value.mean) ** 2,
    }
    # The band from the 10 % to the 90 % quantile may hold more than 80 % where many spend nothing, never much less.
    by_chance = 1.96 * (0.8 * 0.2 / max(len(snapshot.spend), 1)) ** 0.5
    missing = 0.8 - by_chance - coverage(snapshot.spend, value.low, value.high)
    return miss, {"coverage_missing_beyond_chance": max(0.0, missing)}


def _favourite_product(model: Any, snapshot: "Snapshot") -> Measured:
    ranked = model.rank(snapshot.profiles, snapshot.as_of, _LIST_LENGTH)
    found = [
        recall(products, basket, _LIST_LENGTH)
        for (products, _), basket in zip(ranked, snapshot.next_basket, strict=True)
    ]
    return {"missed_at_10": 1 - np.array(found, dtype=np.float64)}, {}


def _send_time(model: Any, snapshot: "Snapshot") -> Measured:
    shares = model.predict(snapshot.profiles, snapshot.as_of)
    return {"log_loss": hour_log_loss(shares, *snapshot.purchase_hours)}, {}


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
