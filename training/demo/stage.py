"""Runs the demo's steps one after the other, says which is running and keeps how long each took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from training.demo.children import run_verb
from training.demo.findings import Step


class Stage:
    def __init__(self, console: Console, log: Path) -> None:
        self._console = console
        self._log = log
        self._started = time.monotonic()
        self.steps: list[Step] = []

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Something under way; what is put into the list is said of its result."""
        started, result = time.monotonic(), list[str]()
        with self._console.status(what):
            yield result
        step = Step(what, time.monotonic() - started, "; ".join(result))
        self.steps.append(step)
        self._console.print(
            f"[dim]{step.seconds:6.1f} s[/dim]  {what}  [dim]{step.result}[/dim]", highlight=False, soft_wrap=True
        )

    def verb(self, arguments: Sequence[str], workspace: Path) -> Any:
        """The document that a verb answers."""
        with self.step(f"lagniappe {' '.join(_short(argument) for argument in arguments)}") as result:
            document = run_verb([*arguments, "--workspace", str(workspace)], self._log)
            result.append(_said(document))
        return document


def _short(argument: str) -> str:
    """A path as seen from here, where that is shorter."""
    path = Path(argument)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else argument


def _said(document: Any) -> str:
    """A verb's answer in a few words."""
    if isinstance(document, dict) and "accepted" in document:
        return f"{document['accepted']:,} accepted, {document['rejected']:,} rejected"
    if isinstance(document, list):
        made = [f"{one['model']} {one['version']}" for one in document if one.get("version")]
        return ", ".join(made)
    return ""
