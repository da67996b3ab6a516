"""The verb ``ingest``, called as from a shell."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.catalogue import read_customers, read_offers, read_products
from features.commands import ingest
from features.money import to_money
from features.store import Store

EVENTS = "event_id,type,occurred_at,customer_id,amount\n1,purchase,2024-01-05,anna,1\n"


def run(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(ingest, [*arguments, "--workspace", str(store.workspace)])


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    (folder / name).write_bytes(text.encode(encoding))
    return str(folder / name)


@pytest.fixture
def events_file(tmp_path: Path) -> str:
    return write(tmp_path, "events.csv", EVENTS)


def test_json_is_one_document_of_the_counts(sqlite_store: Store, events_file: str) -> None:
    result = run(sqlite_store, "events", events_file, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"accepted": 1, "duplicates": 0, "rejected": 0, "quarantine": None}


def test_without_json_the_counts_are_lines(sqlite_store: Store, events_file: str) -> None:
    assert "accepted: 1\nduplicates: 0\nrejected: 0\n" in run(sqlite_store, "events", events_file).stdout


@pytest.mark.parametrize(("option", "status"), [("--json", 0), ("--strict", 1)])
def test_strict_fails_where_a_row_was_rejected(sqlite_store: Store, tmp_path: Path, option: str, status: int) -> None:
    path = write(tmp_path, "events.csv", f"{EVENTS}2,purchase,2024-01-05,anna,\n")

    assert run(sqlite_store, "events", path, option).exit_code == status


def test_a_file_without_a_required_column_exits_with_one_and_its_name(sqlite_store: Store, tmp_path: Path) -> None:
    result = run(sqlite_store, "events", write(tmp_path, "events.csv", "a,b\n1,2\n"))

    assert result.exit_code == 1
    assert "event_id" in result.stderr


def test_a_time_zone_that_does_not_exist_is_wrong_use(sqlite_store: Store) -> None:
    result = run(sqlite_store, "events", "no-such-file.csv", "--timezone", "Mars/Olympus")

    assert result.exit_code == 2
    assert "Mars/Olympus" in result.stderr


def test_a_dry_run_shows_what_was_understood(sqlite_store: Store, tmp_path: Path) -> None:
    mapping = write(tmp_path, "map.yaml", "номер: event_id\n")
    path = write(tmp_path, "events.csv", EVENTS.replace("event_id", "номер").replace(",", ";"), "windows-1251")

    result = run(sqlite_store, "events", path, "--encoding", "windows-1251", "--map", mapping, "--dry-run", "--json")

    assert json.loads(result.stdout)["accepted"] == 1
    assert "номер → event_id" in result.stderr
    assert "decimal commas" in result.stderr


def test_products_with_decimal_commas_are_kept_and_bad_ones_quarantined(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "product_id;name;price\n1;Milk, 1 l;1 012,50\n2;Bread;free\n")

    result = json.loads(run(sqlite_store, "products", path, "--json").stdout)

    assert (result["accepted"], result["rejected"]) == (1, 1)
    assert "price" in Path(result["quarantine"]).read_text()
    with sqlite_store.reading() as connection:
        product = read_products(connection, "default")[0]
    assert (product.name, product.price) == ("Milk, 1 l", to_money(1012.5))


def test_customers_are_kept_once(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path, "c.jsonl", '{"customer_id": 1, "age": 30}\n{"customer_id": 2, "timezone": "Asia/Tokyo"}\n')

    first, second = (json.loads(run(sqlite_store, "customers", path, "--json").stdout) for _ in range(2))

    assert (first["accepted"], second["duplicates"]) == (2, 2)
    with sqlite_store.reading() as connection:
        assert {c.customer_id: c.attributes for c in read_customers(connection, "default")} == {
            "1": {"age": 30},
            "2": None,
        }


def test_offers_come_from_yaml(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(
        tmp_path, "o.yaml", "offers:\n- offer_id: cake\n  value: 10\n  target: {products: [cake]}\n- {name: x}\n"
    )

    result = json.loads(run(sqlite_store, "offers", path, "--json").stdout)

    assert (result["accepted"], result["rejected"]) == (1, 1)
    with sqlite_store.reading() as connection:
        assert read_offers(connection, "default")[0].target.products == ("cake",)


def test_a_dry_run_of_products_keeps_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    result = run(sqlite_store, "products", write(tmp_path, "p.csv", "product_id\n1\n"), "--dry-run", "--json")

    assert json.loads(result.stdout)["accepted"] == 1
    with sqlite_store.reading() as connection:
        assert read_products(connection, "default") == []


@pytest.mark.parametrize("what", ["products", "customers", "offers"])
def test_a_file_without_its_id_column_is_refused(sqlite_store: Store, tmp_path: Path, what: str) -> None:
    result = run(sqlite_store, what, write(tmp_path, "x.csv", "a,b\n1,2\n"))

    assert result.exit_code == 1
    assert f"{what[:-1]}_id" in result.stderr
