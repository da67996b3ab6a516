"""Triggers from what comes in to what is decided and told, on both databases, by a clock that the tests set."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from features.brand import apply_brand, parse_brand
from features.instant import MICROSECONDS_PER_DAY, Instant, parse, to_iso
from features.outgoing_schema import OF_CUSTOMERS, trigger_due, trigger_firings, webhook_outbox
from features.schema import decisions
from features.settings import Settings
from features.store import Store
from features.trigger_settings import MICROSECONDS_PER_MINUTE
from features.vector import FEATURES
from serving.application import Application, open_application
from serving.handlers.catalogue import customers, offers
from serving.handlers.events import events
from serving.kept_contents import KeptContents
from serving.subscriptions import Subscription, keep
from serving.trigger_firing import fire_due
from serving.trigger_rules import verdict
from serving.trigger_watch import own_reader, run_now

START = parse("2026-03-02T12:00:00Z")
MINUTE, DAY = MICROSECONDS_PER_MINUTE, MICROSECONDS_PER_DAY
TRIGGERS: dict[str, Any] = {
    "bought": {"kind": "purchase"},
    "welcome": {"kind": "first_purchase", "within_minutes": 120},
    "basket": {"kind": "abandoned_basket", "after_minutes": 30, "channels": ["email"]},
    "rich": {"kind": "points_threshold", "points": 500},
    "fading": {"kind": "points_expiring", "days_before": 3},
    "nearly": {"kind": "tier_near", "progress": 0.9},
    "jubilee": {"kind": "anniversary"},
    "birthday": {"kind": "birthday", "days_before": 1},
    "refill": {"kind": "replenishment", "lead_days": 2},
}


class Shop:
    """A service of which nothing runs by itself."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = START
        url = None if store.is_sqlite else store.engine.url.render_as_string(hide_password=False)
        settings = Settings(store.workspace, url)
        self.application = open_application(settings, lambda: self.now, "default", is_serving=False)
        self.reading = own_reader(self.application)
        self.count = 0

    def configure(self, **triggers: Any) -> None:
        with self.store.writing() as connection:
            apply_brand(connection, parse_brand({"brand": "default", "triggers": triggers}), self.now)
        self.application.triggers.refresh()

    def post(self, kind: str, at: Instant | None = None, customer_id: str = "anna", **fields: Any) -> dict[str, Any]:
        self.count += 1
        event = {
            "event_id": f"e{self.count}",
            "type": kind,
            "customer_id": customer_id,
            "occurred_at": to_iso(self.now if at is None else at),
            **fields,
        }
        self.send(event)
        return event

    def send(self, *posted: dict[str, Any]) -> dict[str, Any]:
        answer = asyncio.run(events(self.application, msgspec.json.encode({"events": list(posted)})))
        return dict(json.loads(answer))

    def buy(self, at: Instant | None = None, customer_id: str = "anna", **fields: Any) -> dict[str, Any]:
        return self.post("purchase", at, customer_id, **{"amount": 10, **fields})

    def put(self, **row: Any) -> None:
        body = msgspec.json.encode({"customers": [{"customer_id": "anna", **row}]})
        assert json.loads(asyncio.run(customers(self.application, body)))["rejected"] == []

    def offer(self, **row: Any) -> None:
        asyncio.run(offers(self.application, msgspec.json.encode({"offers": [{"offer_id": "hello", **row}]})))

    def tick(self, later: Instant = 0) -> list[tuple[str, str]]:
        """What came of all that is due after so much time."""
        self.now += later
        counted = []
        while (found := fire_due(self.reading, KeptContents()))[0]:
            counted += found[1]
        return counted

    def night(self) -> list[tuple[str, str]]:
        return run_now(self.application, "default", lambda _: None)

    def rows(self, query: Any) -> list[Any]:
        with self.store.reading() as connection:
            return list(connection.execute(query).all())


@pytest.fixture
def shop(store: Store) -> Iterator[Shop]:
    shop = Shop(store)
    shop.configure(**TRIGGERS)
    yield shop
    shop.application.close()


def only(*names: str) -> dict[str, Any]:
    return {name: TRIGGERS[name] for name in names}


def test_a_first_purchase_fires_once_and_each_purchase_too(shop: Shop) -> None:
    shop.configure(**only("bought", "welcome"))
    shop.buy(order_id="a")
    shop.buy(order_id="a")  # another line of the same order

    assert sorted(shop.tick()) == [("bought", "fired"), ("welcome", "fired")]

    shop.buy(order_id="b")
    assert shop.tick() == [("bought", "fired")]


def test_a_firing_is_a_decision_of_the_log_and_is_told(shop: Shop) -> None:
    shop.configure(**only("bought"))
    shop.offer(kind="information", priority=500)
    with shop.store.writing() as connection:
        wanted = ("trigger.purchase",)
        keep(connection, Subscription("sub", "default", "https://example.com/", wanted, "print", START))
    shop.buy(order_id="a")

    shop.tick()

    (decision,) = shop.rows(select(decisions.c.decision_id, decisions.c.customer_id, decisions.c.idempotency_key))
    (firing,) = shop.rows(select(trigger_firings))
    (message,) = shop.rows(select(webhook_outbox.c.message_id, webhook_outbox.c.body))
    event = json.loads(message.body)
    assert firing.decision_id == decision.decision_id == event["data"]["decision_id"]
    assert decision.idempotency_key == message.message_id == event["id"]
    assert event["type"] == "lagniappe.trigger.purchase"
    assert (event["data"]["trigger"], event["data"]["customer_id"]) == ("bought", "anna")


def test_what_comes_twice_late_or_out_of_order_fires_no_more(shop: Shop) -> None:
    shop.configure(**only("bought", "welcome"))
    event = shop.buy(order_id="a")
    shop.tick()

    assert shop.send(event)["duplicates"] == 1
    assert shop.tick() == []
    assert len(shop.send({**event, "amount": 11})["rejected"]) == 1
    assert shop.tick() == []
    shop.buy(START - 3 * DAY, order_id="older")  # of before the purchase that was the first we knew of
    assert shop.tick() == []
    shop.buy(START - 20 * MINUTE, order_id="recent")
    assert shop.tick() == [("bought", "fired")]


def test_a_purchase_that_came_too_late_fires_nothing(shop: Shop) -> None:
    shop.configure(**only("bought", "welcome"))
    shop.buy(START - 121 * MINUTE, order_id="a")

    assert (shop.tick(), shop.rows(select(trigger_due))) == ([], [])


def test_a_basket_left_alone_fires_after_its_time(shop: Shop) -> None:
    shop.configure(**only("basket"))
    shop.post("cart_add", product_id="milk")
    assert shop.tick(29 * MINUTE) == []
    shop.post("cart_add", product_id="tea")  # so the time begins anew

    assert shop.tick(29 * MINUTE) == []
    assert shop.tick(1 * MINUTE) == [("basket", "fired")]
    assert shop.tick(DAY) == []
    (decision,) = shop.rows(select(decisions.c.body))
    assert json.loads(decision.body)["request"]["channels"] == ["email"]


@pytest.mark.parametrize("minutes", [0, 10, 31])
def test_a_basket_that_was_bought_does_not_fire_however_late_that_is_told(shop: Shop, minutes: int) -> None:
    shop.configure(**only("basket"))
    bought_at = START + 5 * MINUTE
    shop.post("cart_add", product_id="milk")
    shop.now = START + max(minutes, 5) * MINUTE
    shop.buy(bought_at)

    assert shop.tick(60 * MINUTE) == []


def test_an_addition_that_is_told_late_does_not_put_the_basket_off(shop: Shop) -> None:
    shop.configure(**only("basket"))
    shop.post("cart_add", product_id="milk")
    shop.now += 20 * MINUTE
    shop.post("cart_add", START - 10 * MINUTE, product_id="tea")

    assert shop.tick(10 * MINUTE) == [("basket", "fired")]


def test_a_basket_found_a_day_later_is_left_alone(shop: Shop) -> None:
    shop.configure(**only("basket"))
    shop.post("cart_add", product_id="milk")

    assert shop.tick(2 * DAY) == [("basket", "too_late")]


def test_points_fire_when_they_cross_the_line_and_again_after_falling(shop: Shop) -> None:
    shop.configure(**only("rich"))
    found = []
    for balance in (400, 499, 500, 600, 300, 501):
        shop.now += MINUTE
        shop.post("points_earned", points_balance=balance)
        found.append(len(shop.tick()))

    assert found == [0, 0, 1, 0, 0, 1]


def test_points_first_seen_above_the_line_have_crossed_it_only_if_the_event_says_so(shop: Shop) -> None:
    shop.configure(**only("rich"))
    shop.post("points_earned", customer_id="known", points_balance=700)
    shop.post("points_earned", customer_id="new", points=600, points_balance=600)
    shop.post("points_spent", customer_id="fell", points=100, points_balance=700)

    assert shop.tick() == [("rich", "fired")]
    assert [row.customer_id for row in shop.rows(select(trigger_firings))] == ["new"]


def test_a_balance_that_is_told_out_of_order_is_not_the_latest(shop: Shop) -> None:
    shop.configure(**only("rich"))
    shop.post("points_earned", points=100, points_balance=400)
    shop.tick()
    shop.post("points_earned", START - DAY, points=300, points_balance=900)

    assert shop.tick() == []


def test_expiring_points_fire_days_before(shop: Shop) -> None:
    shop.configure(**only("fading"))
    shop.post("points_earned", points_balance=50, points_expire_at=to_iso(START + 4 * DAY))

    assert shop.tick() == []
    assert shop.tick(DAY) == [("fading", "fired")]
    assert shop.tick(DAY) == []


def test_points_that_were_spent_do_not_expire(shop: Shop) -> None:
    shop.configure(**only("fading"))
    shop.post("points_earned", points_balance=50, points_expire_at=to_iso(START + 4 * DAY))
    shop.now += MINUTE
    shop.post("points_spent", points=50, points_balance=0)

    assert shop.tick(2 * DAY) == []


def test_a_tier_that_comes_near_fires_once_until_it_is_far_again(shop: Shop) -> None:
    shop.configure(**only("nearly"))
    found = []
    for progress in (0.5, 0.95, 0.97, 0.2, 0.9):
        shop.put(tier="silver", tier_progress=progress)
        found.append(len(shop.tick(DAY)))

    assert found == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("timezone", "due"),
    [("UTC", "2026-03-04T09:00:00Z"), ("Asia/Vladivostok", "2026-03-03T23:00:00Z")],
)
def test_a_birthday_fires_at_its_local_hour_days_before(shop: Shop, timezone: str, due: str) -> None:
    shop.configure(**only("birthday"))
    shop.put(birth_date="1990-03-05", timezone=timezone)

    assert shop.tick(parse(due) - 1 - START) == []
    assert shop.tick(1) == [("birthday", "fired")]
    assert shop.tick(DAY) == []


def test_an_anniversary_of_a_leap_day_is_a_day_earlier_in_other_years(shop: Shop) -> None:
    shop.configure(**only("jubilee"))
    shop.now = parse("2026-02-27T12:00:00Z")
    shop.put(joined_at="2024-02-29T20:00:00Z")

    assert shop.tick(DAY) == [("jubilee", "fired")]


def test_who_joined_this_year_has_no_anniversary(shop: Shop) -> None:
    shop.configure(**only("jubilee"))
    shop.put(joined_at=to_iso(START))

    assert shop.tick(DAY) == []


def test_a_product_that_runs_out_fires_its_days_before_and_once_for_each_purchase(shop: Shop) -> None:
    shop.configure(refill={"kind": "replenishment", "lead_days": 5, "cooldown_days": 0})
    for times in (270, 180, 90, 0):
        shop.buy(START - times * DAY, product_id="lenses", order_id=str(times))
    shop.tick()

    assert shop.tick(84 * DAY) == []
    shop.night()  # of the 84th day: what comes due within two days is noted
    assert shop.tick(DAY + MINUTE) == [("refill", "fired")]  # day 85 of 90
    assert shop.night() == []


def test_the_night_finds_whoever_files_brought_in(shop: Shop) -> None:
    shop.configure()
    shop.put(birth_date="1990-03-03", joined_at="2020-03-02")
    shop.buy(START - 100 * MINUTE)
    shop.configure(**TRIGGERS)

    assert sorted(shop.night()) == [("birthday", "fired"), ("jubilee", "fired"), ("welcome", "fired")]
    assert shop.night() == []


def test_churn_fires_for_whoever_crossed_the_line_since_the_last_night(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.configure(leaving={"kind": "churn_risk", "probability": 0.5})
    for customer_id, days in (("long", 60), ("leaving", 30), ("here", 2)):
        shop.buy(START - days * DAY, customer_id)

    class ByRecency:
        """Half a chance of staying away after thirty days less an hour."""

        def predict(self, features: Any, _: Instant) -> Any:
            days = features[:, FEATURES.index("days_since_last_order")]
            return (days > 30.0 - 1 / 24) * 0.5

    state = shop.application.loader.state("default")
    changed = type(state)(offers=state.offers, models=type(state.models)(churn=ByRecency()))  # type: ignore[arg-type]
    monkeypatch.setitem(shop.application.loader._states, "default", changed)

    assert shop.night() == [("leaving", "fired")]
    assert [row.customer_id for row in shop.rows(select(trigger_firings))] == ["leaving"]
    shop.now += DAY
    assert shop.night() == []


@pytest.mark.parametrize(
    ("kind", "purpose", "reason"),
    [
        ("contact_blocked", None, "contact_blocked"),
        ("consent_changed", "attributes", "no_consent"),
        ("consent_changed", "purchases", "fired"),
        ("consent_changed", "browsing", "fired"),
    ],
)
def test_a_birthday_is_not_used_of_whoever_refused_it(shop: Shop, kind: str, purpose: str | None, reason: str) -> None:
    shop.configure(**only("birthday"))
    shop.put(birth_date="1990-03-03")
    shop.post(kind, **({"purpose": purpose, "granted": False} if purpose else {}))

    assert shop.tick() == [("birthday", reason)]
    assert len(shop.rows(select(decisions))) == (reason == "fired")


def test_no_channel_that_was_unsubscribed_from_is_used(shop: Shop) -> None:
    shop.configure(bought={"kind": "purchase", "channels": ["email"]})
    shop.offer(kind="information", priority=500, channels=["email"])
    shop.post("unsubscribed", channel="email")
    shop.buy()

    assert shop.tick() == [("bought", "fired")]
    (row,) = shop.rows(select(decisions))
    assert (row.offer_id, json.loads(row.body)["answer"]["no_offer_reason"]) == ("none", "no_consent")


def test_a_cooldown_holds_between_firings(shop: Shop) -> None:
    shop.configure(bought={"kind": "purchase", "cooldown_days": 1})
    found = []
    for order in range(4):
        shop.buy(order_id=str(order))
        found += shop.tick()
        shop.now += 10 * 60 * MINUTE

    assert [outcome for _, outcome in found] == ["fired", "cooldown", "cooldown", "fired"]


def test_merged_customers_are_one(shop: Shop) -> None:
    shop.configure(**only("bought"))
    shop.buy(customer_id="anonymous", order_id="a")
    shop.tick()
    shop.post("customer_merged", merged_customer_id="anonymous")
    shop.buy(order_id="b")

    assert shop.tick() == [("bought", "fired")]


def test_of_whoever_is_erased_nothing_is_kept_and_nothing_more_told(shop: Shop) -> None:
    shop.configure(**only("bought", "basket", "rich"))
    with shop.store.writing() as connection:
        keep(connection, Subscription("sub", "default", "https://example.com/", ("*",), "print", START))
    for customer_id in ("anna", "boris"):
        shop.buy(customer_id=customer_id)
        shop.post("points_earned", customer_id=customer_id, points=1, points_balance=1)
        shop.post("cart_add", customer_id=customer_id)
    shop.tick()

    shop.post("customer_erased")

    kept = {table.name: {row.customer_id for row in shop.rows(select(table))} for table in OF_CUSTOMERS}
    assert {name: people for name, people in kept.items() if people != {"boris"}} == {"webhook_dead": set()}


def test_workers_that_look_at_once_fire_once(shop: Shop) -> None:
    shop.configure(**only("bought"))
    for number in range(100):
        shop.buy(customer_id=f"c{number}")
    counted: list[tuple[str, str]] = []

    def work() -> None:
        ours = own_reader(shop.application)
        while (found := fire_due(ours, KeptContents()))[0]:
            counted.extend(found[1])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counted == [("bought", "fired")] * 100
    assert len(shop.rows(select(decisions))) == 100


def test_a_crash_before_the_end_fires_once_after_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.configure(**only("bought"))
    shop.buy()
    clock: Callable[[], Instant] = lambda: START  # noqa: E731
    monkeypatch.setattr("serving.trigger_firing.system_clock", clock)
    with monkeypatch.context() as broken:
        broken.setattr("serving.trigger_firing.enqueue", _killed)
        with pytest.raises(SystemExit):  # which nothing catches
            shop.tick()
    assert (shop.rows(select(decisions)), shop.tick()) == ([], [])  # what was taken is not free yet

    monkeypatch.setattr("serving.trigger_firing.system_clock", lambda: START + 2 * MINUTE)

    assert shop.tick() == [("bought", "fired")]
    assert len(shop.rows(select(decisions))) == 1


def _killed(*_: Any) -> None:
    raise SystemExit


def test_what_is_asked_for_while_somebody_looks_is_looked_at_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving import trigger_firing

    shop.configure(**only("bought"))
    shop.buy(order_id="a")
    looked = trigger_firing._looked

    def slowly(application: Application, looks: Any, now: Instant) -> Any:
        found = looked(application, looks, now)
        if shop.count == 1:
            shop.buy(order_id="b")
        return found

    monkeypatch.setattr(trigger_firing, "_looked", slowly)

    assert shop.tick() == [("bought", "fired"), ("bought", "fired")]
    assert shop.rows(select(trigger_due)) == []


def test_one_customer_who_fails_holds_up_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving import trigger_firing, trigger_scan

    def failing(trigger: Any, known: Any, now: Instant) -> Any:
        if known.state.profile.customer_ids == ["c3"]:
            raise ZeroDivisionError
        return verdict(trigger, known, now)

    shop.configure(**only("bought"))
    for number in range(6):
        shop.buy(customer_id=f"c{number}")
    monkeypatch.setattr(trigger_firing, "verdict", failing)
    monkeypatch.setattr(trigger_scan, "verdict", failing)

    assert sorted(shop.tick()) == [("bought", "failed"), *[("bought", "fired")] * 5]
    assert shop.night() == []
    monkeypatch.undo()
    assert shop.night() == [("bought", "fired")]


def test_a_trigger_that_was_taken_out_looks_at_nobody(shop: Shop) -> None:
    shop.buy()
    shop.configure(**only("nearly"))

    assert (shop.tick(), shop.rows(select(trigger_due))) == ([], [])
