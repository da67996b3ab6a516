"""Subscribing by call and by verb, and what operators are told."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner

from features.instant import parse
from features.outgoing_schema import webhook_dead, webhook_outbox
from features.store import open_store
from lagniappe import application

NOW = "2017-11-20T12:00:00Z"
URL = "https://192.0.2.1/hook"
"""Of addresses that are nobody's, so that nothing is ever reached."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("subscribe") / "workspace"


@pytest.fixture(scope="module")
def client(client_of: Callable[[Any], Any], workspace: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAGNIAPPE_WORKSPACE", str(workspace))
        environment.setenv("LAGNIAPPE_CLOCK", NOW)
        environment.setenv("LAGNIAPPE_WEBHOOKS_ALLOW", "private")
        from serving.service import Lagniappe

        yield client_of(Lagniappe.to_asgi())


@pytest.fixture
def rows(workspace: Path) -> Iterator[Callable[[Any], list[Any]]]:
    store = open_store(workspace)

    def read(query: Any) -> list[Any]:
        with store.reading() as connection:
            return list(connection.execute(query).all())

    yield read
    store.close()


def verb(workspace: Path, *words: str, status: int = 0) -> Any:
    done = CliRunner().invoke(application, [*words, "--workspace", str(workspace), "--json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout.splitlines()[0]) if done.stdout else None


def test_a_subscription_is_listed_without_its_secret_until_it_ends(client: Any) -> None:
    made = client.post("/subscribe", url=URL, events=["trigger.*", "lagniappe.decision.made"])
    secret = made.pop("secret")

    assert secret.startswith("whsec_")
    assert made["events"] == ["trigger.*", "decision.made"]
    assert client.post("/subscriptions")["subscriptions"] == [made]
    assert client.post("/subscriptions", brand="other")["subscriptions"] == []
    assert client.post("/unsubscribe", subscription_id=made["subscription_id"]) == {"ended": made["subscription_id"]}
    assert client.post("/subscriptions")["subscriptions"] == []
    again = client.ask("POST", "/unsubscribe", json={"subscription_id": made["subscription_id"]})
    assert (again.status_code, again.json()["error"]["field"]) == (404, "subscription_id")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"events": ["*"]}, "url"),
        ({"url": URL}, "events"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["weather"]}, "events"),
        ({"url": "http://169.254.169.254/latest", "events": ["*"]}, "url"),
        ({"url": "file:///etc/passwd", "events": ["*"]}, "url"),
        ({"url": 5, "events": ["*"]}, "url"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused_by_its_field(client: Any, asked: dict[str, Any], field: str) -> None:
    response = client.ask("POST", "/subscribe", json=asked)

    assert (response.status_code, response.json()["error"]["field"]) == (400, field)


def test_decisions_are_told_and_dry_runs_and_blocks_are_not(client: Any, rows: Callable[[Any], list[Any]]) -> None:
    made = client.post("/subscribe", url=URL, events=["decision.made"])
    blocked = {"event_id": "b", "type": "contact_blocked", "customer_id": "blocked", "occurred_at": NOW}
    client.post("/events", events=[blocked])

    decided = client.post("/next_best_offer", customer_id="anna", idempotency_key="once")
    client.post("/next_best_offer", customer_id="anna", idempotency_key="once")
    client.post("/next_best_offer", customer_id="anna", dry_run=True)
    client.post("/next_best_offer", customer_id="blocked")

    assert [row.message_id for row in rows(select(webhook_outbox.c.message_id))] == [decided["decision_id"]]
    client.post("/unsubscribe", subscription_id=made["subscription_id"])
    assert rows(select(webhook_outbox)) == []


def test_the_verbs_do_what_the_calls_do(client: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAGNIAPPE_WEBHOOKS_ALLOW", "private")
    made = verb(workspace, "webhooks", "subscribe", URL, "--events", "trigger.*")

    (listed,) = verb(workspace, "webhooks", "list")["subscriptions"]
    assert (listed["subscription_id"], listed["waiting"]) == (made["subscription_id"], 0)
    assert verb(workspace, "webhooks", "end", made["subscription_id"]) == {"ended": made["subscription_id"]}
    verb(workspace, "webhooks", "end", made["subscription_id"], status=1)
    assert client.post("/subscriptions")["subscriptions"] == []


def test_dead_letters_are_told_by_the_doctor_and_delivered_again(tmp_path: Path) -> None:
    made = verb(tmp_path, "webhooks", "subscribe", "https://example.com/hook")
    store = open_store(tmp_path)
    names = ("message_id", "brand", "type", "customer_id", "body", "last_error")
    texts = dict(zip(names, ("m1", "default", "decision.made", "anna", "{}", "status 500"), strict=True))
    dead = {"subscription_id": made["subscription_id"], "queued_at": 1, "attempts": 30, "died_at": parse(NOW), **texts}
    with store.writing() as connection:
        connection.execute(insert(webhook_dead), dead)
    store.close()

    found = {one["check"]: one for one in verb(tmp_path, "doctor")["findings"]}
    assert found["webhooks"]["status"] == "warning"
    (letter,) = verb(tmp_path, "webhooks", "dead")["dead"]
    assert (letter["message_id"], letter["died_at"], letter["last_error"]) == ("m1", NOW, "status 500")
    assert verb(tmp_path, "webhooks", "redeliver", "other") == {"redelivered": 0}
    assert verb(tmp_path, "webhooks", "redeliver", "--all") == {"redelivered": 1}
    assert verb(tmp_path, "webhooks", "dead")["dead"] == []
    verb(tmp_path, "webhooks", "redeliver", status=2)


def test_triggers_are_run_and_listed_by_verbs(tmp_path: Path) -> None:
    brand = tmp_path / "brand.yaml"
    brand.write_text("brand: default\ntriggers:\n  joy: {kind: birthday, hour: 9}\n")
    rows = tmp_path / "customers.csv"
    rows.write_text("customer_id,birth_date\nanna,1990-11-20\nboris,1990-11-22\n")
    workspace = tmp_path / "workspace"
    verb(workspace, "brand", "apply", str(brand))
    verb(workspace, "ingest", "customers", str(rows))

    assert verb(workspace, "triggers", "run", "--clock", NOW) == {"outcomes": {"joy": {"fired": 1}}}
    assert verb(workspace, "triggers", "run", "--clock", NOW) == {"outcomes": {}}
    (listed,) = verb(workspace, "triggers", "list")["triggers"]
    assert (listed["trigger"], listed["kind"], listed["outcomes"]) == ("joy", "birthday", {"fired": 1})
