"""The log of decisions as a file, and other policies judged by it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from features.catalogue import upsert_offers
from features.entities import Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse, to_iso
from features.settings import Settings
from features.store import open_store
from lagniappe import application as command
from serving.application import Application, open_application
from serving.handlers.next_best_offer import next_best_offer

NOW = parse("2025-11-22T10:00:00Z")
AFTER = to_iso(NOW + 20 * MICROSECONDS_PER_DAY)
CUSTOMERS = 120
Told = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Decisions with much exploration between three offers and none; every accepted offer is the second one."""
    workspace = tmp_path_factory.mktemp("workspace")
    store = open_store(workspace)
    kinds = {"points": OfferKind.BONUS_POINTS, "tenth": OfferKind.DISCOUNT_PERCENT, "news": OfferKind.INFORMATION}
    with store.writing() as connection:
        upsert_offers(connection, [Offer(offer_id=name, kind=kind, value=2.0) for name, kind in kinds.items()], NOW)
        bought = [
            Event(event_id=f"b{n}", type=EventType.PURCHASE, occurred_at=NOW - MICROSECONDS_PER_DAY,
                  customer_id=f"c{n}", amount=500_000)
            for n in range(CUSTOMERS)
        ]  # fmt: skip
        append(connection, bought, NOW, lake=store.lake)
    store.close()
    (workspace / "explore.yaml").write_text("epsilon: 0.8\n")
    command(["policy", "apply", str(workspace / "explore.yaml"), "--workspace", str(workspace)], standalone_mode=False)
    application = open_application(Settings(workspace=workspace), lambda: NOW, "default")
    answers = [_ask(application, customer_id=f"c{n}") for n in range(CUSTOMERS)]
    _ask(application, customer_id="c1", limit=2)
    accepted = [
        Event(event_id=f"a{n}", type=EventType.OFFER_ACCEPTED, occurred_at=NOW + MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", offer_id="tenth", decision_id=answer["decision_id"])
        for n, answer in enumerate(answers) if answer["offers"] and answer["offers"][0]["offer_id"] == "tenth"
    ]  # fmt: skip
    spent = [
        Event(event_id=f"s{n}", type=EventType.PURCHASE, occurred_at=NOW + MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", amount=200_000) for n in range(0, CUSTOMERS, 2)
    ]  # fmt: skip
    with application.store.writing() as connection:
        append(connection, [*spent, *accepted], NOW + 2 * MICROSECONDS_PER_DAY, lake=application.store.lake)
    yield application
    application.close()


def _ask(service: Application, **question: Any) -> dict[str, Any]:
    return dict(json.loads(asyncio.run(next_best_offer(service, json.dumps(question).encode()))))


@pytest.fixture
def told(service: Application, capsys: pytest.CaptureFixture[str]) -> Told:
    def run(*arguments: str) -> dict[str, Any]:
        command([*arguments, "--workspace", str(service.store.workspace), "--json"], standalone_mode=False)
        return dict(json.loads(capsys.readouterr().out))

    return run


def rows_of(path: Path) -> list[dict[str, Any]]:
    found = duckdb.sql(f"SELECT * EXCLUDE (decided_at) FROM '{path}'")
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_decision_stands_there_with_its_propensity_and_what_came_of_it(
    ending: str, told: Told, tmp_path: Path
) -> None:
    path = tmp_path / f"log.{ending}"

    report = told("decisions", "export", "--as-of", AFTER, "--out", str(path))

    rows = rows_of(path)
    assert report == {"out": str(path), "decisions": CUSTOMERS, "left_out": {"several_offers": 1}}
    assert {row["action"] for row in rows} == {"tenth", "news", "none"}  # what points are worth is not known
    assert all(row["reward"] == (row["action"] == "tenth") for row in rows)
    for row in rows:
        among = json.loads(row["candidates"]) if isinstance(row["candidates"], str) else row["candidates"]
        chances = {one["offer_id"]: one["probability"] for one in among}
        assert row["propensity"] == pytest.approx(chances[row["action"]])
        assert sum(chances.values()) == pytest.approx(1.0)


def test_the_policy_that_decided_is_found_to_have_decided_as_it_did(told: Told, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text("epsilon: 0.8\n")
    path = tmp_path / "log.parquet"

    told("decisions", "export", "--as-of", AFTER, "--out", str(path), "--policy", str(tmp_path / "same.yaml"))

    assert all(row["target_probability"] == row["propensity"] for row in rows_of(path))


def test_another_policy_is_judged_by_the_log_in_either_form(told: Told, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("epsilon: 0.3\n")
    ours, theirs = tmp_path / "log.parquet", tmp_path / "log.npz"
    asked = ["decisions", "export", "--as-of", AFTER, "--policy", str(tmp_path / "other.yaml")]

    told(*asked, "--out", str(ours))
    told(*asked, "--out", str(theirs), "--form", "obp")
    found = [
        {one["estimator"]: one for one in told("evaluate-policy", "--log", str(log), "--form", form)["estimates"]}
        for log, form in ((ours, "lagniappe"), (theirs, "obp"))
    ]

    assert set(found[0]) == {"dm", "ips", "snips", "dr", "switch-dr"}
    for name, estimate in found[0].items():
        assert estimate["value"] == pytest.approx(found[1][name]["value"], rel=1e-9), name
    rows = rows_of(ours)
    weighted = [row["reward"] * row["target_probability"] / row["propensity"] for row in rows]
    assert found[0]["ips"]["value"] == pytest.approx(np.mean(weighted))
    with np.load(theirs, allow_pickle=False) as arrays:
        assert arrays["action_dist"].sum(axis=1) == pytest.approx(1.0)
        assert arrays["pi_b"].sum(axis=1) == pytest.approx(1.0)


def test_a_log_whose_windows_are_not_over_is_refused_with_when_they_will_be(
    service: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soon, out = to_iso(NOW + MICROSECONDS_PER_DAY), tmp_path / "log.parquet"
    asked = ["decisions", "export", "--as-of", soon, "--out", str(out), "--workspace", str(service.store.workspace)]

    assert command(asked, standalone_mode=False) == 1

    assert "expected a time 14 days or more after some decision" in capsys.readouterr().err
    assert not out.exists()


def test_an_ending_of_no_form_is_refused(
    service: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["decisions", "export", "--as-of", AFTER, "--out", str(tmp_path / "log.xlsx")]

    assert command([*asked, "--workspace", str(service.store.workspace)], standalone_mode=False) == 1

    assert "expected a file ending in .parquet, .csv, .jsonl, .ndjson" in capsys.readouterr().err


def test_the_margin_is_that_of_the_spend_less_what_accepted_offers_cost(told: Told, tmp_path: Path) -> None:
    spend, margin = tmp_path / "spend.parquet", tmp_path / "margin.parquet"
    asked = ["decisions", "export", "--as-of", AFTER]

    told(*asked, "--out", str(spend), "--outcome", "spend")
    told(*asked, "--out", str(margin), "--outcome", "margin")

    spent = {row["decision_id"]: row["reward"] for row in rows_of(spend)}
    assert any(spent.values())
    for row in rows_of(margin):
        cost = spent[row["decision_id"]] * 0.25 - row["reward"]
        assert cost > 0 if row["action"] == "tenth" else cost == 0


def test_a_judged_policy_could_not_have_had_an_offer_that_was_gone_either(tmp_path: Path) -> None:
    store, log = open_store(tmp_path / "workspace"), tmp_path / "log.parquet"
    rare = Offer(offer_id="rare", kind=OfferKind.INFORMATION, cap_total=2)
    with store.writing() as connection:
        upsert_offers(connection, [rare, Offer(offer_id="news", kind=OfferKind.INFORMATION, priority=9)], NOW)
    store.close()
    for name, epsilon in (("explore", 0.9), ("other", 0.3)):
        (tmp_path / f"{name}.yaml").write_text(f"epsilon: {epsilon}\n")
    at = ["--workspace", str(store.workspace)]
    command(["policy", "apply", str(tmp_path / "explore.yaml"), *at], standalone_mode=False)
    application = open_application(Settings(workspace=store.workspace), lambda: NOW, "default")

    async def all_at_once() -> None:
        asked = (json.dumps({"customer_id": f"c{number}"}).encode() for number in range(60))
        await asyncio.gather(*(next_best_offer(application, one) for one in asked))

    asyncio.run(all_at_once())
    application.close()
    asked = ["decisions", "export", "--as-of", AFTER, "--out", str(log), "--policy", str(tmp_path / "other.yaml")]
    command([*asked, *at], standalone_mode=False)

    found = [
        (row, {one["offer_id"]: one["probability"] for one in json.loads(row["candidates"])}) for row in rows_of(log)
    ]
    lost = [row for row, chances in found if chances.get("rare") == 0.0]
    assert len(lost) >= 5
    assert {row["action"] for row in lost} == {"none"}
    assert [row["propensity"] for row in lost] == pytest.approx([0.6] * len(lost))
    assert [row["target_probability"] for row in lost] == pytest.approx([0.2] * len(lost))
