from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.entities import CapPerCustomer, OfferKind, Target
from features.entity_border import offer_rows, parse_customer, parse_offer, parse_product, parse_rows
from features.errors import FieldError
from features.instant import parse
from features.money import to_money

NOT_A_NUMBER = float("nan")


def test_numeric_id_is_its_decimal_digits() -> None:
    ids = [parse_product({"product_id": value}).product_id for value in (17, 17.0, Decimal("17"), "17")]

    assert ids == ["17"] * 4


def test_unknown_columns_of_a_product_are_kept_as_properties() -> None:
    product = parse_product({"product_id": "a", "colour": "red", "weight": 2.5, "empty": None})

    assert product.properties == {"colour": "red", "weight": 2.5}


def test_unknown_columns_of_a_customer_are_attributes() -> None:
    customer = parse_customer(
        {"customer_id": "a", "household": 3, "city": "Kazan", "owner": True, "income": NOT_A_NUMBER}
    )

    assert customer.attributes == {"household": 3.0, "city": "Kazan", "owner": True}


def test_row_without_a_brand_is_of_the_brand_given() -> None:
    assert parse_customer({"customer_id": "a"}, brand="north").brand == "north"
    assert parse_customer({"customer_id": "a", "brand": "south"}, brand="north").brand == "south"


@pytest.mark.parametrize("value", ["2024-03-31T12:00:00", datetime(2024, 3, 31, 12)])  # noqa: DTZ001 — no zone is the point
def test_time_without_a_zone_is_in_the_zone_given(value: object) -> None:
    customer = parse_customer({"customer_id": "a", "joined_at": value}, timezone="Europe/Moscow")

    assert customer.joined_at == parse("2024-03-31T09:00:00Z")


@pytest.mark.parametrize("value", ["2024-03-31T12:00:00Z", datetime(2024, 3, 31, 12, tzinfo=UTC)])
def test_time_with_a_zone_keeps_it(value: object) -> None:
    customer = parse_customer({"customer_id": "a", "joined_at": value}, timezone="Europe/Moscow")

    assert customer.joined_at == parse("2024-03-31T12:00:00Z")


@pytest.mark.parametrize("value", ["p1,p2", "p1, p2,", '["p1", "p2"]', ["p1", "p2"], ("p1", "p2", "p1")])
def test_list_may_be_a_list_or_text(value: object) -> None:
    assert parse_offer({"offer_id": "o", "target": {"products": value}}).target == Target(products=("p1", "p2"))


@pytest.mark.parametrize("value", ['{"count": 2, "days": 7}', {"count": 2, "days": 7.0}, {"count": "2", "days": "7"}])
def test_object_may_be_an_object_or_its_json_text(value: object) -> None:
    offer = parse_offer({"offer_id": "o", "cap_per_customer": value})

    assert offer.cap_per_customer == CapPerCustomer(count=2, days=7.0)


def test_offer_with_nothing_but_an_id_has_the_defaults() -> None:
    offer = parse_offer({"offer_id": "o"})

    assert (offer.kind, offer.personalised, offer.priority) == (OfferKind.INFORMATION, True, 0.0)
    assert offer.target == Target()


def test_weekdays_may_be_numbers_or_names() -> None:
    offer = parse_offer({"offer_id": "o", "schedule": {"weekdays": "mon, Sunday, 2", "hours": [9, 10]}})

    assert offer.schedule.weekdays == (0, 6, 2)


def test_money_is_exact() -> None:
    for value in ("0.1", 0.1, Decimal("0.1")):
        assert parse_offer({"offer_id": "o", "cost_amount": value}).cost_amount == to_money(Decimal("0.1"))


def test_birth_date_is_a_calendar_day() -> None:
    for value in ("1980-12-31", date(1980, 12, 31), datetime(1980, 12, 31, tzinfo=UTC)):
        assert parse_customer({"customer_id": "a", "birth_date": value}).birth_date == "1980-12-31"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_id", None),
        ("product_id", ""),
        ("product_id", "a\nb"),
        ("product_id", "a\x00"),
        ("product_id", "\ud800"),
        ("product_id", "x" * 257),
        ("product_id", 1.5),
        ("product_id", NOT_A_NUMBER),
        ("product_id", True),
        ("name", {"en": "milk"}),
        ("price", NOT_A_NUMBER),
        ("price", 1e300),
        ("price", "1e999"),
        ("price", "-1"),
        ("price", "1,5"),
        ("price", "free"),
        ("price", "1_000"),
        ("price", "nan"),
        ("margin_rate", 1.01),
        ("margin_rate", -0.01),
        ("margin_rate", NOT_A_NUMBER),
        ("properties", "{"),
        ("properties", "[1]"),
    ],
)
def test_wrong_field_of_a_product_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(FieldError) as caught:
        parse_product({"product_id": "a", field: value})

    assert caught.value.field == field
    assert caught.value.expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Base"),
        ("timezone", "../etc/passwd"),
        ("language", "english!"),
        ("joined_at", "yesterday"),
        ("joined_at", 20240101),
        ("joined_at", "2024-13-01"),
        ("birth_date", "1980-02-30"),
        ("points_balance", 1e300),
        ("points_balance", float("inf")),
        ("identifiers", {"passport": "1"}),
        ("identifiers.card", {"card": "a\tb"}),
    ],
)
def test_wrong_field_of_a_customer_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(FieldError) as caught:
        parse_customer({"customer_id": "a", field.partition(".")[0]: value})

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("offer_id", {"offer_id": "none"}),
        ("kind", {"kind": "present"}),
        ("value", {"kind": "discount_percent", "value": 101}),
        ("depths", {"kind": "discount_percent", "depths": [10, 200]}),
        ("value", {"value": -1}),
        ("currency", {"currency": "roubles"}),
        ("target.colours", {"target": {"colours": ["red"]}}),
        ("target", {"target": "everything"}),
        ("valid_to", {"valid_from": "2024-02-01", "valid_to": "2024-01-01"}),
        ("validity_days", {"validity_days": 0}),
        ("validity_days", {"validity_days": 1e11}),
        ("schedule.weekdays", {"schedule": {"weekdays": [7]}}),
        ("schedule.hours", {"schedule": {"hours": [24]}}),
        ("cost_rate", {"cost_rate": 2}),
        ("cost_amount", {"cost_rate": 0.1, "cost_amount": 1}),
        ("cap_per_customer.count", {"cap_per_customer": {"count": -1, "days": 7}}),
        ("cap_per_customer.days", {"cap_per_customer": {"count": 1}}),
        ("cap_per_customer.days", {"cap_per_customer": {"count": 1, "days": 1e11}}),
        ("cap_total", {"cap_total": -1}),
        ("cap_total", {"cap_total": 1.5}),
        ("cap_total", {"cap_total": 1e300}),
        ("budget", {"budget": -5}),
        ("stock", {"stock": "many"}),
        ("priority", {"priority": NOT_A_NUMBER}),
        ("partner_cost_share", {"partner_cost_share": 1.5}),
        ("personalised", {"personalised": "maybe"}),
        ("words.en", {"words": {"en": ["a"]}}),
    ],
)
def test_wrong_field_of_an_offer_is_named_with_its_value(field: str, row: dict[str, Any]) -> None:
    with pytest.raises(FieldError) as caught:
        parse_offer({"offer_id": "o"} | row)

    assert caught.value.field == field


def test_a_time_of_days_is_more_than_none_and_at_most_a_century() -> None:
    assert parse_offer({"offer_id": "o", "validity_days": 36_525}).validity_days == 36_525
    for days in (0, 36_525.5, "1e11"):
        with pytest.raises(
            FieldError, match=f"validity_days: got {days!r}, expected a number of days above 0, at most"
        ):
            parse_offer({"offer_id": "o", "validity_days": days})


def test_offer_in_another_currency_than_the_brands_is_refused() -> None:
    row = {"offer_id": "o", "currency": "EUR"}

    assert parse_offer(row, accounting_currency="EUR") == parse_offer(row)
    with pytest.raises(FieldError, match="currency: got 'EUR', expected RUB"):
        parse_offer(row, accounting_currency="RUB")


def test_bad_rows_are_set_aside_and_good_ones_kept() -> None:
    good, bad = parse_rows([{"product_id": "a"}, {"name": "nameless"}, {"product_id": "b"}], parse_product)

    assert [product.product_id for product in good] == ["a", "b"]
    assert [error.field for _, error in bad] == ["product_id"]


def test_offers_of_yaml_stand_under_offers() -> None:
    assert offer_rows({"offers": [{"offer_id": "o"}]}) == [{"offer_id": "o"}]

    with pytest.raises(FieldError, match="a list of offers"):
        offer_rows({"offer": []})


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_COLUMNS = st.sampled_from(["offer_id", "target", "schedule", "words", "value", "valid_from", "stock", "other", "kind"])


@given(st.dictionaries(_COLUMNS | st.text(), _ANYTHING, max_size=6))
def test_any_row_is_an_entity_or_a_field_error(row: dict[str, object]) -> None:
    for parse_row in (parse_product, parse_customer, parse_offer):
        with suppress(FieldError):
            msgspec.json.encode(parse_row({"product_id": 1, "customer_id": 1, "offer_id": 1} | row))
