"""Every verb of the command takes the same options."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from features.store import Store
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


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_says_what_the_verbs_say(verb: str) -> None:
    group: Any = get_command(application)
    own = " ".join((group.get_command(None, verb).help or "").split("\n\n")[0].split())

    assert own == VERBS[verb].words


SLOW = {"bentoml", "duckdb", "ibis", "lightgbm", "mlflow", "numba", "numpy", "pandas", "sqlalchemy.dialects.postgresql"}


@pytest.mark.parametrize(
    ("words", "others"),
    [(["--help"], {"sqlalchemy"}), (["rollback", "churn"], {"pydantic_settings", "rich"}), (["history"], set())],
)
def test_quick_verbs_wait_for_no_library_that_they_do_not_use(
    words: list[str], others: set[str], sqlite_store: Store
) -> None:
    """Nearly all of the time of a quick verb is that of its imports."""
    look = "import atexit, sys, lagniappe; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    workspace = [] if words == ["--help"] else ["--workspace", str(sqlite_store.workspace)]
    told = subprocess.run(
        [sys.executable, "-c", f"{look}sys.argv[1:] = {[*words, *workspace]}; lagniappe.main()"],
        capture_output=True,
        text=True,
        check=False,
    )

    imported = set(told.stderr.split())

    assert "typer" in imported
    assert imported & (SLOW | others) == set()
