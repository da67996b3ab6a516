"""Policies that are put in force: each version is kept, and a running service follows."""

import json
from pathlib import Path
from typing import Any

import pytest

from features.brand import apply_brand, parse_brand
from features.catalogue import upsert_offers
from features.entities import Offer
from features.errors import FieldError
from features.store import Store
from lagniappe import application as command
from serving.applied_policy import all_applied, apply_policy, holding_policy, read_applied, restore_policy
from serving.loading import Loader
from serving.policy import Policy
from serving.policy_file import parse_policy


def applied(store: Store, document: dict[str, Any], brand: str = "default") -> Policy:
    with store.writing() as connection:
        apply_policy(connection, brand, parse_policy(document), "anna", 1)
        return holding_policy(connection, brand)


def test_without_a_file_the_defaults_hold(store: Store) -> None:
    with store.reading() as connection:
        assert holding_policy(connection, "default") == Policy()
        assert read_applied(connection, "default") is None


def test_each_version_is_kept_with_who_when_and_its_name(store: Store) -> None:
    applied(store, {"name": "one", "epsilon": 0.1})
    policy = applied(store, {"epsilon": 0.2})

    with store.reading() as connection:
        newest, first = all_applied(connection, "default")

    assert (first.version, first.name, first.applied_by, first.document) == (
        1, "one", "anna", {"name": "one", "epsilon": 0.1},
    )  # fmt: skip
    assert (newest.version, newest.name, policy.epsilon, policy.version) == (2, "policy 2", 0.2, "policy 2 v2")


def test_an_earlier_version_is_restored_as_a_version_of_its_own(store: Store) -> None:
    for epsilon in (0.1, 0.2, 0.3):
        applied(store, {"epsilon": epsilon})

    with store.writing() as connection:
        before = restore_policy(connection, "default", None, "boris", 2)
        first = restore_policy(connection, "default", 1, "boris", 3)
        held = holding_policy(connection, "default").epsilon
        kept = [one.version for one in all_applied(connection, "default")]

    assert (before.version, before.restores, first.version, first.restores) == (4, 2, 5, 1)
    assert (held, kept) == (0.1, [5, 4, 3, 2, 1])


def test_there_is_nothing_to_restore_before_anything_was_applied(store: Store) -> None:
    with store.writing() as connection, pytest.raises(FieldError, match="none was ever applied"):
        restore_policy(connection, "default", None, "anna", 1)
    applied(store, {"epsilon": 0.1})
    with store.writing() as connection, pytest.raises(FieldError, match="a version from 1 to 1"):
        restore_policy(connection, "default", 7, "anna", 1)


def test_a_brand_takes_from_the_default_brand_what_it_does_not_say(store: Store) -> None:
    applied(store, {"epsilon": 0.3, "gaps": [{"hours": 24}]})
    with store.writing() as connection:
        apply_brand(connection, parse_brand({"brand": "tea"}), 1)

    own = applied(store, {"extends": "default", "least_value": 2}, "tea")
    alone = applied(store, {"least_value": 2}, "tea")
    applied(store, {"epsilon": 0.4})

    assert (own.epsilon, own.least_value, len(own.rules.limits)) == (0.3, 2.0, 1)
    assert (alone.epsilon, alone.rules.limits) == (0.05, ())


def test_only_the_default_brand_can_be_extended(store: Store) -> None:
    with pytest.raises(FieldError, match="nothing else can be extended"):
        applied(store, {"extends": "default"})
    with pytest.raises(FieldError, match="nothing else can be extended"):
        applied(store, {"extends": "coffee"}, "tea")


def test_a_wrong_file_changes_nothing(store: Store) -> None:
    with store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id="a")], 1)
    applied(store, {"pins": [{"offer": "a"}]})

    with pytest.raises(FieldError, match="one of the offers of the catalogue"):
        applied(store, {"epsilon": 0.9, "pins": [{"offer": "b"}]})

    with store.reading() as connection:
        assert [one.version for one in all_applied(connection, "default")] == [1]


def test_a_running_service_follows(store: Store) -> None:
    loader = Loader(store)
    loader.refresh()
    before = loader.state("default")
    loader.refresh()
    is_same = loader.state("default") is before or loader.state("default").offers is before.offers

    applied(store, {"epsilon": 0.7})
    loader.refresh()

    assert (before.policy.epsilon, is_same, loader.state("default").policy.epsilon) == (0.05, True, 0.7)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    command(["policy", *arguments, "--json"], standalone_mode=False)
    return json.loads(capsys.readouterr().out)


def test_the_verb_applies_lists_shows_and_rolls_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, there = tmp_path / "p.yaml", ("--workspace", str(tmp_path))
    file.write_text("name: one\nepsilon: 0.1\n")
    one = told(capsys, "apply", str(file), "--by", "anna", "--clock", "2026-01-01", *there)
    file.write_text("name: two\nepsilon: 0.2\n")
    told(capsys, "apply", str(file), *there)

    back = told(capsys, "rollback", *there)
    shown = told(capsys, "show", *there)
    listed = told(capsys, "list", *there)

    assert (one["version"], one["applied_by"], one["applied_at"]) == (1, "anna", "2026-01-01T00:00:00Z")
    assert (back["version"], back["restores"], shown["policy"]["epsilon"]) == (3, 1, 0.1)
    assert [(each["version"], each["name"]) for each in listed] == [(3, "one"), (2, "two"), (1, "one")]
    assert told(capsys, "show", "2", *there)["document"] == {"name": "two", "epsilon": 0.2}


def test_the_verb_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.yaml").write_text("epsilon: 3\n")

    arguments = ["policy", "apply", str(tmp_path / "p.yaml"), "--workspace", str(tmp_path), "--json"]
    status = command(arguments, standalone_mode=False)

    assert status == 1
    assert json.loads(capsys.readouterr().out)["error"]["field"] == "epsilon"
