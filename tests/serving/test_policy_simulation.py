"""What a policy would do to everybody, before it holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from features.catalogue import upsert_customers, upsert_offers
from features.entities import Customer, Offer, OfferKind
from features.event_log import append
from features.events import Event, EventType
from features.instant import MICROSECONDS_PER_DAY, parse, to_iso
from features.schema import decisions, reservations
from features.store import open_store
from lagniappe import application as command

NOW = parse("2025-11-22T10:00:00Z")
CUSTOMERS = 90
Simulate = Callable[..., dict[str, Any]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Everybody buys; gold customers alone may have the gift."""
    store = open_store(tmp_path)
    tenth = Offer(offer_id="tenth", kind=OfferKind.DISCOUNT_PERCENT, value=2.0)
    gift = Offer(offer_id="gift", kind=OfferKind.GIFT, value=1.0, eligibility={"tier": ["gold"]}, priority=500.0)
    people = [
        Customer(customer_id=f"c{n}", tier="gold" if n % 3 == 0 else "plain", attributes={"city": "Omsk"})
        for n in range(CUSTOMERS)
    ]
    bought = [
        Event(event_id=f"b{n}", type=EventType.PURCHASE, occurred_at=NOW - MICROSECONDS_PER_DAY,
              customer_id=f"c{n}", amount=500_000) for n in range(CUSTOMERS)
    ]  # fmt: skip
    with store.writing() as connection:
        upsert_offers(connection, [tenth, gift], NOW)
        upsert_customers(connection, people, NOW)
        append(connection, bought, NOW, lake=store.lake)
    store.close()
    return tmp_path


@pytest.fixture
def simulate(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Simulate:
    def run(text: str) -> dict[str, Any]:
        (workspace / "policy.yaml").write_text(text)
        asked = ["simulate-policy", "--policy", str(workspace / "policy.yaml"), "--as-of", to_iso(NOW)]
        capsys.readouterr()
        command(
            [*asked, "--out", str(workspace / "page.html"), "--workspace", str(workspace), "--json"],
            standalone_mode=False,
        )
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_what_is_expected_of_a_policy_stands_beside_what_holds_now(simulate: Simulate) -> None:
    found = simulate("epsilon: 0.3\n")

    before, after = found["before"], found["after"]
    assert before["customers"] == after["customers"] == CUSTOMERS
    gold = CUSTOMERS // 3
    assert before["offers"]["gift"]["made"] == pytest.approx(gold * (0.95 + 0.05 / 3))
    assert after["offers"]["gift"]["made"] == pytest.approx(gold * (0.7 + 0.3 / 3))
    assert before["offers"]["gift"]["eligible"] == gold
    for total in (before, after):
        made = sum(one["made"] for one in total["offers"].values())
        assert made + total["nothing"] == pytest.approx(CUSTOMERS)
        assert total["expected_cost"] == pytest.approx(sum(one["cost"] for one in total["offers"].values()))
        assert total["expected_cost"] > 0
    assert after["expected_margin"] < before["expected_margin"]


def test_who_is_left_with_nothing_is_counted_by_why(simulate: Simulate) -> None:
    found = simulate("exclusions:\n  - offers: [tenth]\n")

    left_out = found["after"]["none_possible"]  # one offer is kept from them by the tier, the other by the policy
    assert sum(left_out.values()) == CUSTOMERS - CUSTOMERS // 3
    assert set(left_out) <= {"tier", "excluded_by_policy"}
    assert found["before"]["none_possible"] == {}


def test_a_group_that_gets_less_stands_out(simulate: Simulate, workspace: Path) -> None:
    groups = {(one["attribute"], one["group"]): one for one in simulate("epsilon: 0.0\n")["groups"]}

    assert groups["tier", "gold"]["stands_out"] is False
    assert groups["tier", "plain"]["stands_out"] is True
    assert groups["tier", "plain"]["customers"] == CUSTOMERS - CUSTOMERS // 3
    assert not any(attribute == "city" for attribute, _ in groups)  # of one group there is nothing to compare
    page = (workspace / "page.html").read_text()
    assert "plain, stands out" in page


def test_nothing_is_logged_reserved_or_put_in_force(simulate: Simulate, workspace: Path) -> None:
    simulate("epsilon: 0.5\n")

    store = open_store(workspace)
    with store.reading() as connection:
        counts = [connection.execute(select(func.count()).select_from(of)).scalar() for of in (decisions, reservations)]
    store.close()
    assert counts == [0, 0]
    assert simulate("epsilon: 0.5\n")["before"]["offers"]["gift"]["made"] == pytest.approx(30 * (0.95 + 0.05 / 3))


def test_a_policy_that_names_what_is_not_there_is_refused(simulate: Simulate) -> None:
    assert "no_such_offer" in simulate("exclusions:\n  - offers: [no_such_offer]\n")["error"]["message"]
