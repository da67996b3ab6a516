import json
from pathlib import Path

import pytest
import yaml

from features.brand import (
    BrandSettings,
    QuietHours,
    apply_brand,
    brands_sharing,
    parse_brand,
    read_brand,
    read_brand_file,
    settle_currency,
)
from features.errors import FieldError
from features.event_files import ingest_events
from features.store import Store

NOW = 1_700_000_000_000_000

FULL = """
brand: north
timezone: Europe/Moscow
currency: RUB
point_value: 0.5
default_margin_rate: 0.25
languages: [ru, en]
quiet_hours: {from: 22:00, to: "08:00"}
protected_attributes: [gender]
"""


def apply(store: Store, *documents: dict[str, object]) -> None:
    for document in documents:
        with store.writing() as connection:
            apply_brand(connection, parse_brand(document), NOW)


def read(store: Store, brand: str) -> BrandSettings:
    with store.reading() as connection:
        return read_brand(connection, brand)


def test_every_setting_of_a_file_holds_once_applied(store: Store) -> None:
    apply(store, yaml.safe_load(FULL))

    settings = read(store, "north")

    assert (settings.timezone, settings.currency, settings.point_value) == ("Europe/Moscow", "RUB", 0.5)
    assert (settings.default_margin_rate, settings.languages) == (0.25, ("ru", "en"))
    assert settings.quiet_hours == QuietHours(from_minute=22 * 60, to_minute=8 * 60)
    assert settings.protected_attributes == ("gender",)


def test_default_brand_is_there_without_a_file(store: Store) -> None:
    settings = read(store, "default")

    assert (settings.brand, settings.timezone, settings.currency) == ("default", "UTC", None)
    assert not settings.share.models


def test_brand_takes_what_it_does_not_set_from_the_one_it_extends(store: Store) -> None:
    apply(store, {"brand": "parent", "timezone": "Asia/Tokyo", "currency": "JPY", "protected_attributes": ["age"]})
    apply(store, {"brand": "child", "extends": "parent", "currency": "EUR", "protected_attributes": ["gender"]})

    settings = read(store, "child")

    assert (settings.timezone, settings.currency) == ("Asia/Tokyo", "EUR")
    assert settings.protected_attributes == ("gender", "age")


def test_change_of_the_extended_brand_reaches_the_extending(store: Store) -> None:
    apply(store, {"brand": "parent", "timezone": "Asia/Tokyo"}, {"brand": "child", "extends": "parent"})

    apply(store, {"brand": "parent", "timezone": "Asia/Seoul"})

    assert read(store, "child").timezone == "Asia/Seoul"


def test_brands_that_extend_each_other_are_refused(store: Store) -> None:
    apply(store, {"brand": "a"}, {"brand": "b", "extends": "a"}, {"brand": "c", "extends": "b"})

    with pytest.raises(FieldError, match="extends: got 'c'"):
        apply(store, {"brand": "a", "extends": "c"})

    assert read(store, "a").extends is None


def test_brand_to_extend_must_be_there(store: Store) -> None:
    with pytest.raises(FieldError, match="extends: got 'nowhere', expected a brand that was applied before"):
        apply(store, {"brand": "a", "extends": "nowhere"})


def test_only_what_each_file_says_is_shared(store: Store) -> None:
    apply(store, {"brand": "a"}, {"brand": "b", "extends": "a", "share": {"catalogue": True}})
    apply(store, {"brand": "c", "extends": "b", "share": {"catalogue": True, "models": True}})
    apply(store, {"brand": "d", "extends": "c"})

    with store.reading() as connection:
        assert brands_sharing(connection, "c", "catalogue") == ("c", "b", "a")
        assert brands_sharing(connection, "c", "models") == ("c", "b")
        assert brands_sharing(connection, "d", "catalogue") == ("d",)


def test_first_amount_settles_the_currency(store: Store) -> None:
    with store.writing() as connection:
        assert settle_currency(connection, "default", None, NOW) is None
        assert settle_currency(connection, "default", "EUR", NOW) == "EUR"
        assert settle_currency(connection, "default", "USD", NOW) == "EUR"

    assert read(store, "default").currency == "EUR"


def test_currency_of_the_file_goes_before_that_of_the_first_amount(store: Store) -> None:
    apply(store, {"brand": "a", "currency": "RUB"})

    with store.writing() as connection:
        assert settle_currency(connection, "a", "USD", NOW) == "RUB"


def test_currency_of_amounts_taken_cannot_change(store: Store) -> None:
    with store.writing() as connection:
        settle_currency(connection, "default", "EUR", NOW)

    with pytest.raises(FieldError, match="currency: got 'USD', expected EUR"):
        apply(store, {"brand": "default", "currency": "USD"})

    apply(store, {"brand": "default", "timezone": "Asia/Tokyo"})
    assert read(store, "default").currency == "EUR"


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("brand", {"brand": None}),
        ("brand", {"brand": "a\nb"}),
        ("colour", {"colour": "red"}),
        ("timezone", {"timezone": "Europe/Atlantis"}),
        ("currency", {"currency": "euro"}),
        ("point_value", {"point_value": 0}),
        ("point_value", {"point_value": float("nan")}),
        ("default_margin_rate", {"default_margin_rate": 25}),
        ("languages", {"languages": []}),
        ("languages", {"languages": ["english!"]}),
        ("quiet_hours.from", {"quiet_hours": {"from": "25:00", "to": "08:00"}}),
        ("quiet_hours.to", {"quiet_hours": {"from": "22:00"}}),
        ("quiet_hours", {"quiet_hours": {"from": "22:00", "to": 22}}),
        ("share.prices", {"extends": "default", "share": {"prices": True}}),
        ("share.models", {"extends": "default", "share": {"models": "perhaps"}}),
        ("share", {"share": {"models": True}}),
        ("protected_attributes", {"protected_attributes": {"gender": True}}),
    ],
)
def test_wrong_setting_is_named(field: str, settings: dict[str, object]) -> None:
    with pytest.raises(FieldError) as caught:
        parse_brand({"brand": "a"} | settings)

    assert caught.value.field == field


@pytest.mark.parametrize("content", [b"brand: [", b"- a list", b"\xff\xfe\x00", b"", b"brand: a\x00"])
def test_file_that_holds_no_settings_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "brand.yaml"
    file.write_bytes(content)

    with pytest.raises(FieldError, match="brand file"):
        read_brand_file(file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"brand file: got '.*nowhere.yaml'.*No such file"):
        read_brand_file(tmp_path / "nowhere.yaml")


def test_quiet_hours_may_run_over_midnight() -> None:
    night = QuietHours(from_minute=22 * 60, to_minute=8 * 60)
    noon = QuietHours(from_minute=12 * 60, to_minute=13 * 60)

    assert [night.hold_at(hour * 60) for hour in (21, 22, 0, 7, 8)] == [False, True, True, True, False]
    assert [noon.hold_at(hour * 60) for hour in (11, 12, 13)] == [False, True, False]


@pytest.mark.parametrize(
    "name", ["\u00a0", "\u2003 ", "\u3000\u1680", "a\u00a0b", "\u200b", "\ufeff", "x" * 257, "имя" * 80]
)
def test_files_of_events_name_brands_as_brand_files_do(sqlite_store: Store, tmp_path: Path, name: str) -> None:
    line = {"event_id": "1", "type": "view", "occurred_at": "2023-01-05", "customer_id": "anna", "brand": name}
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(line))
    try:
        is_brand = bool(parse_brand({"brand": name}))
    except FieldError:
        is_brand = False

    report = ingest_events(sqlite_store, [path], now=NOW)

    assert (report.accepted, report.rejected) == ((1, 0) if is_brand else (0, 1))
    assert is_brand or (report.quarantine is not None and "expected text of 1 to" in report.quarantine.read_text())
