"""What the verbs of training say while they work, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType


class Telling(Protocol):
    """Says what is being done now; what is shown stays above it."""

    def __call__(self, what: str, /) -> None: ...
    def show(self, what: "RenderableType", /) -> None: ...


@contextmanager
def progress() -> Iterator[Telling]:
    """A line on standard error that says what is being done, and for how long."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    class OnStandardError:
        def __call__(self, what: str, /) -> None:
            shown.update(task, description=what)

        def show(self, what: "RenderableType", /) -> None:
            shown.console.print(what)

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)
        yield OnStandardError()
