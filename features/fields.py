"""Readers of single values at the border: each takes a field's name and whatever came, and gives a typed value.

What comes may be a JSON value, a cell of CSV (text) or of Parquet (with its own types); all three mean the same.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from features.errors import FieldError
from features.instant import Instant, from_datetime
from features.money import LARGEST_AMOUNT, Money, to_money
from features.zones import zone_named

T = TypeVar("T")
Reader = Callable[[str, object], T]

LONGEST_ID = 256
LARGEST_INTEGER = 2**53
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def identifier(field: str, value: object) -> str:
    """An id as text; a whole number as its decimal digits."""
    given = _digits(value) if isinstance(value, int | float | Decimal) else value
    if not isinstance(given, str) or is_missing(given) or len(given) > LONGEST_ID or _CONTROL.search(given):
        expected = f"an id: text of 1 to {LONGEST_ID} characters, not blank, without control characters"
        raise FieldError(field, value, expected)
    return given


def _digits(value: int | float | Decimal) -> str | None:
    if isinstance(value, bool) or (isinstance(value, Decimal) and not value.is_finite()):
        return None
    if isinstance(value, float) and not abs(value) <= LARGEST_INTEGER:
        return None  # NaN, or so large that the digits are not those that were meant
    return str(int(value)) if value % 1 == 0 else None


def text(field: str, value: object) -> str:
    """Any text that a store can keep; a number as its digits."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        given = decimal(field, value)
        return str(int(given)) if given == given.to_integral_value() else format(given, "f")
    if not isinstance(value, str) or _UNENCODABLE.search(value):
        raise FieldError(field, value, "text")
    return value


def one_of(values: Iterable[str]) -> Reader[str]:
    allowed = tuple(values)

    def read(field: str, value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise FieldError(field, value, f"one of {', '.join(allowed)}")
        return value

    return read


def decimal(field: str, value: object) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    if isinstance(value, int | Decimal | float) and not isinstance(value, bool):
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if exact.is_finite():
            return exact
    raise FieldError(field, value, "a decimal number")


def decimal_that(is_fit: Callable[[Decimal], bool], expected: str, field: str, value: object) -> Decimal:
    """:func:`decimal` that is fit; ``expected`` is told of one that is not, and of what is none."""
    try:
        given = decimal(field, value)
    except FieldError as error:
        raise FieldError(field, value, expected) from error
    if not is_fit(given):
        raise FieldError(field, value, expected)
    return given


def number_between(low: float, high: float) -> Reader[float]:
    if high < LARGEST_AMOUNT:
        expected = f"a number from {low:g} to {high:g}"
    else:
        expected = "a number" if low < 0 else f"a number ≥ {low:g}"
        expected += f" of at most {LARGEST_AMOUNT:.0e}"

    def read(field: str, value: object) -> float:
        try:
            given = float(decimal(field, value))
        except (FieldError, OverflowError) as error:
            raise FieldError(field, value, expected) from error
        if not low <= given <= high:
            raise FieldError(field, value, expected)
        return given

    return read


number = number_between(-LARGEST_AMOUNT, LARGEST_AMOUNT)
number_from_zero = number_between(0, LARGEST_AMOUNT)


def number_above_zero(field: str, value: object) -> float:
    given = number_from_zero(field, value)
    if given == 0:
        raise FieldError(field, value, "a number > 0")
    return given


def integer_between(low: int, high: int) -> Reader[int]:
    expected = f"a whole number from {low} to {high}"

    def read(field: str, value: object) -> int:
        return int(decimal_that(lambda given: low <= given <= high and given % 1 == 0, expected, field, value))

    return read


def money(field: str, value: object) -> Money:
    """An amount ≥ 0 in currency units."""
    expected = f"a decimal number from 0 to {LARGEST_AMOUNT}"
    return to_money(decimal_that(lambda given: 0 <= given <= LARGEST_AMOUNT, expected, field, value))


def truth(field: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str) and str(value).strip().lower() in _TRUTH:
        return _TRUTH[str(value).strip().lower()]
    raise FieldError(field, value, "true or false")


def instant_in(timezone: str) -> Reader[Instant]:
    """A date or a time; one without a zone is in ``timezone``."""
    zone = zone_named(timezone_name("timezone", timezone))

    def read(field: str, value: object) -> Instant:
        try:
            moment = _moment(value)
            return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        except (ValueError, OverflowError, TypeError) as error:
            raise FieldError(field, value, "an ISO 8601 time such as 2017-11-20T18:00:00+03:00") from error

    return read


def _moment(value: object) -> datetime:
    if isinstance(value, date):
        return datetime.fromisoformat(value.isoformat())
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    raise TypeError


def day(field: str, value: object) -> str:
    """A calendar day as ``YYYY-MM-DD``."""
    try:
        return _moment(value).date().isoformat()
    except (ValueError, TypeError) as error:
        raise FieldError(field, value, "a date such as 1980-12-31") from error


def timezone_name(field: str, value: object) -> str:
    try:
        return zone_named(text(field, value)).key
    except ValueError as error:
        raise FieldError(field, value, "an IANA time zone such as Europe/Moscow") from error


def currency(field: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise FieldError(field, value, "an ISO 4217 currency such as EUR")
    return value


def language(field: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*", value):
        raise FieldError(field, value, "a language tag such as en or pt-BR")
    return value


def mapping(field: str, value: object) -> dict[str, object]:
    """An object, or the JSON text of one; members that are nothing are left out."""
    given = _from_json(field, value, "an object", "{") if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise FieldError(field, value, "an object, or the JSON text of one")
    return {name: member for name, member in given.items() if member is not None}


def several(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list, the JSON text of one, or text with commas between; each once, in order."""

    def read_all(field: str, value: object) -> tuple[T, ...]:
        given = _members(field, value)
        return tuple(dict.fromkeys(read(field, member) for member in given if not is_missing(member)))

    return read_all


def _members(field: str, value: object) -> Iterable[object]:
    if isinstance(value, str):
        is_json = value.lstrip().startswith("[")
        value = _from_json(field, value, "a list", "[") if is_json else [part.strip() for part in value.split(",")]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value]
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        raise FieldError(field, value, "a list, or text with commas between")
    return value


def _from_json(field: str, given: str, what: str, start: str) -> Any:
    expected = f"{what}, or the JSON text of one"
    if not given.lstrip().startswith(start):
        raise FieldError(field, given, expected)
    try:
        return json.loads(given)
    except (ValueError, RecursionError) as error:
        raise FieldError(field, given, expected) from error


def plain(field: str, value: object, depth: int = 0) -> Any:
    """The value in JSON's own types: times as ISO 8601 text, numbers that are none as nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _plain_number(value)
    if isinstance(value, str):
        return text(field, value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping) and depth < 20:
        return {text(field, name): plain(field, member, depth + 1) for name, member in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray) and depth < 20:
        return [plain(field, member, depth + 1) for member in value]
    raise FieldError(field, value, "a JSON value, no deeper than 20 levels")


def _plain_number(value: int | float | Decimal) -> int | float | None:
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    try:
        given = float(value)
    except (OverflowError, ValueError):  # an integer too large, a signalling NaN
        return None
    return given if math.isfinite(given) else None


def as_text(value: object) -> str:
    """The JSON text of a plain value."""
    return msgspec.json.encode(value).decode()
