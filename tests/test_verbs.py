"""Every verb of the command takes the same options."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from lagniappe import VERBS, application


def commands(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, {option for parameter in command.params for option in parameter.opts}
    for part in inner or {}:
        yield from commands(inner[part], f"{name} {part}")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_a_workspace_and_answers_in_json(verb: str) -> None:
    group: Any = get_command(application)
    options = dict(commands(group.get_command(None, verb), verb))

    assert options
    assert [name for name, taken in options.items() if not {"--workspace", "--json"} <= taken] == []
    if verb != "demo":  # which has one brand of its own
        assert [name for name, taken in options.items() if "--brand" not in taken] == []
