import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.brand_commands import brand


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "north.yaml"
    path.write_text("{brand: north, timezone: Europe/Moscow, quiet_hours: {from: 22:00, to: 08:00}}")
    return path


def run(workspace: Path, *arguments: object) -> Result:
    return CliRunner().invoke(brand, [*map(str, arguments), "--workspace", str(workspace)])


def test_applied_settings_are_shown_as_one_json_document(tmp_path: Path, file: Path) -> None:
    applied = run(tmp_path, "apply", file, "--json")
    shown = run(tmp_path, "show", "--brand", "north", "--json")

    assert (applied.exit_code, shown.exit_code) == (0, 0)
    assert json.loads(applied.stdout) == json.loads(shown.stdout)
    assert json.loads(shown.stdout)["quiet_hours"] == {"from": "22:00", "to": "08:00"}


def test_settings_are_shown_line_by_line(tmp_path: Path, file: Path) -> None:
    assert "timezone: Europe/Moscow\ncurrency: unset" in run(tmp_path, "apply", file).stdout


def test_wrong_file_ends_with_status_1_and_the_reason(tmp_path: Path, file: Path) -> None:
    file.write_text("{brand: north, timezone: Europe/Atlantis}")

    result = run(tmp_path, "apply", file, "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["field"] == "timezone"
    assert "timezone: got 'Europe/Atlantis', expected an IANA time zone" in result.stderr


def test_file_of_another_brand_than_the_one_named_is_refused(tmp_path: Path, file: Path) -> None:
    result = run(tmp_path, "apply", file, "--brand", "south")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "brand: got 'north', expected south" in result.stderr


def test_sharing_that_has_no_effect_yet_is_not_accepted_in_silence(tmp_path: Path, file: Path) -> None:
    file.write_text("{brand: north, extends: default, share: {caps: true, models: true}}")

    result = run(tmp_path, "apply", file, "--json")

    assert (result.exit_code, result.stderr) == (0, "share.caps: kept, but without effect in this version\n")


def test_file_must_be_named(tmp_path: Path) -> None:
    assert run(tmp_path, "apply").exit_code == 2
