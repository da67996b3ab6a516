"""Rows that came from outside become products, customers and offers here, or are refused with the reason.

A row is a mapping from column to value: of Parquet, CSV, JSON lines, YAML or an HTTP body. Every column is named once,
in the three tables of rules. Columns that no rule names are kept, as ``properties`` or a customer's ``attributes``.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from features.entities import CapPerCustomer, Customer, Offer, OfferKind, Product, Schedule, Target
from features.errors import FieldError
from features.events import DEFAULT_BRAND, IDENTIFIER_KINDS, NO_OFFER
from features.fields import (
    LARGEST_INTEGER,
    Reader,
    as_text,
    currency,
    day,
    decimal_that,
    identifier,
    instant_in,
    integer_between,
    is_missing,
    language,
    mapping,
    money,
    number,
    number_between,
    number_from_zero,
    one_of,
    plain,
    several,
    text,
    timezone_name,
    truth,
)
from features.instant import to_iso

Row = Mapping[str, object]
Entity = TypeVar("Entity")
Rules = Mapping[str, Reader[Any]]

_share = number_between(0, 1)
_count = integer_between(0, LARGEST_INTEGER)
_MOST_DAYS = 36_525
"""A century: whatever is added to a time of ours is still a time."""
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PRODUCT: Rules = {
    "product_id": identifier,
    "brand": identifier,
    "name": text,
    "category": text,
    "department": text,
    "maker": text,
    "price": money,
    "margin_rate": _share,
}


def parse_product(row: Row, *, timezone: str = "UTC", brand: str = DEFAULT_BRAND) -> Product:  # noqa: ARG001 — one form for all three
    """The product of a row; ``brand`` is that of a row without one.

    Raises
    ------
    FieldError
    """
    known, others = _read(row, _PRODUCT, "product_id", brand, ("properties",))
    return Product(**known, properties=_properties(others))


def parse_customer(row: Row, *, timezone: str = "UTC", brand: str = DEFAULT_BRAND) -> Customer:
    """The customer of a row; times without a zone are in ``timezone``, ``brand`` is that of a row without one.

    Raises
    ------
    FieldError
    """
    known, others = _read(row, _customer_rules(timezone), "customer_id", brand, ("attributes", "properties"))
    found = {name: _attribute(name, value) for name, value in others.items()}
    return Customer(**known, attributes={name: value for name, value in found.items() if value is not None} or None)


def parse_offer(
    row: Row, *, timezone: str = "UTC", brand: str = DEFAULT_BRAND, accounting_currency: str | None = None
) -> Offer:
    """The offer of a row; times without a zone are in ``timezone``, ``brand`` is that of a row without one.

    Raises
    ------
    FieldError
        Also for a currency other than the brand's, where that is given.
    """
    known, others = _read(row, _offer_rules(timezone), "offer_id", brand, ("properties",))
    offer = Offer(**known, properties=_properties(others))
    _check_together(offer)
    if None not in (offer.currency, accounting_currency) and offer.currency != accounting_currency:
        raise FieldError("currency", offer.currency, f"{accounting_currency}, the brand's currency")
    return offer


def offer_rows(document: object) -> list[Row]:
    """The rows of a YAML document: the list under ``offers:``.

    Raises
    ------
    FieldError
    """
    rows = document.get("offers") if isinstance(document, Mapping) else document
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise FieldError("offers", rows, "a list of offers under 'offers:'")
    return rows


def parse_rows(
    rows: Iterable[Row], parse: Callable[[Row], Entity]
) -> tuple[list[Entity], list[tuple[Row, FieldError]]]:
    """The entities of the good rows, and the bad rows with the reason of each."""
    good: list[Entity] = []
    bad: list[tuple[Row, FieldError]] = []
    for row in rows:
        try:
            good.append(parse(row))
        except FieldError as error:
            bad.append((row, error))
    return good, bad


def _read(
    row: Row, rules: Rules, required: str, brand: str, bags: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, object]]:
    """The known fields of a row, typed, and what no rule names: further columns, and the members of ``bags``."""
    if not isinstance(row, Mapping):
        raise FieldError("row", row, "an object")
    if is_missing(row.get(required)):
        raise FieldError(required, row.get(required), "an id", "missing")
    known: dict[str, Any] = {"brand": brand}
    others: dict[str, object] = {}
    for name, value in row.items():
        if is_missing(value):
            continue
        if name in rules:
            known[name] = rules[name](name, value)
        else:
            others |= mapping(name, value) if name in bags else {text("column", name): value}
    return known, others


def _properties(others: dict[str, object]) -> dict[str, Any] | None:
    return {text("properties", name): plain(name, value) for name, value in others.items()} or None


def _attribute(name: str, value: object) -> float | str | bool | None:
    given = plain(text("attributes", name), value)
    if given is None or isinstance(given, bool | str):
        return given
    return float(given) if isinstance(given, int | float) else as_text(given)


def _identifiers(field: str, value: object) -> dict[str, str]:
    found = {}
    for kind, member in mapping(field, value).items():
        if kind not in IDENTIFIER_KINDS:
            raise FieldError(field, kind, f"identifiers among {', '.join(IDENTIFIER_KINDS)}")
        found[kind] = identifier(f"{field}.{kind}", member)
    return found


@lru_cache(maxsize=64)
def _customer_rules(timezone: str) -> Rules:
    instant = instant_in(timezone)
    return {
        "customer_id": identifier,
        "brand": identifier,
        "identifiers": _identifiers,
        "language": language,
        "timezone": timezone_name,
        "joined_at": instant,
        "birth_date": day,
        "tier": text,
        "tier_progress": number,
        "points_balance": number,
        "points_expire_at": instant,
    }


def _members(field: str, value: object, rules: Rules) -> dict[str, Any]:
    """The members of an object that may have no others than ``rules`` names."""
    given = mapping(field, value)
    for name in given:
        if name not in rules:
            raise FieldError(f"{field}.{name}", given[name], f"no member but {', '.join(rules)}")
    return {name: rules[name](f"{field}.{name}", member) for name, member in given.items() if not is_missing(member)}


def _target(field: str, value: object) -> Target:
    return Target(**_members(field, value, {"products": several(identifier), "categories": several(text)}))


def _weekday(field: str, value: object) -> int:
    """0 (Monday) to 6, or the day's name in English, also by its first three letters."""
    if isinstance(value, str) and not value.strip().isdigit():
        for index, name in enumerate(_WEEKDAYS):
            if value.strip().lower() in (name, name[:3]):
                return index
    return integer_between(0, 6)(field, value)


def _schedule(field: str, value: object) -> Schedule:
    hour = integer_between(0, 23)
    return Schedule(**_members(field, value, {"weekdays": several(_weekday), "hours": several(hour)}))


def _days(field: str, value: object) -> float:
    expected = f"a number of days above 0, at most {_MOST_DAYS:,}"
    return float(decimal_that(lambda given: given <= _MOST_DAYS and float(given) > 0, expected, field, value))


def _cap_per_customer(field: str, value: object) -> CapPerCustomer:
    rules = {"count": _count, "days": _days}
    found = _members(field, value, rules)
    for name in rules:
        if name not in found:
            raise FieldError(f"{field}.{name}", None, "a number: both count and days are needed", "missing")
    return CapPerCustomer(**found)


def _kind(field: str, value: object) -> OfferKind:
    return OfferKind(one_of(OfferKind)(field, value))


def _offer_id(field: str, value: object) -> str:
    offer_id = identifier(field, value)
    if offer_id == NO_OFFER:
        raise FieldError(field, value, f"another id: {NO_OFFER!r} means that no offer was made")
    return offer_id


def _texts(field: str, value: object) -> dict[str, str]:
    return {language(field, name): text(f"{field}.{name}", member) for name, member in mapping(field, value).items()}


def _conditions(field: str, value: object) -> dict[str, Any]:
    return {text(field, name): plain(f"{field}.{name}", member) for name, member in mapping(field, value).items()}


@lru_cache(maxsize=64)
def _offer_rules(timezone: str) -> Rules:
    instant = instant_in(timezone)
    return {
        "offer_id": _offer_id,
        "brand": identifier,
        "campaign_id": identifier,
        "name": text,
        "kind": _kind,
        "value": number_from_zero,
        "currency": currency,
        "depths": several(number_from_zero),
        "target": _target,
        "minimum_spend": money,
        "valid_from": instant,
        "valid_to": instant,
        "validity_days": _days,
        "schedule": _schedule,
        "channels": several(identifier),
        "placements": several(identifier),
        "eligibility": _conditions,
        "activity_name": text,
        "priority": number,
        "cost_rate": _share,
        "cost_amount": money,
        "cap_per_customer": _cap_per_customer,
        "cap_total": _count,
        "budget": money,
        "stock": _count,
        "exclusive_group": identifier,
        "partner_id": identifier,
        "partner_cost_share": _share,
        "personalised": truth,
        "words": _texts,
    }


def _check_together(offer: Offer) -> None:
    """What no field shows alone."""
    if offer.valid_from is not None and offer.valid_to is not None and offer.valid_to < offer.valid_from:
        raise FieldError(
            "valid_to", to_iso(offer.valid_to), f"a time not before valid_from, {to_iso(offer.valid_from)}"
        )
    if offer.cost_rate is not None and offer.cost_amount is not None:
        raise FieldError("cost_amount", offer.cost_amount, "cost_rate or cost_amount, not both")
    if offer.kind is OfferKind.DISCOUNT_PERCENT:
        for value in (offer.value or 0, *offer.depths):
            number_between(0, 100)("value" if value == offer.value else "depths", value)
