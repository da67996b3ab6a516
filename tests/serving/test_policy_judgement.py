"""A policy file is judged by the log before it holds."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features.catalogue import upsert_offers
from features.entities import Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse, to_iso
from features.settings import Settings
from features.store import open_store
from lagniappe import application as command
from serving.application import open_application
from serving.handlers.next_best_offer import next_best_offer

NOW = parse("2025-11-22T10:00:00Z")
AFTER = to_iso(NOW + 20 * MICROSECONDS_PER_DAY)
EXPLORING = "epsilon: 1.0\n"
GREEDY = "epsilon: 0.0\n"
Apply = Callable[..., dict[str, Any]]


def fill(workspace: Path, customers: int, *, good: bool) -> None:
    """Everybody is decided for by chance; who got the offer that values most spends much, or who got nothing does."""
    store = open_store(workspace)
    with store.writing() as connection:
        offer = Offer(offer_id="tenth", kind=OfferKind.DISCOUNT_PERCENT, value=2.0)
        upsert_offers(connection, [offer], NOW)
        bought = [
            Event(event_id=f"b{n}", type=EventType.PURCHASE, occurred_at=NOW - MICROSECONDS_PER_DAY,
                  customer_id=f"c{n}", amount=500_000) for n in range(customers)
        ]  # fmt: skip
        append(connection, bought, NOW, lake=store.lake)
    store.close()
    (workspace / "explore.yaml").write_text(EXPLORING)
    command(["policy", "apply", str(workspace / "explore.yaml"), "--clock", to_iso(NOW), "--workspace", str(workspace)],
            standalone_mode=False)  # fmt: skip
    service = open_application(Settings(workspace=workspace), lambda: NOW, "default")
    bodies = [json.dumps({"customer_id": f"c{n}"}).encode() for n in range(customers)]
    answers = [json.loads(asyncio.run(next_best_offer(service, body))) for body in bodies]
    spent = [
        Event(event_id=f"s{n}", type=EventType.PURCHASE, occurred_at=NOW + MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", amount=1_000_000)
        for n, answer in enumerate(answers) if bool(answer["offers"]) is good
    ]  # fmt: skip
    with service.store.writing() as connection:
        append(connection, spent, NOW + 2 * MICROSECONDS_PER_DAY, lake=service.store.lake)
    service.close()


@pytest.fixture
def apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Apply:
    def run(text: str, *further: str) -> dict[str, Any]:
        (tmp_path / "policy.yaml").write_text(text)
        asked = ["policy", "apply", str(tmp_path / "policy.yaml"), "--clock", AFTER, "--workspace", str(tmp_path)]
        capsys.readouterr()
        command([*asked, "--json", *further], standalone_mode=False)
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_a_policy_that_surely_earns_more_holds_and_the_finding_is_kept(tmp_path: Path, apply: Apply) -> None:
    fill(tmp_path, 200, good=True)

    applied = apply(GREEDY)

    assert applied["version"] == 2
    assert applied["finding"].startswith("dr ")
    assert "200 decisions" in applied["finding"]


def test_a_policy_that_earns_less_does_not_hold_without_force(tmp_path: Path, apply: Apply) -> None:
    fill(tmp_path, 200, good=False)

    refused = apply(GREEDY)
    forced = apply(GREEDY, "--force", "--by", "ada")

    assert refused["error"]["code"] == "gate"
    assert "the lower bound is" in refused["error"]["message"]
    assert (forced["version"], forced["applied_by"]) == (2, "ada")
    assert forced["finding"].startswith("forced past gate policy_value by ada: ")


def test_a_policy_that_would_have_decided_alike_holds(tmp_path: Path, apply: Apply) -> None:
    fill(tmp_path, 110, good=False)

    assert apply(EXPLORING)["finding"] == "it would have decided as was decided, in all of 110 decisions"


def test_where_too_little_was_decided_a_policy_holds_unjudged(tmp_path: Path, apply: Apply) -> None:
    fill(tmp_path, 20, good=False)

    assert apply(GREEDY)["finding"] == "not judged: 20 decisions can be judged by margin, 100 are needed"
