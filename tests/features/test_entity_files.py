from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.brand import settle_currency
from features.catalogue import read_customer, read_products
from features.entities import Product
from features.entity_border import parse_product
from features.entity_files import KINDS, ingest_entities
from features.ingest_report import IngestReport
from features.instant import parse
from features.source_files import reading_of
from features.store import Store

NOW = parse("2024-06-01")


def ingest(store: Store, what: str, text: str) -> IngestReport:
    file = store.workspace / f"{what}.csv"
    file.write_text(text)
    return ingest_entities(store, what, [file], reading_of("UTC", "utf-8", None, None), brand="default", now=NOW)


def counts(report: IngestReport) -> tuple[int, int, int]:
    return report.accepted, report.duplicates, report.rejected


def test_others_may_write_while_a_file_is_parsed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_and_write(row: Any, **reading: Any) -> Product:
        with store.writing() as connection:
            settle_currency(connection, "default", "EUR", NOW)
        return parse_product(row, **reading)

    monkeypatch.setitem(KINDS, "products", replace(KINDS["products"], parse=parse_and_write))

    assert counts(ingest(store, "products", "product_id\nmilk\n")) == (1, 0, 0)


def test_the_last_row_of_an_id_holds_in_each_brand(store: Store) -> None:
    lines = ["product_id,brand,price", "milk,,1", "milk,north,2", "milk,,3", "milk,north,free", "milk,north,4"]

    assert counts(ingest(store, "products", "\n".join(lines))) == (4, 0, 1)

    with store.reading() as connection:
        prices = [read_products(connection, brand)[0].price for brand in ("default", "north")]
    assert prices == [30_000, 40_000]


def test_a_row_whose_identifier_is_anothers_goes_to_quarantine_with_its_line(store: Store) -> None:
    lines = ["customer_id,identifiers", 'anna,"{""card"": ""7""}"', "boris,", 'vera,"{""card"": ""7""}"']

    report = ingest(store, "customers", "\n".join(lines))

    assert counts(report) == (2, 0, 1)
    assert report.quarantine is not None
    assert "vera" in Path(report.quarantine).read_text()
    with store.reading() as connection:
        assert read_customer(connection, "default", "vera") is None
