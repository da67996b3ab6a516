"""What the verbs of this package have in common besides :mod:`features.verbs`: two options and a bar of progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from features.verbs import as_instant

RewardName = Literal["accepted", "purchase", "view", "spend", "margin"]
"""What a decision is judged by, as :class:`serving.judged_decisions.Reward` names it."""

Report = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much."""

AsOf = Annotated[
    int, typer.Option("--as-of", parser=as_instant, metavar="T", help="Nothing that happened at or after T is read.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")]


@contextmanager
def progress() -> Iterator[Report]:
    """A bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)
        yield lambda what, done, total: shown.update(task, description=what, completed=done, total=total)
