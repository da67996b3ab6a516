"""Leases and reservations together never pass a limit, and what was leased comes back or is accounted for."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from features.brand import parse_brand
from features.budget_schema import budget_usage, leases
from features.budget_usage import BRAND, BudgetKey, read_spending
from features.entities import Offer, OfferKind
from features.instant import MICROSECONDS_PER_DAY, parse
from features.money import to_money
from features.schema import offer_usage, reservations
from features.store import Store, open_store
from serving.leases import TERM_MICROSECONDS, UNITS, LeaseKey, expired_holders, give_back, held_by, hold, scarce, settle
from serving.limits import limits_of
from serving.offer_table import OfferTable, build_offer_table
from serving.policy import BrandTerms, Policy
from serving.refusal import Refusal
from serving.reservations import Reservation, read_usage, reserve

NOW = parse("2026-03-05T12:00:00")
UNITS_OF_GIFT = LeaseKey("default", UNITS, "gift")


def gift(**terms: object) -> Offer:
    return Offer(offer_id="gift", kind=OfferKind.DISCOUNT_AMOUNT, value=2.0, campaign_id="spring", **terms)  # type: ignore[arg-type]


def table_of(offer: Offer, **settings: object) -> OfferTable:
    table = build_offer_table([offer], [], BrandTerms("default"), Policy())
    return replace(table, limits=limits_of(parse_brand({"brand": "default", **settings})))


def holding(
    store: Store, holder: str, table: OfferTable, spent: dict[LeaseKey, int] | None = None, at: int = NOW
) -> dict[LeaseKey, int]:
    with store.writing() as connection:
        return hold(connection, holder, scarce(connection, table, at), spent or {}, at)


def asked(name: str, offer: Offer) -> Reservation:
    return Reservation(name, offer, "default", name, NOW, NOW + MICROSECONDS_PER_DAY, to_money(2))


def reserved(store: Store, count: int, offer: Offer, name: str = "d") -> int:
    """How many of so many were had."""
    with store.writing() as connection:
        return reserve(connection, [asked(f"{name}{number}", offer) for number in range(count)], NOW).count(None)


def issued(store: Store) -> int:
    with store.reading() as connection:
        return read_usage(connection)["default", "gift"].issued


def test_a_lease_is_a_hundredth_and_counts_as_given_away_for_everybody(store: Store) -> None:
    offer = gift(cap_total=1_000)

    assert holding(store, "a", table_of(offer)) == {UNITS_OF_GIFT: 10}
    assert issued(store) == 10
    assert reserved(store, 1_000, offer) == 990


def test_of_the_last_units_nothing_is_leased(store: Store) -> None:
    assert holding(store, "a", table_of(gift(cap_total=1_000, stock=9))) == {}


def test_workers_together_lease_no_more_than_a_tenth(store: Store) -> None:
    held = [holding(store, f"w{number}", table_of(gift(cap_total=50))) for number in range(20)]

    assert sum(one.get(UNITS_OF_GIFT, 0) for one in held) == 5


def test_what_has_become_scarce_is_given_back(store: Store) -> None:
    offer = gift(cap_total=50)
    holding(store, "a", table_of(offer))
    assert reserved(store, 50, offer) == 49

    assert holding(store, "a", table_of(offer)) == {}
    assert reserved(store, 2, offer, "late") == 1


def test_what_was_spent_is_never_given_back_unsettled(store: Store) -> None:
    offer = gift(cap_total=1_000)
    holding(store, "a", table_of(offer))
    reserved(store, 990, offer)

    assert holding(store, "a", table_of(offer), {UNITS_OF_GIFT: 3}) == {UNITS_OF_GIFT: 3}
    assert reserved(store, 100, offer, "late") == 7


def test_spent_units_settled_with_their_reservations_count_once(store: Store) -> None:
    offer = gift(cap_total=1_000)
    holding(store, "a", table_of(offer))

    with store.writing() as connection:
        settle(connection, "a", {UNITS_OF_GIFT: 3})
        assert reserve(connection, [asked(f"s{number}", offer) for number in range(3)], NOW) == [None] * 3

    assert issued(store) == 10
    with store.writing() as connection:
        assert held_by(connection, "a") == {UNITS_OF_GIFT: 7}


def test_more_than_is_held_cannot_be_settled(store: Store) -> None:
    holding(store, "a", table_of(gift(cap_total=1_000)))

    with pytest.raises(ValueError, match="cannot be taken"), store.writing() as connection:
        settle(connection, "a", {UNITS_OF_GIFT: 11})

    assert issued(store) == 10


def test_a_worker_that_stops_gives_everything_back(store: Store) -> None:
    table = table_of(
        gift(cap_total=1_000, budget=to_money(5_000)), budget={"amount": 9_000}, campaigns={"spring": {"amount": 8_000}}
    )
    assert sorted(key.scope for key in holding(store, "a", table)) == ["campaign", "day", "offer_budget", "units"]

    with store.writing() as connection:
        give_back(connection, "a")

    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(leases)).scalar_one() == 0
        moved = [*connection.execute(select(offer_usage)).all(), *connection.execute(select(budget_usage)).all()]
        assert all(number == 0 for row in moved for number in row if isinstance(number, int))
        assert expired_holders(connection, NOW + 2 * TERM_MICROSECONDS) == []


def test_money_leased_of_a_brands_budget_is_reserved_by_day_and_given_back_the_next(store: Store) -> None:
    table = table_of(gift(), budget={"amount": 1_000, "from": "2026-03-01", "to": "2026-04-01"})
    of_brand = BudgetKey("default", BRAND)
    (key,) = holding(store, "a", table)

    (next_key,) = holding(store, "a", table, at=NOW + MICROSECONDS_PER_DAY)

    with store.reading() as connection:
        spending = read_spending(connection, [of_brand, BudgetKey(*key), BudgetKey(*next_key)])
    assert int(next_key.name) == int(key.name) + 1
    assert [one.reserved for one in spending.values()] == [
        to_money(9.9),
        0,
        to_money(9.9),
    ]  # of what the lease of 10 had left


def test_a_shared_budget_is_not_passed_beside_a_lease(store: Store) -> None:
    offer, table = gift(), table_of(gift(), campaigns={"spring": {"amount": 200}})
    holding(store, "a", table)
    under = table.limits.of(offer, NOW)

    wanted = [Reservation(f"d{n}", offer, "default", f"c{n}", NOW, NOW + 1, to_money(2), 0, under) for n in range(101)]
    with store.writing() as connection:
        refusals = reserve(connection, wanted, NOW)

    assert refusals == [None] * 99 + [Refusal.CAMPAIGN_BUDGET] * 2  # a lease of 2 of the 200


def test_who_has_not_been_heard_of_for_a_term_is_named_and_keeps_counting(store: Store) -> None:
    holding(store, "a", table_of(gift(cap_total=1_000)))

    with store.reading() as connection:
        assert expired_holders(connection, NOW + TERM_MICROSECONDS - 1) == []
        assert expired_holders(connection, NOW + TERM_MICROSECONDS) == ["a"]
    assert issued(store) == 10


def test_workers_that_lease_and_reserve_at_once_issue_exactly_the_cap(store: Store) -> None:
    offer = gift(cap_total=200)
    had: list[int] = []

    def work(name: str) -> None:
        count = 0
        for step in range(40):
            holding(store, name, table_of(offer))
            count += reserved(store, 3, offer, f"{name}.{step}.")
        with store.writing() as connection:
            give_back(connection, name)
        had.append(count + reserved(store, 200, offer, f"{name}.end."))

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(had) == 200
    assert issued(store) == 200


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.9])
def test_a_worker_killed_at_any_moment_leaves_counters_that_equal_leases_and_reservations(
    sqlite_store: Store, seconds: float
) -> None:
    offer = gift(cap_total=5_000)
    victim = subprocess.Popen(
        [sys.executable, __file__, str(sqlite_store.workspace)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": "."},
    )
    while not reserved(sqlite_store, 1, offer, f"x{time.monotonic_ns()}") or not leased(sqlite_store):
        time.sleep(0.01)
    time.sleep(seconds)
    victim.kill()
    victim.wait()

    with sqlite_store.reading() as connection:
        written = connection.execute(select(func.count()).select_from(reservations)).scalar_one()
    assert issued(sqlite_store) == written + leased(sqlite_store)
    with sqlite_store.writing() as connection:
        give_back(connection, "victim")
    assert reserved(sqlite_store, 5_000, offer, "rest") == 5_000 - written


def leased(store: Store) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.coalesce(func.sum(leases.c.amount), 0))).scalar_one()


def lease_and_reserve_for_ever(workspace: Path) -> None:
    store, offer = open_store(workspace), gift(cap_total=5_000)
    number = 0
    while True:
        number += 1
        holding(store, "victim", table_of(offer))
        reserved(store, 1, offer, f"v{number}.")


if __name__ == "__main__":
    lease_and_reserve_for_ever(Path(sys.argv[1]))
