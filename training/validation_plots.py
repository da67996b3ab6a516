"""Which plots are drawn of which model on its held-out cutoff."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training import plots

if TYPE_CHECKING:
    from features.history import Snapshot

_LONGEST_LIST = 20


def draw(model: Any, snapshot: "Snapshot", folder: Path) -> None:
    """PNG files into ``folder``, of the model of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    _DRAWERS[model.name](model, snapshot, folder)
    gains = getattr(model, "importance", None)
    if gains:
        plots.importance(gains, folder / "importance.png")


def _churn(model: Any, snapshot: "Snapshot", folder: Path) -> None:
    churned, chance = (snapshot.orders == 0).astype(np.float64), model.predict(snapshot.features, snapshot.as_of)
    plots.calibration(churned, chance, "share without a purchase", folder / "calibration.png")
    plots.lift_by_decile(churned, chance, "share without a purchase", folder / "lift_by_decile.png")


def _lifetime_value(model: Any, snapshot: "Snapshot", folder: Path) -> None:
    mean = model.predict(snapshot.features, snapshot.as_of).mean
    plots.calibration(snapshot.spend, mean, "spend", folder / "calibration.png")
    plots.lift_by_decile(snapshot.spend, mean, "spend", folder / "lift_by_decile.png")


def _favourite_product(model: Any, snapshot: "Snapshot", folder: Path) -> None:
    rows = [row for row, basket in enumerate(snapshot.next_basket) if basket]
    ranked = model.rank(snapshot.profiles.take(rows), snapshot.as_of, _LONGEST_LIST)
    found = np.zeros(_LONGEST_LIST)
    for row, (products, _) in zip(rows, ranked, strict=True):
        basket = set(snapshot.next_basket[row])
        hits = np.cumsum([product in basket for product in products[:_LONGEST_LIST]])
        found += np.pad(hits, (0, _LONGEST_LIST - len(hits)), mode="edge" if len(hits) else "constant") / len(basket)
    plots.recall_curve({"ours": (found / max(len(rows), 1)).tolist()}, folder / "recall_at_k.png")


def _send_time(model: Any, snapshot: "Snapshot", folder: Path) -> None:
    _, hours = snapshot.purchase_hours
    happened = np.bincount(hours, minlength=168) / max(len(hours), 1)
    predicted = model.presence(snapshot.profiles, snapshot.as_of).mean(axis=0)
    panels = {"predicted, mean over customers": predicted, "orders after the cutoff": happened}
    plots.hour_of_week(panels, folder / "hour_of_week.png")


_DRAWERS: dict[str, Callable[[Any, "Snapshot", Path], None]] = {
    "churn": _churn,
    "lifetime-value": _lifetime_value,
    "favourite-product": _favourite_product,
    "send-time": _send_time,
}
