import gzip
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import ibis
import msgspec
import pytest
from sqlalchemy import insert, select

from features import schema
from features.batching import to_profile
from features.brand import read_brand
from features.errors import FieldError
from features.event_border import parse_event
from features.event_files import ingest_events
from features.event_log import append, log_table
from features.events import Event
from features.file_customers import FileCustomers
from features.identity import anonymous_id
from features.ingest_report import IngestReport
from features.instant import parse
from features.lake import event_of_row
from features.packing import unpack
from features.profile import fold
from features.profile_store import read_profile
from features.source_files import UnreadableFileError
from features.store import Store

NOW = parse("2024-06-01")
COLUMNS = "event_id,type,occurred_at,customer_id,amount"
LINES = ("1,purchase,2024-01-05 10:00,anna,12.34", "2,purchase,2024-01-06,anna,1", "3,view,2024-01-07,boris,")


def write(folder: Path, text: str | Sequence[str], name: str = "events.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes((text if isinstance(text, str) else "\n".join(text) + "\n").encode(encoding))
    return path


def ingest(store: Store, *paths: Path, **options: Any) -> IngestReport:
    return ingest_events(store, paths, now=NOW, **options)


def counts(report: IngestReport) -> tuple[int, int, int]:
    return report.accepted, report.duplicates, report.rejected


def log(store: Store, brand: str = "default") -> list[Event]:
    connection = ibis.duckdb.connect()
    found = log_table(store, connection, brand).order_by("event_id").to_pyarrow().to_pylist()
    connection.disconnect()
    return [event_of_row(list(row.values())) for row in found]


def assert_profile_is(store: Store, customer_id: str, *events: Event) -> None:
    with store.reading() as connection:
        body = read_profile(connection, "default", customer_id)
    assert body is not None
    found, expected = to_profile(unpack(customer_id, body)), fold(events, "UTC")
    assert (found.customer, found.orders, found.states) == (expected.customer, expected.orders, expected.states)
    assert found.decayed == pytest.approx(expected.decayed, rel=1e-9)


def events_in(store: Store, *customer_ids: str) -> list[Event]:
    return [event for event in log(store) if event.customer_id in customer_ids]


def test_a_file_is_in_the_log_and_in_the_profiles(store: Store, tmp_path: Path) -> None:
    report = ingest(store, write(tmp_path, [COLUMNS, *LINES]))

    assert counts(report) == (3, 0, 0)
    assert report.quarantine is None
    assert [event.amount for event in log(store)] == [123_400, 10_000, None]
    assert_profile_is(store, "anna", *events_in(store, "anna"))


def test_the_same_file_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, [COLUMNS, *LINES])
    ingest(store, path)

    assert counts(ingest(store, path)) == (0, 3, 0)
    assert_profile_is(store, "anna", *events_in(store, "anna"))


def test_a_second_half_that_repeats_the_first_counts_once(sqlite_store: Store, tmp_path: Path) -> None:
    assert counts(ingest(sqlite_store, write(tmp_path, [COLUMNS, *LINES, *LINES]))) == (3, 3, 0)


def test_other_content_under_the_same_id_is_a_conflict_within_and_across_files(store: Store, tmp_path: Path) -> None:
    other = "1,purchase,2024-01-05 10:00,anna,99"

    within = ingest(store, write(tmp_path, [COLUMNS, *LINES, other]))
    across = ingest(store, write(tmp_path, [COLUMNS, other], "other.csv"))

    assert (counts(within), counts(across)) == ((3, 0, 1), (0, 0, 1))
    assert log(store)[0].amount == 123_400
    assert across.quarantine is not None
    assert "conflict" in across.quarantine.read_text()


@pytest.mark.parametrize(("amount", "expected"), [("12.34", (0, 1, 0)), ("99", (0, 0, 1))])
def test_events_that_came_by_request_are_known_to_files(
    store: Store, tmp_path: Path, amount: str, expected: tuple[int, int, int]
) -> None:
    row = {"event_id": "1", "type": "purchase", "occurred_at": "2024-01-05 10:00", "customer_id": "anna"}
    event = parse_event({**row, "amount": 12.34}, default_source="file", received_at=NOW)
    with store.writing() as connection:
        append(connection, [event], NOW, lake=store.lake)

    path = write(tmp_path, [COLUMNS, f"1,purchase,2024-01-05 10:00,anna,{amount}"])

    assert counts(ingest(store, path)) == expected


def test_events_that_came_in_files_are_known_to_requests(store: Store, tmp_path: Path) -> None:
    ingest(store, write(tmp_path, [COLUMNS, *LINES]))
    with store.writing() as connection:
        again = append(connection, log(store), NOW, lake=store.lake)

    assert (again.accepted, again.duplicates) == (0, 3)


def test_a_cancellation_by_request_reaches_lines_of_a_file(store: Store, tmp_path: Path) -> None:
    ingest(store, write(tmp_path, [f"{COLUMNS},order_id", *(f"{line},o{n}" for n, line in enumerate(LINES))]))
    row = {"event_id": "9", "type": "order_cancelled", "occurred_at": "2024-02-01", "customer_id": "anna"}
    cancelled = parse_event({**row, "order_id": "o0"}, default_source="api", received_at=NOW)

    with store.writing() as connection:
        append(connection, [cancelled], NOW, lake=store.lake)

    assert_profile_is(store, "anna", *events_in(store, "anna"))


def test_bad_rows_go_to_quarantine_as_they_came_and_good_ones_are_kept(store: Store, tmp_path: Path) -> None:
    bad = ("4,purchase,yesterday,anna,1", "5,purchase,2024-01-05,anna,-1", "broken line", "6,buy,2024-01-05,anna,1")

    report = ingest(store, write(tmp_path, [COLUMNS, *LINES, *bad]))

    assert counts(report) == (3, 0, 4)
    assert report.quarantine is not None
    found = duckdb.sql(f"SELECT * FROM read_csv('{report.quarantine}', all_varchar = true)").fetchall()
    assert [(row[0], row[5]) for row in found[:3]] == [("4", "occurred_at"), ("5", "amount"), ("6", "type")]
    assert found[0][2] == "yesterday"
    assert found[3][-1] == "broken line"
    assert all(row[6] for row in found)


def test_a_russian_export_is_understood(store: Store, tmp_path: Path) -> None:
    lines = ["номер;type;occurred_at;customer_id;amount;магазин", "1;purchase;05.01.2024 10:00;анна;1 234,56;Центр"]
    path = write(tmp_path, lines, encoding="windows-1251")

    report = ingest(
        store,
        path,
        timezone="Europe/Moscow",
        encoding="windows-1251",
        mapping={"номер": "event_id", "магазин": "store_id"},
    )

    assert counts(report) == (1, 0, 0)
    event = log(store)[0]
    assert (event.amount, event.store_id, event.customer_id) == (12_345_600, "Центр", "анна")
    assert event.occurred_at == parse("2024-01-05T07:00:00Z")


def parquet(path: Path, select_: str) -> Path:
    duckdb.sql(f"COPY ({select_}) TO '{path}' (FORMAT parquet)")
    return path


def test_parquet_json_lines_and_csv_of_the_same_rows_are_the_same(sqlite_store: Store, tmp_path: Path) -> None:
    rows = "SELECT 1.0::DOUBLE AS event_id, 'purchase' AS type, TIMESTAMP '2024-01-05 10:00' AS occurred_at, "
    rows += "7 AS customer_id, 12.345::DOUBLE AS amount, {'card': '5', 'qr': NULL} AS identifiers"
    line = '{"event_id": 1, "type": "purchase", "occurred_at": "2024-01-05T10:00:00", "customer_id": 7.0, '
    line += '"amount": 12.345, "identifiers": {"card": 5}}'
    text = [f"{COLUMNS},identifiers", '1,purchase,2024-01-05T10:00:00Z,7,12.345,"{""card"": ""5""}"']
    compressed = tmp_path / "events.csv.gz"
    compressed.write_bytes(gzip.compress("\n".join(text).encode()))

    reports = ingest(
        sqlite_store,
        parquet(tmp_path / "a.parquet", rows),
        write(tmp_path, line, "b.jsonl"),
        write(tmp_path, text, "c.csv"),
        write(tmp_path, f"[{line}]", "d.json"),
        compressed,
    )

    assert counts(reports) == (1, 4, 0)
    assert log(sqlite_store)[0].amount == 123_450


def test_ids_that_a_program_wrote_as_floats_are_their_digits(sqlite_store: Store, tmp_path: Path) -> None:
    ingest(sqlite_store, write(tmp_path, [COLUMNS, "1.0,view,2024-01-05,7.0,", "2.0,view,2024-01-05,v1.0,"]))

    assert [(event.event_id, event.customer_id) for event in log(sqlite_store)] == [("1", "7.0"), ("2", "v1.0")]


def test_unknown_columns_are_kept(sqlite_store: Store, tmp_path: Path) -> None:
    ingest(sqlite_store, write(tmp_path, [f"{COLUMNS},colour,empty", f"{LINES[0]},red,"]))

    assert log(sqlite_store)[0].properties == {"colour": "red"}


@pytest.mark.parametrize("missing", ["event_id", "type", "occurred_at", "customer_id"])
def test_a_missing_column_is_named(sqlite_store: Store, tmp_path: Path, missing: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"^{missing}: missing"):
        ingest(sqlite_store, write(tmp_path, [COLUMNS.replace(missing, "other"), *LINES]))


def test_nothing_of_any_file_is_kept_if_one_lacks_a_column(sqlite_store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError):
        ingest(sqlite_store, write(tmp_path, [COLUMNS, *LINES]), write(tmp_path, ["a,b", "1,2"], "other.csv"))

    assert log(sqlite_store) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"\0\x01\x02" * 1000),
        ("a.csv", b"\xff\xfe\xfa garbage"),
        ("a.csv", b""),
        ("a.csv", b"x" * (2 << 20)),
        ("a.jsonl", b"garbage\n" * 1000),
        ("a.parquet", b"garbage" * 1000),
        ("a.csv.gz", b"garbage" * 1000),
        ("a.xlsx", b"garbage"),
    ],
)
def test_garbage_is_called_so(sqlite_store: Store, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(UnreadableFileError):
        ingest(sqlite_store, path)


def test_garbage_below_a_good_header_stops_before_it_fills_the_disk(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.source_rows.MOST_MALFORMED", 100)

    with pytest.raises(UnreadableFileError, match="malformed lines"):
        ingest(sqlite_store, write(tmp_path, [COLUMNS, *["garbage"] * 1000]))


@pytest.mark.parametrize(
    "options",
    [{"timezone": "Europe/Moscov"}, {"encoding": "windows-9"}, {"delimiter": ";;"}],
    ids=lambda o: next(iter(o)),
)
def test_wrong_options_are_refused_before_anything_is_read(sqlite_store: Store, options: Mapping[str, str]) -> None:
    with pytest.raises(FieldError, match=f"^{next(iter(options))}: got"):
        ingest(sqlite_store, Path("no such file"), **options)


def test_a_dry_run_keeps_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    report = ingest(sqlite_store, write(tmp_path, [COLUMNS, *LINES, "4,buy,2024-01-05,anna,1"]), dry_run=True)

    assert counts(report) == (3, 0, 1)
    assert log(sqlite_store) == []
    assert not list(sqlite_store.quarantine.iterdir())


def test_an_interrupted_ingest_leaves_only_a_file_that_the_next_removes(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, [COLUMNS, *LINES])
    with monkeypatch.context() as patch:
        patch.setattr("features.event_files.count_segments", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ingest(sqlite_store, path)
    assert log(sqlite_store) == []
    assert len(list(sqlite_store.lake.glob("*/*.parquet"))) == 1

    assert counts(ingest(sqlite_store, path)) == (3, 0, 0)
    assert len(list(sqlite_store.lake.glob("*/*.parquet"))) == 1


def test_later_files_add_to_profiles(store: Store, tmp_path: Path) -> None:
    ingest(store, write(tmp_path, [f"{COLUMNS},order_id", *(f"{line},o" for line in LINES)]))
    more = ["4,purchase,2024-01-04,anna,5,o", "5,order_cancelled,2024-01-05,boris,,o", "6,refund,2024-03-01,anna,1,o"]

    ingest(store, write(tmp_path, [f"{COLUMNS},order_id", *more], "more.csv"))

    assert_profile_is(store, "anna", *events_in(store, "anna"))
    assert_profile_is(store, "boris", *events_in(store, "boris"))


def test_identifiers_and_merges_in_files_make_one_person_of_many(store: Store, tmp_path: Path) -> None:
    card = {"identifiers": {"card": "7"}}
    rows: list[dict[str, Any]] = [
        {"event_id": 1, "type": "view", **card},
        {"event_id": 2, "type": "view", "customer_id": "anna", **card},
        {"event_id": 3, "type": "view", "customer_id": "anya"},
        {"event_id": 4, "type": "view", "customer_id": "boris", **card},
        {"event_id": 5, "type": "customer_merged", "customer_id": "anna", "merged_customer_id": "anya"},
    ]
    lines = [msgspec.json.encode({"occurred_at": f"2024-01-0{n}", **row}).decode() for n, row in enumerate(rows, 1)]

    report = ingest(store, write(tmp_path, lines, "events.jsonl"))

    assert counts(report) == (4, 0, 1)
    everybody = events_in(store, "anna", "anya", anonymous_id({"card": "7"}))
    assert_profile_is(store, "anna", *everybody)
    with store.reading() as connection:
        assert connection.execute(select(schema.profiles.c.customer_id)).scalars().all() == ["anna"]


def test_erasure_in_a_file_rewrites_the_lake(store: Store, tmp_path: Path) -> None:
    ingest(store, write(tmp_path, [COLUMNS, *LINES]))

    ingest(store, write(tmp_path, [COLUMNS, "9,customer_erased,2024-03-01,anna,"], "erased.csv"))
    again = ingest(store, write(tmp_path, [COLUMNS, *LINES]))

    assert [event.customer_id for event in log(store)] == ["boris"]
    assert counts(again) == (0, 1, 2)
    for file in store.lake.glob("*/*.parquet"):
        assert not duckdb.sql(f"SELECT * FROM '{file}' WHERE customer_id = 'anna'").fetchall()


def test_each_brand_has_its_own_log_and_currency(store: Store, tmp_path: Path) -> None:
    lines = ["1,purchase,2024-01-05,anna,1,north,NOK", "1,purchase,2024-01-05,anna,2,south,EUR"]
    more = ["2,purchase,2024-01-05,anna,1,north,EUR", "3,purchase,2024-01-05,anna,1,north,"]

    report = ingest(store, write(tmp_path, [f"{COLUMNS},brand,currency", *lines, *more]))

    assert counts(report) == (3, 0, 1)
    assert [event.amount for event in log(store, "south")] == [20_000]
    with store.reading() as connection:
        assert read_brand(connection, "north").currency == "NOK"


@pytest.mark.parametrize("rate", [90.5, 0.0123456789, 1 / 3])
def test_amounts_are_converted_alike_in_files_and_by_request(store: Store, tmp_path: Path, rate: float) -> None:
    row = {"event_id": "1", "type": "purchase", "occurred_at": "2024-01-05", "customer_id": "anna", "amount": "77.77"}
    foreign = {**row, "currency": "USD", "exchange_rate": str(rate)}
    first = {**row, "event_id": "0", "currency": "RUB"}
    events = [parse_event(one, default_source="file", received_at=NOW) for one in (first, foreign)]
    with store.writing() as connection:
        append(connection, events, NOW, lake=store.lake)

    columns = ",".join(foreign)
    assert counts(ingest(store, write(tmp_path, [columns, ",".join(foreign.values())]))) == (0, 1, 0)


def test_a_files_outcomes_move_reservations(sqlite_store: Store, tmp_path: Path) -> None:
    keys = {"decision_id": "d", "brand": "default", "customer_id": "anna", "offer_id": "cake"}
    times = {"decided_at": NOW, "expires_at": NOW}
    with sqlite_store.writing() as connection:
        body = msgspec.json.encode({"propensities": {"cake": 0.5}}).decode()
        connection.execute(insert(schema.decisions).values(**keys, **times, body=body))
        connection.execute(insert(schema.reservations).values(**keys, **times, state="reserved", cost=1, charged=0))
    header = "event_id,type,occurred_at,customer_id,offer_id,decision_id,propensity"
    lines = [
        "1,offer_presented,2024-01-05,anna,cake,d,0.5",
        "2,offer_accepted,2024-01-05,anna,cake,d,0.4",
        "3,offer_accepted,2024-01-05,boris,cake,d,",
    ]

    report = ingest(sqlite_store, write(tmp_path, [header, *lines]))

    assert counts(report) == (2, 0, 1)
    with sqlite_store.reading() as connection:
        assert connection.execute(select(schema.reservations.c.state)).scalar() == "confirmed"


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        (b"1,view,2024-01-01,a\r\n2,view,2024-01-01,b\n3,view,2024-01-01,c", 3, 0),
        (b'1,view,2024-01-01,"a\nb"\n2,view,2024-01-01,"b ""c"""\n', 1, 1),
        (b'1,view,2024-01-01,a 5" b\n\n2,view,2024-01-01,b\n', 2, 0),
        (b'1,view,2024-01-01,"a\n2,view,2024-01-01,b\n3,view,2024-01-01,"c"d"\n4,view,2024-01-01,d\n', 2, 2),
        (
            b"1,view,2024-01-01,a\n2,view,2024-01-01\n3,view,2024-01-01,a,b,c\n\xff,view,2024-01-01,d\n5,view,2024-01-01,e\n",
            2,
            3,
        ),
    ],
    ids=["mixed line ends", "lines in quotation marks", "inches", "marks not closed", "columns and bytes"],
)
def test_every_line_is_taken_or_set_aside(
    sqlite_store: Store, tmp_path: Path, text: bytes, good: int, bad: int
) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"event_id,type,occurred_at,customer_id\n" + text)

    assert counts(ingest(sqlite_store, path)) == (good, 0, bad)


def test_an_event_that_came_by_request_meanwhile_is_not_kept_twice(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, ["event_id,type,customer_id,occurred_at,amount", "1,purchase,anna,2024-01-01,5"])
    row = {"event_id": "1", "type": "purchase", "customer_id": "anna", "occurred_at": "2024-01-01", "amount": "5"}
    same = parse_event(row, default_source="file", received_at=NOW)

    def meanwhile(what: str, _: float) -> None:
        if what == "adding up profiles":
            with store.writing() as connection:
                append(connection, [same], NOW, lake=store.lake)

    with pytest.raises(UnreadableFileError, match="ingest again"):
        ingest(store, path, progress=meanwhile)

    assert counts(ingest(store, path)) == (0, 1, 0)
    assert log(store) == [same]


PEOPLE = [f"c{number}" for number in range(7)]


def lines_of_many(first: int) -> list[str]:
    events = range(first, first + 40)
    return [f"{n},purchase,2024-01-{n % 28 + 1:02} 10:00,{PEOPLE[n % 7]},{n + 1}" for n in events]


def test_a_file_kept_in_parts_adds_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.file_customers.CUSTOMERS_A_PART", 2)
    ingest(store, write(tmp_path, [COLUMNS, *lines_of_many(0)]))
    merge = ["m,customer_merged,2024-02-01,c1,,c6"]
    ingest(store, write(tmp_path, [f"{COLUMNS},merged_customer_id", *merge], "merge.csv"))

    ingest(store, write(tmp_path, [COLUMNS, *lines_of_many(40)], "more.csv"))

    assert len(list(store.lake.glob("*/*.parquet"))) == 4 + 1 + 3
    assert_profile_is(store, "c1", *events_in(store, "c1", "c6"))
    for customer_id in ("c0", "c2", "c3", "c4", "c5"):
        assert_profile_is(store, customer_id, *events_in(store, customer_id))


KILLED_BETWEEN_PARTS = """
import os, signal, sys
from pathlib import Path
from features import event_files, file_customers
from features.store import open_store

file_customers.CUSTOMERS_A_PART = 2
keep = file_customers.FileCustomers.keep
parts = []

def keep_or_die(*given):
    if parts:
        os.kill(os.getpid(), signal.SIGKILL)
    parts.append(keep(*given))

file_customers.FileCustomers.keep = keep_or_die
store = open_store(Path(sys.argv[1]), sys.argv[2] or None)
event_files.ingest_events(store, [Path(sys.argv[3])], now=int(sys.argv[4]))
"""


def test_a_file_killed_between_its_parts_is_completed_by_itself(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, [COLUMNS, *lines_of_many(0)])
    url = "" if store.engine.name == "sqlite" else store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED_BETWEEN_PARTS, str(store.workspace), url, str(path), str(NOW)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    begun = len(log(store))

    completed = ingest(store, path)

    assert (0 < begun < 40, counts(completed)) == (True, (40 - begun, begun, 0))
    for customer_id in PEOPLE:
        assert_profile_is(store, customer_id, *events_in(store, customer_id))
    with store.reading() as connection:
        counted = set(connection.execute(select(schema.segments.c.path)).scalars())
    assert {str(file.relative_to(store.lake)) for file in store.lake.glob("*/*.parquet")} == counted


def test_parts_keep_those_together_who_become_one(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.file_customers.CUSTOMERS_A_PART", 1)
    lines = [
        {"event_id": "1", "type": "view", "occurred_at": "2024-01-01", "identifiers": {"card": "7"}},
        {
            "event_id": "2",
            "type": "view",
            "occurred_at": "2024-03-01",
            "customer_id": "b",
            "identifiers": {"card": "7"},
        },
        {"event_id": "3", "type": "view", "occurred_at": "2024-02-01", "customer_id": "c"},
    ]

    ingest(sqlite_store, write(tmp_path, [msgspec.json.encode(line).decode() for line in lines], "events.jsonl"))

    with sqlite_store.reading() as connection:
        (merge,) = connection.execute(select(schema.merges)).all()
    assert (merge.customer_id, merge.occurred_at) == ("b", parse("2024-03-01"))
    assert len(list(sqlite_store.lake.glob("*/*.parquet"))) == 2


def test_what_one_brand_erases_does_not_stop_the_next(store: Store, tmp_path: Path) -> None:
    lines = ["1,view,2024-01-05,anna,north", "2,customer_erased,2024-01-06,anna,north", "3,view,2024-01-05,anna,south"]

    report = ingest(store, write(tmp_path, ["event_id,type,occurred_at,customer_id,brand", *lines]))

    assert counts(report) == (3, 0, 0)
    assert [event.event_id for event in log(store, "south")] == ["3"]


def test_a_brand_with_nothing_new_is_passed_over(store: Store, tmp_path: Path) -> None:
    lines = ["1,view,2024-01-05,anna,north", "2,customer_erased,2024-01-06,anna,north"]
    columns = "event_id,type,occurred_at,customer_id,brand"
    ingest(store, write(tmp_path, [columns, *lines]))

    later = ["3,view,2024-01-04,anna,north", "4,view,2024-01-05,anna,south"]

    assert counts(ingest(store, write(tmp_path, [columns, *later], "later.csv"))) == (1, 0, 1)


def test_an_event_by_request_while_a_file_is_added_up_is_in_the_profile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, [COLUMNS, *LINES])
    added_up = FileCustomers.merge

    def meanwhile(*given: Any) -> Any:
        merged = added_up(*given)
        row = {"event_id": "9", "type": "view", "occurred_at": "2024-01-09", "customer_id": "anna"}
        with store.writing() as connection:
            append(connection, [parse_event(row, default_source="api", received_at=NOW)], NOW, lake=store.lake)
        return merged

    monkeypatch.setattr(FileCustomers, "merge", meanwhile)

    ingest(store, path)

    assert len(events_in(store, "anna")) == 3
    assert_profile_is(store, "anna", *events_in(store, "anna"))
