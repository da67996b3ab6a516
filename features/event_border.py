"""A row that came from outside becomes an event here, or is refused with the field and the reason."""

from collections.abc import Mapping
from typing import Any

from features.errors import FieldError
from features.event_fields import FIELDS, ID
from features.event_objects import read_object
from features.event_rules import RULES, Rule, expected_of
from features.event_text import digits_of, text_of
from features.events import DEFAULT_BRAND, Event, EventType
from features.identity import anonymous_id
from features.instant import Instant

_READABLE = len(FIELDS)
_BEYOND_READING = RULES[_READABLE:]


def parse_event(
    row: Mapping[str, object],
    *,
    default_source: str,
    received_at: Instant,
    timezone: str = "UTC",
    brand: str = DEFAULT_BRAND,
) -> Event:
    """The event of a row; ``brand`` is that of a row without one, ``timezone`` that of times without one.

    Raises
    ------
    FieldError
        Naming the first rule of ``event_rules`` that the row breaks.
    """
    values = _read(row, timezone)
    values.setdefault("source", default_source)
    values.setdefault("brand", brand)
    if "customer_id" not in values and values.get("identifiers"):
        values["customer_id"] = anonymous_id(values["identifiers"])
    for rule in _BEYOND_READING:
        if not rule.holds(values, received_at):
            raise _refusal(rule, row)
    return _event(values)


def _read(row: Mapping[str, object], timezone: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise FieldError("event", row, "a JSON object")
    values: dict[str, Any] = {}
    for rule, (name, kind) in zip(RULES, FIELDS.items(), strict=False):
        given = row.get(name)
        if given is None:
            continue
        text = digits_of(given) if kind is ID else text_of(given)
        if text is None:
            continue
        values[name] = kind.parse(text, timezone)
        if not rule.holds(values, 0):
            raise _refusal(rule, row)
    others = {name: row[name] for name in row if name not in FIELDS}
    _add_properties(values, others)
    return {name: value for name, value in values.items() if value != {}}


def _add_properties(values: dict[str, Any], others: Mapping[str, object]) -> None:
    found = {name: value for name, value in others.items() if text_of(value) is not None}
    if not found:
        return
    read = read_object(text_of(found) or "")
    if read is None:
        raise FieldError("properties", found, FIELDS["properties"].expected)
    values["properties"] = {**values.get("properties", {}), **read}


def _refusal(rule: Rule, row: Mapping[str, object]) -> FieldError:
    text = digits_of(row.get(rule.field)) if FIELDS[rule.field] is ID else text_of(row.get(rule.field))
    return FieldError(rule.field, text, expected_of(rule, text), "missing" if text is None else "invalid")


def _event(values: Mapping[str, Any]) -> Event:
    return Event(**{**values, "type": EventType(values["type"])})
