"""What a version keeps of the customers it was trained on, to know later ones from them.

From two cutoffs: the newest, which is what now is compared with, and one a horizon or more before it, which shows how
much changes in such a time anyway (histories grow longer whatever customers do).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.consent import refusing_any
from features.instant import Instant
from training.estimated_performance import estimates_of, score_of
from training.prediction_latency import answer
from training.sample import sample, take
from training.sketch import Sketches, differences, sketch

if TYPE_CHECKING:
    from features.history import Snapshot
    from training.sketch import Floats

FILE = "drift.npz"
CUSTOMERS = 10_000
"""As many at most are looked at, then and now: a stability index of 0.02 is not chance any more."""
LIST_LENGTH = 10
_ESTIMATE, _USUAL_ESTIMATE = "estimate_", "usual_estimate_"
_SKETCH = ("known", "points", "below", "up_to")


@dataclass(frozen=True, slots=True)
class Reference:
    """``usual_*`` is what differed between the two cutoffs: the stability index of each feature and of the score, and
    the change of each estimate. They lie ``usual_days`` apart. All of it is of customers who refuse no use of what is
    known of them; ``refusing`` is the share of the others: whoever refuses looks changed, and has not."""

    as_of: Instant
    usual_days: float
    features: Sketches
    score: Sketches
    estimates: Mapping[str, float]
    usual_features: "Floats"
    usual_score: float
    usual_estimates: Mapping[str, float]
    refusing: float


def reference_of(model: Any, earlier: "Snapshot", newest: "Snapshot", refusing: float, seed: int) -> Reference:
    """Of a model that is to serve, from the two cutoffs; ``refusing`` is the share who refuse something by now."""
    from features.instant import MICROSECONDS_PER_DAY

    generator = np.random.default_rng(seed)
    before, after = (sample(_known_in_full(snapshot), generator, CUSTOMERS) for snapshot in (earlier, newest))
    former = answer(model, before.profiles, before.features, before.as_of, LIST_LENGTH)
    later = answer(model, after.profiles, after.features, after.as_of, LIST_LENGTH)
    known = estimates_of(model, later, after.profiles, after.as_of)
    estimated = estimates_of(model, former, before.profiles, before.as_of)
    score = score_of(model.name, later, after.profiles)[:, None]
    [of_score] = differences(sketch(score_of(model.name, former, before.profiles)[:, None]), score)
    of_features = differences(sketch(before.features), after.features)
    return Reference(
        after.as_of,
        (after.as_of - before.as_of) / MICROSECONDS_PER_DAY,
        sketch(after.features),
        sketch(score),
        known,
        np.array([one.psi for one in of_features]),
        of_score.psi,
        {name: value - estimated[name] for name, value in known.items()},
        refusing,
    )


def _known_in_full(snapshot: "Snapshot") -> "Snapshot":
    """Without those who refuse something; all of them where that is everybody."""
    rows = np.flatnonzero(~refusing_any(snapshot.profiles))
    return take(snapshot, rows) if 0 < len(rows) < len(snapshot.profiles) else snapshot


def save_reference(reference: Reference, folder: Path) -> None:
    arrays: dict[str, Any] = {
        "as_of": np.int64(reference.as_of),
        "usual_days": np.float64(reference.usual_days),
        "usual_features": reference.usual_features,
        "usual_score": np.float64(reference.usual_score),
        "refusing": np.float64(reference.refusing),
    }
    for name, sketches in (("features", reference.features), ("score", reference.score)):
        arrays[f"{name}_rows"] = np.int64(sketches.rows)
        arrays |= {f"{name}_{part}": getattr(sketches, part) for part in _SKETCH}
    arrays |= {_ESTIMATE + name: np.float64(value) for name, value in reference.estimates.items()}
    arrays |= {_USUAL_ESTIMATE + name: np.float64(value) for name, value in reference.usual_estimates.items()}
    np.savez_compressed(folder / FILE, allow_pickle=False, **arrays)


def load_reference(folder: Path) -> Reference | None:
    """Nothing for a version that was trained before references were kept, or kept of those who refuse nothing."""
    if not (folder / FILE).exists():
        return None
    with np.load(folder / FILE, allow_pickle=False) as arrays:
        if "refusing" not in arrays.files:
            return None

        def numbers(prefix: str) -> dict[str, float]:
            return {name.removeprefix(prefix): float(arrays[name]) for name in arrays.files if name.startswith(prefix)}

        def sketches(name: str) -> Sketches:
            return Sketches(int(arrays[f"{name}_rows"]), *(arrays[f"{name}_{part}"] for part in _SKETCH))

        return Reference(
            int(arrays["as_of"]),
            float(arrays["usual_days"]),
            sketches("features"),
            sketches("score"),
            numbers(_ESTIMATE),
            arrays["usual_features"],
            float(arrays["usual_score"]),
            numbers(_USUAL_ESTIMATE),
            float(arrays["refusing"]),
        )
