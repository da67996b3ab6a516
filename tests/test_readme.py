"""README and docs speak of what there is, and of all verbs and calls that there are."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from lagniappe import VERBS, Verbs
from serving.service import CALLS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_BENTOML = {"/docs.json", "/livez", "/readyz", "/metrics"}


def texts() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands(page: Path) -> Iterator[list[str]]:
    """The words after ``lagniappe`` of each command in a block of shell or between backquotes."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        if line.startswith("lagniappe "):
            yield line.split("#")[0].split()[1:]


def options(words: list[str]) -> tuple[str, set[str]]:
    """What a verb's help names, of the verb that these words call, and the options that they use."""
    verb = Verbs(name="lagniappe").get_command(None, words[0])
    if isinstance(verb, typer.core.TyperGroup):
        verb = verb.commands[words[1]]
    known = " ".join(name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts))
    return f" {known} --help ", {word for word in words if word.startswith("--")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        assert words[0] in VERBS, f"{page.name}: lagniappe {' '.join(words)}"
        known, used = options(words)
        assert all(f" {option} " in known for option in used), f"{page.name}: lagniappe {' '.join(words)}"


def test_every_verb_is_documented() -> None:
    named = {words[0] for page in PAGES for words in commands(page)}

    assert set(VERBS) <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_call_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?:`|localhost:\d+)(/[a-z_]+(?:\.json)?)\b", page.read_text(encoding="utf-8")))

    assert named <= {*CALLS, *OF_BENTOML}


def test_every_call_is_documented() -> None:
    assert all(f"`{path}`" in texts() for path in CALLS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert all((page.parent / target).exists() for target in targets)
