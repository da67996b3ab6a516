"""What a search for parameters tried and found, as PNG."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from training.plots import OTHER, OURS, QUIET
from training.tuning import Tried

_PANELS_IN_A_ROW = 3


def draw_search(tried: Sequence[Tried], folder: Path) -> None:
    """``tuning_history.png`` and ``tuning_parameters.png``; nothing where nothing was tried."""
    if not tried:
        return
    folder.mkdir(parents=True, exist_ok=True)
    history(tried, folder / "tuning_history.png")
    parameters(tried, folder / "tuning_parameters.png")


def history(tried: Sequence[Tried], path: Path) -> None:
    """Each trial's loss, those given up apart, and the best one so far."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for is_pruned, label, colour in ((False, "trial", OURS), (True, "given up", QUIET)):
        shown = [one for one in tried if one.is_pruned is is_pruned]
        axes.scatter([one.number for one in shown], [one.loss for one in shown], color=colour, label=label)
    complete = [one for one in tried if not one.is_pruned]
    best = [min(one.loss for one in complete[: end + 1]) for end in range(len(complete))]
    axes.step([one.number for one in complete], best, where="post", color=OTHER, label="best so far")
    axes.set(xlabel="trial", ylabel="mean loss over the folds", title="Search for parameters")
    axes.legend()
    figure.savefig(path)


def parameters(tried: Sequence[Tried], path: Path) -> None:
    """The loss by each parameter: where the best ones lie, and whether at an end of its range."""
    names = list(tried[0].parameters)
    rows = -(-len(names) // _PANELS_IN_A_ROW)
    figure = Figure(figsize=(4 * _PANELS_IN_A_ROW, 3 * rows), layout="constrained")
    for axes, name in zip(figure.subplots(rows, _PANELS_IN_A_ROW, squeeze=False).ravel(), names, strict=False):
        colours = [QUIET if one.is_pruned else OURS for one in tried]
        axes.scatter([one.parameters[name] for one in tried], [one.loss for one in tried], color=colours, s=14)
        axes.set(xlabel=name, ylabel="loss")
    figure.savefig(path)
