"""The plots of a run that a person would look at, as PNG, without a display or any global state of matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.metrics import calibration_bands

Floats = NDArray[np.float64]
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OURS = "#1f5a7a"
OTHER = "#c9772b"
QUIET = "#9a9a9a"
_LARGEST_IMPORTANCES = 20


def calibration(actual: Floats, predicted: Floats, what: str, path: Path) -> None:
    """Predicted against actual mean in ten bands of equal size; on the diagonal predictions mean what they say."""
    bands = calibration_bands(actual, predicted)
    x, y = [band.predicted for band in bands], [band.actual for band in bands]
    figure, axes = _figure()
    top = max([*x, *y, 1e-9]) * 1.05
    axes.plot([0, top], [0, top], color=QUIET, linestyle="--", label="perfect")
    axes.plot(x, y, color=OURS, marker="o", label="ours")
    axes.set(xlabel=f"predicted {what}", ylabel=f"actual {what}", title="Calibration on the held-out cutoff")
    axes.legend()
    figure.savefig(path)


def lift_by_decile(actual: Floats, predicted: Floats, what: str, path: Path) -> None:
    """How many times the average each tenth has, highest predictions first."""
    average = float(actual.mean()) or 1.0
    lift = [band.actual / average for band in reversed(calibration_bands(actual, predicted))]
    figure, axes = _figure()
    axes.bar(range(1, len(lift) + 1), lift, color=OURS)
    axes.axhline(1.0, color=QUIET, linestyle="--")
    axes.set(xlabel="tenth of customers, highest predicted first", ylabel=f"{what}, times the average", title="Lift")
    axes.set_xticks(range(1, len(lift) + 1))
    figure.savefig(path)


def importance(gains: Mapping[str, float], path: Path) -> None:
    """The features that the trees gain most by, as a share of all gain."""
    total = sum(gains.values()) or 1.0
    largest = sorted(gains.items(), key=lambda item: item[1])[-_LARGEST_IMPORTANCES:]
    figure, axes = _figure(height=6.5)
    axes.barh([name for name, _ in largest], [gain / total for _, gain in largest], color=OURS)
    axes.set(xlabel="share of gain", title="Feature importance")
    figure.savefig(path)


def recall_curve(recall: Mapping[str, Sequence[float]], path: Path) -> None:
    """Recall of the next basket by length of the list; the first entry is ours, the rest are baselines."""
    figure, axes = _figure()
    for (name, values), colour in zip(recall.items(), (OURS, OTHER, QUIET), strict=False):
        axes.plot(range(1, len(values) + 1), values, color=colour, label=name)
    axes.set(xlabel="k, products in the list", ylabel="recall@k of the next basket", title="Recall", ylim=(0, None))
    axes.legend()
    figure.savefig(path)


def hour_of_week(panels: Mapping[str, Floats], path: Path) -> None:
    """Each panel's 168 shares, Monday 00:00 first, as a week of seven rows."""
    figure = Figure(figsize=(9, 3 * len(panels)), layout="constrained")
    for axes, (name, shares) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True):
        image = axes.imshow(shares.reshape(7, 24), aspect="auto", cmap="viridis")
        axes.set(title=name, xlabel="local hour")
        axes.set_yticks(range(7), WEEKDAYS)
        figure.colorbar(image, ax=axes, label="share")
    figure.savefig(path)


def _figure(height: float = 4.5) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.add_subplot()
