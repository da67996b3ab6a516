"""Both borders, rows of Python and files of DuckDB, read the same values and refuse for the same reasons."""

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.errors import FieldError
from features.event_border import parse_event
from features.event_check import check
from features.event_fields import FIELDS, LAKE_COLUMNS, read_money, read_time
from features.event_rules import closest_type
from features.events import Event
from features.instant import MICROSECONDS_PER_DAY, parse
from features.lake import event_of_row
from features.source_files import Reading, look_at
from features.source_rows import read

RECEIVED_AT = parse("2024-06-01")
GOOD = {"event_id": "e", "type": "view", "occurred_at": "2024-01-05 10:00", "customer_id": "c"}
Outcome = Event | tuple[str, str]


def by_python(row: dict[str, str], zone: str = "UTC") -> Outcome:
    try:
        return parse_event(row, default_source="file", received_at=RECEIVED_AT, timezone=zone)
    except FieldError as error:
        return error.field, error.reason


def by_duckdb(rows: list[dict[str, str]], folder: Path, zone: str = "UTC") -> list[Outcome]:
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    reading = Reading(zone)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        source = look_at(connection, path, reading)
        read(connection, source, reading, folder)
        check(connection, source, reading, default_source="file", brand="default", received_at=RECEIVED_AT)
        query = f"SELECT field, reason, {', '.join(LAKE_COLUMNS)} FROM checked ORDER BY position"
        found = connection.execute(query).fetchall()
    return [(row[0], row[1]) if row[0] else event_of_row(row[2:]) for row in found]


def row(**fields: str) -> dict[str, str]:
    return {**GOOD, **fields}


BAD = [
    row(event_id=""),
    row(event_id="x" * 257),
    row(event_id="tab\there"),
    row(event_id="\u00a0"),
    row(brand=" \u3000"),
    row(source="x" * 257),
    row(customer_id="\u00a0", identifiers='{"card": "7"}'),
    row(identifiers='{"card": "\\u2003"}'),
    row(type=""),
    row(type="purchse", amount="1"),
    row(type="покупка"),
    row(type="Purchase"),
    row(occurred_at=""),
    row(occurred_at="yesterday"),
    row(occurred_at="2024-02-30"),
    row(occurred_at="2024-01-05 24:00"),
    row(occurred_at="05/01/2024"),
    row(occurred_at="1900-01-01"),
    row(occurred_at="1969-12-31T23:59:59.999999Z"),
    row(occurred_at="2100-01-01"),
    row(occurred_at="2024-06-02T00:00:00.000001Z"),
    row(customer_id=""),
    row(customer_id="", identifiers="{}"),
    row(identifiers="{"),
    row(identifiers="[1]"),
    row(identifiers='{"passport": "1"}'),
    row(identifiers='{"card": true}'),
    row(identifiers='{"card": ""}'),
    row(type="purchase"),
    row(type="refund"),
    row(type="purchase", amount="abc"),
    row(type="purchase", amount="-0.01"),
    row(type="purchase", amount="nan"),
    row(type="purchase", amount="inf"),
    row(type="purchase", amount="1e300"),
    row(type="purchase", amount="1000000000000"),
    row(type="purchase", amount="1_000"),
    row(type="purchase", amount="1", quantity="-1"),
    row(type="purchase", amount="1", quantity="1e999"),
    row(type="purchase", amount="1", currency="RUBLE"),
    row(list_amount="1e12"),
    row(points="1e13"),
    row(exchange_rate="0"),
    row(points_expire_at="never"),
    row(machine_open="perhaps"),
    row(type="offer_presented"),
    row(type="offer_accepted", propensity="0.5"),
    row(propensity="0"),
    row(propensity="1.0001"),
    row(type="exposure", variant="a"),
    row(type="exposure", experiment="x"),
    row(type="activity"),
    row(type="survey_answered", score="11"),
    row(type="consent_changed", granted="true"),
    row(type="consent_changed", purpose="messages"),
    row(type="consent_changed", purpose="message", granted="false"),
    row(type="consent_changed", purpose="E mail", granted="false"),
    row(type="customer_merged"),
    row(type="customer_merged", merged_customer_id="c"),
    row(properties="[]"),
    row(properties='{"a": '),
]

ODD_BUT_GOOD = [
    row(occurred_at="31.12.2023 23:59"),
    row(occurred_at="2024-01-05"),
    row(occurred_at="2024-01-05T10:00:00,123456789Z"),
    row(occurred_at=" 2024-01-05T10:00+0330 "),
    row(occurred_at="2024-01-05 10:00:00.5 UTC"),
    row(occurred_at="2024-01-05 10:00:00-05"),
    row(occurred_at="2024-06-01 20:00"),
    row(points_expire_at="9999-12-31"),
    row(type="purchase", amount="12.34"),
    row(type="purchase", amount="0.00005"),
    row(type="purchase", amount="0.00015"),
    row(type="purchase", amount="5e-05"),
    row(type="purchase", amount=".5", quantity="0", currency="rub", list_amount="+7.", discount_amount="-1.00005"),
    row(type="purchase", amount="999999999999.99994"),
    row(machine_open="YES"),
    row(identifiers='{"device": 7, "card": "a\\"b", "qr": null}', customer_id=""),
    row(identifiers='{"phone_hash": "1"}'),
    row(type="survey_answered", score="10"),
    row(type="consent_changed", purpose="email", granted="0"),
    row(properties='{"b": [1, {"z": null}], "a": 1.5, "c": null}', colour="red", empty=""),
    row(type="offer_presented", offer_id="none", decision_id="d", propensity="1"),
]


def test_both_borders_refuse_bad_rows_for_the_same_reasons(tmp_path: Path) -> None:
    found = by_duckdb(BAD, tmp_path)

    assert found == [by_python(bad) for bad in BAD]
    assert all(isinstance(outcome, tuple) for outcome in found)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Moscow", "America/New_York"])
def test_both_borders_read_the_same_from_odd_rows(tmp_path: Path, zone: str) -> None:
    found = by_duckdb(ODD_BUT_GOOD, tmp_path, zone)

    assert found == [by_python(good, zone) for good in ODD_BUT_GOOD]
    assert all(isinstance(outcome, Event) for outcome in found)


TEXTS = {
    "amount": st.one_of(
        st.decimals(-2, 2, allow_nan=False, places=5).map(str),
        st.floats(0, 1e15).map(repr),
        st.from_regex(r"[+-]?[0-9]{0,14}\.?[0-9]{0,25}", fullmatch=True),
        st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{0,18})?[eE][+-]?[0-9]{1,2}", fullmatch=True),
    ),
    "occurred_at": st.one_of(
        st.datetimes().map(str),
        st.from_regex(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9](Z|\+0[0-9])?)?", fullmatch=True),
    ),
    "quantity": st.floats().map(repr),
    "channel": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12),
}


@settings(max_examples=15, deadline=None, phases=[Phase.reuse, Phase.generate])  # to shrink a file takes minutes
@given(st.lists(st.fixed_dictionaries(TEXTS), min_size=20, max_size=60), st.sampled_from(["UTC", "America/New_York"]))
def test_both_borders_agree_on_any_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[dict[str, str]], zone: str
) -> None:
    rows = [row(type="purchase", **text) for text in texts]

    assert by_duckdb(rows, tmp_path_factory.mktemp("any"), zone) == [by_python(one, zone) for one in rows]


def parsed(**fields: Any) -> Event:
    given = {**GOOD, **fields}
    return parse_event(given, default_source="api", received_at=RECEIVED_AT)


def test_an_amount_in_text_is_exact() -> None:
    assert read_money("0.30") == 3_000
    assert read_money("12.34") == 123_400
    assert read_money("0.00005") == 0
    assert read_money("0.00015") == 2
    assert read_money("0.000050000000000000000000000001") == 1


def test_a_number_means_the_same_as_its_text() -> None:
    assert parsed(type="purchase", amount=12.345).amount == parsed(type="purchase", amount="12.345").amount == 123_450


def test_numeric_ids_are_their_digits() -> None:
    assert parsed(event_id=7, customer_id=12.0).customer_id == "12"


def test_an_hour_that_comes_twice_is_the_later_one() -> None:
    assert read_time("2017-11-05 01:30", "America/New_York") == parse("2017-11-05T06:30:00Z")


def test_an_hour_left_out_moves_on() -> None:
    assert read_time("2017-03-12 02:30", "America/New_York") == parse("2017-03-12T07:30:00Z")


def test_unknown_fields_are_kept_in_properties() -> None:
    assert parsed(colour="red", properties={"size": 3}).properties == {"colour": "red", "size": 3}


def test_identifiers_alone_name_an_anonymous_customer() -> None:
    assert parsed(customer_id=None, identifiers={"card": 7}).customer_id.startswith("anonymous:")


def test_a_day_after_receipt_is_the_latest() -> None:
    latest = RECEIVED_AT + MICROSECONDS_PER_DAY

    assert read_time("2024-06-02", "UTC") == latest
    with pytest.raises(FieldError, match="24 hours after"):
        parsed(occurred_at="2024-06-02T00:00:00.000001Z")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(FieldError, match="expected a JSON object"):
        parse_event([1], default_source="api", received_at=0)  # type: ignore[arg-type]


def test_the_closest_type_is_named() -> None:
    assert closest_type("offer_accept") == "offer_accepted"


def test_every_field_of_an_event_has_a_reader() -> None:
    assert tuple(FIELDS) == tuple(LAKE_COLUMNS)
    assert set(FIELDS) == set(Event.__struct_fields__)
