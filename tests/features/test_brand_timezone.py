import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from features import brand_timezone, schema
from features.batching import to_profile
from features.brand import parse_brand, read_brand
from features.brand_timezone import put_in_force
from features.customer_intake import take_customers
from features.entities import Customer
from features.event_border import parse_event
from features.event_files import ingest_events
from features.event_log import append
from features.ingest_report import Progress
from features.instant import parse
from features.packing import unpack
from features.profile_store import read_profile
from features.store import Store, open_store

NOW = parse("2024-06-01")
AT_TEN = 10
"""Every event here happens on a Monday at ten o'clock UTC."""
UNTOUCHED = b"as it was"


def view(store: Store, customer_id: str, brand: str = "default", event_id: str = "1", **fields: object) -> None:
    row = {"event_id": f"{customer_id}{event_id}", "type": "view", "occurred_at": "2024-01-08T10:00:00Z", **fields}
    event = parse_event({"customer_id": customer_id, "brand": brand, **row}, default_source="api", received_at=NOW)
    with store.writing() as connection:
        assert append(connection, [event], NOW, lake=store.lake).accepted == 1


def view_from_file(store: Store, customer_id: str, meanwhile: Progress = lambda _, __: None) -> None:
    file = store.workspace / "events.csv"
    file.write_text(f"event_id,type,occurred_at,customer_id\n{customer_id}f,view,2024-01-08T10:00:00Z,{customer_id}\n")
    assert ingest_events(store, [file], now=NOW, progress=meanwhile).accepted == 1


def with_own_zone(store: Store, customer_id: str, timezone: str) -> None:
    with store.writing() as connection:
        take_customers(connection, "default", [Customer(customer_id=customer_id, timezone=timezone)], NOW)


def hours(store: Store, customer_id: str, brand: str = "default") -> list[int]:
    with store.reading() as connection:
        body = read_profile(connection, brand, customer_id)
    assert body is not None
    return sorted(to_profile(unpack(customer_id, body)).hours)


def move(store: Store, timezone: str, brand: str = "default", **settings: object) -> None:
    put_in_force(store, parse_brand({"brand": brand, "timezone": timezone, **settings}), NOW)


def touched(store: Store, act: Callable[[], None]) -> set[str]:
    """The customers whose profile was written."""
    with store.writing() as connection:
        connection.execute(update(schema.profiles).values(body=UNTOUCHED))
    act()
    with store.reading() as connection:
        rows = connection.execute(select(schema.profiles.c.customer_id, schema.profiles.c.body))
        return {row.customer_id for row in rows if row.body != UNTOUCHED}


def test_customers_without_a_zone_of_their_own_follow_the_brands(store: Store) -> None:
    view(store, "anna")
    view_from_file(store, "boris")
    with_own_zone(store, "vera", "Asia/Kolkata")
    view(store, "vera")

    move(store, "Asia/Tokyo")

    assert (hours(store, "anna"), hours(store, "boris")) == ([AT_TEN + 9], [AT_TEN + 9])
    assert hours(store, "vera") == [AT_TEN + 5]


def test_nobody_else_is_folded_anew(store: Store) -> None:
    with_own_zone(store, "vera", "Asia/Kolkata")
    for customer_id in ("anna", "boris", "vera"):
        view(store, customer_id)
    view(store, "clara", brand="north")

    assert touched(store, lambda: move(store, "Asia/Tokyo")) == {"anna", "boris"}
    assert touched(store, lambda: move(store, "Asia/Tokyo", languages=["ru"])) == set()


def test_customers_of_a_brand_that_takes_its_zone_from_another_follow_too(store: Store) -> None:
    put_in_force(store, parse_brand({"brand": "child", "extends": "default"}), NOW)
    put_in_force(store, parse_brand({"brand": "own", "extends": "default", "timezone": "Asia/Kolkata"}), NOW)
    view(store, "anna", brand="child")
    view(store, "boris", brand="own")

    move(store, "Asia/Tokyo")

    assert hours(store, "anna", "child") == [AT_TEN + 9]
    assert hours(store, "boris", "own") == [AT_TEN + 5]


def test_a_merged_customer_moves_with_the_one_who_stays(store: Store) -> None:
    with_own_zone(store, "anya", "Asia/Kolkata")
    view(store, "anna")
    view(store, "anya")
    view(store, "anna", event_id="m", type="customer_merged", merged_customer_id="anya")

    move(store, "Asia/Tokyo")

    assert hours(store, "anna") == [AT_TEN + 9]


def test_the_service_alone_folds_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brand_timezone, "find_spec", lambda _: None)
    with_own_zone(store, "vera", "Asia/Kolkata")
    for customer_id in ("anna", "boris", "vera"):
        view(store, customer_id)

    assert touched(store, lambda: move(store, "Asia/Tokyo")) == {"anna", "boris"}
    assert hours(store, "anna") == [AT_TEN + 9]


def test_what_happens_while_profiles_are_made_is_in_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for customer_id in ("anna", "boris", "vera"):
        view(store, customer_id)
    prepare = brand_timezone._InBulk.prepare

    def and_meanwhile(*arguments: object) -> None:
        prepare(*arguments)  # type: ignore[arg-type]
        view(store, "anna", event_id="2", occurred_at="2024-01-08T12:00:00Z")
        view(store, "clara")
        with_own_zone(store, "vera", "Asia/Kolkata")

    monkeypatch.setattr(brand_timezone._InBulk, "prepare", and_meanwhile)
    move(store, "Asia/Tokyo")

    assert hours(store, "anna") == [AT_TEN + 9, AT_TEN + 11]
    assert (hours(store, "boris"), hours(store, "clara")) == ([AT_TEN + 9], [AT_TEN + 9])
    assert hours(store, "vera") == [AT_TEN]  # hers is for who took in her row


def test_a_file_whose_customers_move_while_it_is_read_counts_in_the_new_zone(store: Store) -> None:
    def meanwhile(what: str, _: float) -> None:
        if what == "adding up profiles":
            move(store, "Asia/Tokyo")

    view_from_file(store, "anna", meanwhile)

    assert hours(store, "anna") == [AT_TEN + 9]


KILLED_HALF_WAY = """
    import sys
    from pathlib import Path
    from features import brand_timezone
    from features.brand import parse_brand
    from features.store import open_store

    def write(connection, brand, rows, write=brand_timezone.write_profiles):
        write(connection, brand, rows)
        print("half way", flush=True)
        sys.stdin.read()

    brand_timezone._CUSTOMERS_AT_ONCE = 1
    brand_timezone.write_profiles = write
    store = open_store(Path(sys.argv[1]), sys.argv[2] or None)
    brand_timezone.put_in_force(store, parse_brand({"brand": "default", "timezone": "Asia/Tokyo"}), 1)
"""


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_half_way_the_former_zone_holds_for_all(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    url = request.getfixturevalue("postgresql")() if database == "postgresql" else None
    store = open_store(tmp_path, url)
    for customer_id in ("anna", "boris"):
        view(store, customer_id)
    command = [sys.executable, "-c", textwrap.dedent(KILLED_HALF_WAY), str(tmp_path), url or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.send_signal(signal.SIGKILL)

    with store.reading() as connection:
        assert read_brand(connection).timezone == "UTC"
    assert (hours(store, "anna"), hours(store, "boris")) == ([AT_TEN], [AT_TEN])
    move(store, "Asia/Tokyo")
    assert (hours(store, "anna"), hours(store, "boris")) == ([AT_TEN + 9], [AT_TEN + 9])
    store.close()
