"""The command's plumbing: what any verb does with a store, an answer, and what goes wrong."""

import json
from pathlib import Path

import pytest
import typer

from features.errors import FieldError
from features.verbs import answer, now, opened, refusing


class OtherError(Exception):
    code = "other"


def test_what_is_wrong_with_a_field_is_said_twice_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, refusing(as_json=True):
        raise FieldError("depth", 7, "less", "deep")

    said = capsys.readouterr()
    expected = {"code": "deep", "message": "depth: got 7, expected less", "field": "depth"}
    assert (ended.value.exit_code, json.loads(said.out)["error"]) == (1, expected)
    assert said.err == "depth: got 7, expected less\n"


def test_without_json_nothing_is_said_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), refusing(as_json=False):
        raise FieldError("depth", 7, "less")

    assert capsys.readouterr().out == ""


def test_only_what_a_verb_names_is_refused_beside_fields_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), refusing(OtherError, as_json=True):
        raise OtherError("no")
    with pytest.raises(OtherError), refusing(as_json=True):
        raise OtherError("a fault of the program")

    assert json.loads(capsys.readouterr().out)["error"] == {"code": "other", "message": "no", "field": None}


def test_a_store_that_breaks_under_way_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), opened(tmp_path, as_json=True) as store, store.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM absent")

    refusal = json.loads(capsys.readouterr().out)["error"]
    assert (refusal["code"], refusal["message"]) == ("store", "the store cannot be used: no such table: absent")


def test_a_workspace_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(typer.Exit), opened(path, as_json=True):
        pass

    assert json.loads(capsys.readouterr().out)["error"]["field"] == "workspace"


def test_a_line_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/folder" * 40 + "/[file]"

    answer({}, path, as_json=False)

    assert capsys.readouterr().out == path + "\n"


def test_the_clock_that_was_given_goes_before_the_system_clock() -> None:
    assert now(5) == 5
    assert now() > 1_700_000_000_000_000
