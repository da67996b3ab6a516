"""The verbs over a small real store: nothing but models is missing."""

import json
from pathlib import Path

import pyarrow.parquet
import pytest

from features.catalogue import upsert_customers, upsert_offers, upsert_products
from features.entities import Customer, Offer, OfferKind, Product
from features.errors import FieldError
from features.event_files import ingest_events
from features.instant import parse
from lagniappe import application
from serving.plan import PlanTerms
from serving.plan_command import make
from serving.score_command import write
from serving.score_notes import OUTPUTS_OF_MODEL

AS_OF = parse("2026-01-10")
EVENTS = """\
event_id,type,customer_id,occurred_at,product_id,amount,offer_id,order_id
1,purchase,anna,2026-01-01T10:00:00Z,milk,2.50,,a
2,purchase,anna,2026-01-05T10:00:00Z,milk,2.50,,b
3,offer_accepted,boris,2026-01-06T10:00:00Z,,,gone,
4,purchase,late,2026-01-10T00:00:00Z,milk,2.50,,c
5,contact_blocked,boris,2026-01-12T00:00:00Z,,,,
"""


def silent(*_):
    pass


@pytest.fixture
def shop(sqlite_store, tmp_path):
    """Two customers with events before the tenth of January, one after, one registered; one offer."""
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    ingest_events(sqlite_store, [path], now=parse("2026-02-01"))
    with sqlite_store.writing() as connection:
        upsert_products(connection, [Product(product_id="milk", category="dairy", price=25_000)], AS_OF)
        upsert_customers(connection, [Customer(customer_id="clara")], AS_OF)
        upsert_offers(connection, [Offer(offer_id="five", kind=OfferKind.DISCOUNT_PERCENT, value=5.0)], AS_OF)
    return sqlite_store


def rows_of(path: Path):
    return pyarrow.parquet.read_table(path).to_pylist()


def test_every_customer_before_the_instant_or_registered_is_scored_and_nobody_else(shop, tmp_path):
    done = write(shop, "default", AS_OF, tmp_path / "s.parquet", favourites=10, with_offers=False, report=silent)

    assert [row["customer_id"] for row in rows_of(Path(done.out))] == ["anna", "boris", "clara"]
    assert (done.rows, done.offers_out) == (3, None)


def test_an_event_at_the_instant_changes_no_score(shop, tmp_path):
    before, after = (
        write(shop, "default", as_of, tmp_path / f"{as_of}.parquet", favourites=10, with_offers=False, report=silent)
        for as_of in (AS_OF, AS_OF + 1)
    )

    assert (before.rows, after.rows) == (3, 4)


@pytest.mark.parametrize(("brand", "as_of"), [("default", parse("2025-12-31")), ("nobody", AS_OF)])
def test_where_nobody_is_known_yet_there_is_an_error_and_no_file(sqlite_store, tmp_path, brand, as_of):
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    ingest_events(sqlite_store, [path], now=parse("2026-02-01"))

    with pytest.raises(FieldError, match=f"as_of: got .* expected a time after the first event of brand {brand}"):
        write(sqlite_store, brand, as_of, tmp_path / "s.parquet", favourites=10, with_offers=False, report=silent)

    assert not (tmp_path / "s.parquet").exists()


def test_a_reason_is_said_once_for_all_outputs_that_it_concerns(shop, tmp_path, capsys):
    arguments = ["score", "--as-of", "2026-01-10", "--out", str(tmp_path / "o.parquet")]

    application([*arguments, "--workspace", str(shop.workspace)], standalone_mode=False)

    lines = capsys.readouterr().out.splitlines()
    outputs = ", ".join(OUTPUTS_OF_MODEL["churn"])
    assert f"{outputs}: no churn model has been trained" in lines
    assert len(lines) == len(set(lines))


def test_the_offers_file_lies_beside_and_holds_all_customers_and_offers(shop, tmp_path):
    done = write(shop, "default", AS_OF, tmp_path / "s.parquet", favourites=10, with_offers=True, report=silent)

    assert done.offers_out == str(tmp_path / "s.offers.parquet")
    pairs = {(row["customer_id"], row["offer_id"]) for row in rows_of(Path(done.offers_out))}
    assert pairs == {(customer, offer) for customer in ("anna", "boris", "clara") for offer in ("five", "gone")}


def test_a_plan_is_written_for_everyone_and_again_the_same(shop, tmp_path):
    terms = PlanTerms("default", "january", AS_OF, ("email",))

    first, again = (make(shop, terms, tmp_path / name, silent) for name in ("p.parquet", "q.parquet"))

    assert (first.customers, first.was_known, again.was_known) == (3, False, True)
    rows = rows_of(tmp_path / "p.parquet")
    assert rows == rows_of(tmp_path / "q.parquet")
    assert list(rows[0]) == [
        *("decision_id", "customer_id", "offer_id", "propensity", "channel", "send_at", "expected_value", "words")
    ]
    assert [row["offer_id"] for row in rows if row["customer_id"] == "boris"] == ["none"]  # blocked since


@pytest.mark.parametrize("verb", ["score", "plan"])
def test_the_verbs_answer_one_json_document(shop, tmp_path, verb, capsys):
    arguments = [verb, "--as-of", "2026-01-10", "--out", str(tmp_path / "o.parquet"), "--json"]

    application([*arguments, "--workspace", str(shop.workspace)], standalone_mode=False)

    assert json.loads(capsys.readouterr().out)["out"] == str(tmp_path / "o.parquet")
