"""How each field of an event is read from text: in Python and, side by side, in DuckDB's SQL.

Rows reach both borders as text first (``event_text``; a cell of a file is cast). A reader gives the value, or nothing
where the text is no such thing; what is allowed beyond that stands in ``event_rules``.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

from features.event_objects import identifiers_sql, object_sql, read_identifiers, read_object
from features.event_text import BLANKS, LONGEST_ID, NO_ID, read_id
from features.events import IDENTIFIER_KINDS, EventType
from features.instant import Instant, from_datetime
from features.money import LARGEST_AMOUNT, MONEY_SCALE, Money
from features.zones import zone_named

_TYPES = tuple(type_.value for type_ in EventType)
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_DAY_MONTH_YEAR = r"^([0-3][0-9])\.([01][0-9])\.([1-9][0-9]{3})"
_FRACTION = r"[.,]([0-9]{1,6})[0-9]*"
_OFFSET = r" ?(?:Z|UTC|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_TIME = (
    r"[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]"
    rf"(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?:{_OFFSET})?)?"
)
_POWER = r"[+-]?[0-9]{1,3}(?:\.[0-9]{0,17})?[eE][+-]?[0-9]{1,3}"
"""An amount as computers write very small and very large ones."""
_NUMBER_PATTERN = re.compile(_NUMBER)
_TIME_PATTERN = re.compile(_TIME)
_TRUE = ("true", "t", "1", "yes", "y")
_FALSE = ("false", "f", "0", "no", "n")
_POWER_DECIMALS = 14
"""Of an amount written with a power of ten; what is beyond is rounded away first."""
_POWER_STEP = Decimal(1).scaleb(-_POWER_DECIMALS)
_MONEY_DECIMALS = 4
_LARGEST_READ = 10 * LARGEST_AMOUNT


@dataclass(frozen=True, slots=True)
class Kind:
    """``parse(text, zone)`` and ``sql(field, zone)`` give the same: None and NULL where the text cannot be read.

    The SQL speaks of the columns ``text_<field>`` and ``ready_<field>``; the latter holds ``prepare(text)``, which is
    needed more than once.
    """

    expected: str
    sql_type: str
    parse: Callable[[str, str], Any]
    sql: Callable[[str, str], str]
    prepare: Callable[[str], str] | None = None


def _stripped(column: str) -> str:
    return f"trim({column}, '{BLANKS}')"


def _id_sql(field: str, _: str) -> str:
    column = f"text_{field}"
    is_id = f"length({column}) <= {LONGEST_ID} AND NOT regexp_matches({column}, '{NO_ID}')"
    return f"CASE WHEN {is_id} THEN {column} END"


def read_type(text: str, _: str = "") -> str | None:
    stripped = text.strip(BLANKS)
    return stripped if stripped in _TYPES else None


def _type_sql(field: str, _: str) -> str:
    column = f"text_{field}"
    return f"CASE WHEN {_stripped(column)} IN {_TYPES} THEN {_stripped(column)} END"


def read_time(text: str, zone: str) -> Instant | None:
    """Without an offset the time is local to the zone: of an hour that comes twice the later, one left out moves on."""
    day_first = re.sub(_DAY_MONTH_YEAR, r"\3-\2-\1", text.strip(BLANKS))
    iso = re.sub(_FRACTION, r".\1", day_first, count=1)
    if not _TIME_PATTERN.fullmatch(iso):
        return None
    try:
        moment = datetime.fromisoformat(re.sub(r" (Z|[+-])", r"\1", iso.replace("UTC", "Z")))
    except ValueError:
        return None
    return from_datetime(moment) if moment.tzinfo else _local(moment, zone)


def _local(moment: datetime, zone: str) -> Instant:
    return max(from_datetime(moment.replace(tzinfo=zone_named(zone), fold=fold)) for fold in (0, 1))


def _prepared_time(column: str) -> str:
    """As ISO 8601; what needs no change is not looked at closely."""
    text = _stripped(column)
    is_day_first = f"substr({column}, 3, 1) = '.'"
    text = rf"CASE WHEN {is_day_first} THEN regexp_replace({text}, '{_DAY_MONTH_YEAR}', '\3-\2-\1') ELSE {text} END"
    is_odd = f"length({column}) > {len('2017-11-20 18:30:00.123456')} OR contains({column}, ',')"
    odd = rf"replace(regexp_replace({text}, '{_FRACTION}', '.\1'), 'UTC', 'Z')"
    return f"CASE WHEN {is_odd} THEN {odd} ELSE replace({text}, 'UTC', 'Z') END"


def _time_sql(field: str, zone: str) -> str:
    iso = f"ready_{field}"
    local = f"TRY_CAST({iso} AS TIMESTAMP)"
    if zone != "UTC":
        local = f"timezone('{zone}', {local})"
    has_offset = f"regexp_matches(substr({iso}, 11), '[Z+-]')"
    joined = rf"regexp_replace({iso}, ' (Z|[+-][0-9:]+)$', '\1')"
    minutes = rf"regexp_replace({joined}, '([+-][0-9]{{2}})([0-9]{{2}})$', '\1:\2')"
    seconds = rf"regexp_replace({minutes}, '^(.{{10}}.[0-9]{{2}}:[0-9]{{2}})(Z|[+-])', '\1:00\2')"
    zoned = f"TRY_CAST({seconds} AS TIMESTAMPTZ)"
    either = f"CASE WHEN {has_offset} THEN epoch_us({zoned}) ELSE epoch_us({local}) END"
    return f"CASE WHEN regexp_full_match({iso}, '{_TIME}') THEN {either} END"


def read_number(text: str, _: str = "") -> float | None:
    stripped = text.strip(BLANKS)
    value = float(stripped) if _NUMBER_PATTERN.fullmatch(stripped) else math.inf
    return value if math.isfinite(value) else None


def _is_number(column: str) -> str:
    return f"regexp_full_match({_stripped(column)}, '{_NUMBER}')"


def _prepared_number(column: str) -> str:
    return f"CASE WHEN {_is_number(column)} THEN TRY_CAST({_stripped(column)} AS DOUBLE) END"


def _number_sql(field: str, _: str) -> str:
    return f"CASE WHEN isfinite(ready_{field}) THEN ready_{field} END"


def read_money(text: str, _: str = "") -> Money | None:
    """Ten-thousandths, half to even; ``12.34`` is exact, and so is 12.34 that came as a float."""
    stripped = text.strip(BLANKS)
    if not _NUMBER_PATTERN.fullmatch(stripped):
        return None
    amount = Decimal(stripped)
    if abs(amount) >= _LARGEST_READ:
        return None
    if "e" in stripped.lower():
        if not re.fullmatch(_POWER, stripped):
            return None
        amount = amount.quantize(_POWER_STEP, ROUND_HALF_UP)
    return int(amount.scaleb(_MONEY_DECIMALS).quantize(Decimal(1), ROUND_HALF_EVEN))


def _prepared_money(column: str) -> str:
    """Ten-thousandths without the decimals beyond, which DuckDB's own cast would round half away from zero."""
    text = _stripped(column)
    down = rf"regexp_replace({text}, '(\.[0-9]{{{_MONEY_DECIMALS}}})[0-9]+$', '\1')"
    amount = f"TRY_CAST({down} AS DECIMAL(17, {_MONEY_DECIMALS}))"
    # Whole units apart from the rest, because the product of all would overflow DuckDB's fast decimals.
    units, rest = f"CAST(trunc({amount}) AS BIGINT)", f"CAST(({amount} - trunc({amount})) * {MONEY_SCALE} AS BIGINT)"
    readable = f"{_is_number(column)} AND NOT {_has_power(text)}"
    return f"CASE WHEN {readable} THEN {units} * {MONEY_SCALE} + {rest} END"


def _money_sql(field: str, _: str) -> str:
    text, down = _stripped(f"text_{field}"), f"ready_{field}"
    rest = rf"rtrim(regexp_extract({text}, '\.[0-9]{{{_MONEY_DECIMALS}}}([0-9]+)$', 1), '0')"
    is_more = f"{rest} > '5' OR ({rest} = '5' AND {down} % 2 <> 0)"
    step = f"CASE WHEN {is_more} THEN CASE WHEN {text} LIKE '-%' THEN -1 ELSE 1 END ELSE 0 END"
    money = f"CASE WHEN length({text}) - instr({text}, '.') > {_MONEY_DECIMALS} THEN {down} + {step} ELSE {down} END"
    limit = f"abs({down}) < {_LARGEST_READ * MONEY_SCALE}"
    power = f"CASE WHEN regexp_full_match({text}, '{_POWER}') THEN {_money_of_power_sql(text)} END"
    return f"CASE WHEN {limit} THEN {money} WHEN {down} IS NULL THEN {power} END"


def _has_power(text: str) -> str:
    return f"regexp_matches({text}, '[eE]')"


def _money_of_power_sql(text: str) -> str:
    """Slow, but few amounts come as ``5e-05``."""
    scaled = f"(TRY_CAST({text} AS DECIMAL(28, {_POWER_DECIMALS})) * {MONEY_SCALE})"
    down = f"floor({scaled})"
    up = f"({scaled} - {down} > 0.5 OR ({scaled} - {down} = 0.5 AND {down} % 2 <> 0))"
    money = f"CAST({down} + CASE WHEN {up} THEN 1 ELSE 0 END AS BIGINT)"
    return f"CASE WHEN abs({scaled}) < {_LARGEST_READ * MONEY_SCALE} THEN {money} END"


def read_truth(text: str, _: str = "") -> bool | None:
    word = text.strip(BLANKS).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _truth_sql(field: str, _: str) -> str:
    word = f"lower({_stripped(f'text_{field}')})"
    return f"CASE WHEN {word} IN {_TRUE} THEN true WHEN {word} IN {_FALSE} THEN false END"


def read_currency(text: str, _: str = "") -> str | None:
    code = text.strip(BLANKS).upper()
    return code if re.fullmatch(r"[A-Z]{3}", code) else None


def _currency_sql(field: str, _: str) -> str:
    code = f"upper({_stripped(f'text_{field}')})"
    return f"CASE WHEN regexp_full_match({code}, '[A-Z]{{3}}') THEN {code} END"


ID = Kind(f"text of 1 to {LONGEST_ID} characters, not blank, without control characters", "VARCHAR", read_id, _id_sql)
TYPE = Kind("an event type", "VARCHAR", read_type, _type_sql)
TIME = Kind("an ISO 8601 time such as 2017-11-20T18:30:00+03:00", "BIGINT", read_time, _time_sql, _prepared_time)
NUMBER = Kind("a finite number", "DOUBLE", read_number, _number_sql, _prepared_number)
MONEY = Kind(f"a decimal number below {LARGEST_AMOUNT:.0e}", "BIGINT", read_money, _money_sql, _prepared_money)
TRUTH = Kind("true or false", "BOOLEAN", read_truth, _truth_sql)
CURRENCY = Kind("a currency of three letters (ISO 4217)", "VARCHAR", read_currency, _currency_sql)
OBJECT = Kind("a JSON object", "VARCHAR", read_object, object_sql)
IDENTIFIERS = Kind(f"a JSON object of {', '.join(IDENTIFIER_KINDS)}", "VARCHAR", read_identifiers, identifiers_sql)

FIELDS: dict[str, Kind] = {
    "event_id": ID,
    "type": TYPE,
    "occurred_at": TIME,
    "customer_id": ID,
    "brand": ID,
    "source": ID,
    "identifiers": IDENTIFIERS,
    "channel": ID,
    "store_id": ID,
    "campaign_id": ID,
    "product_id": ID,
    "quantity": NUMBER,
    "amount": MONEY,
    "currency": CURRENCY,
    "exchange_rate": NUMBER,
    "list_amount": MONEY,
    "discount_amount": MONEY,
    "points": NUMBER,
    "points_balance": NUMBER,
    "points_expire_at": TIME,
    "order_id": ID,
    "offer_id": ID,
    "decision_id": ID,
    "propensity": NUMBER,
    "message_id": ID,
    "machine_open": TRUTH,
    "experiment": ID,
    "variant": ID,
    "activity_name": ID,
    "score": NUMBER,
    "purpose": ID,
    "granted": TRUTH,
    "basis": ID,
    "merged_customer_id": ID,
    "properties": OBJECT,
}
"""Every field of an event, in the order of :class:`features.events.Event`."""

LAKE_COLUMNS: dict[str, str] = {name: kind.sql_type for name, kind in FIELDS.items()}
"""The columns of the log as a table, with their DuckDB types; objects are JSON text."""
