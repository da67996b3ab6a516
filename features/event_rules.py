"""What an event must keep, declared once: each rule says it in SQL for files and in Python for requests.

Rules are asked in order and the first broken one names the reason, so both borders refuse a row for the same reason.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from features.event_fields import FIELDS, TYPE
from features.events import EventType
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.money import LARGEST_AMOUNT, MONEY_SCALE

PURPOSES = ("purchases", "browsing", "attributes", "messages")
_CHANNEL = "[a-z][a-z0-9_.-]*"
_MISSPELT = ("purchase", "attribute", "message", "browse", "all")
"""Near misses of a purpose: taken for a channel they would lose an objection in silence."""
_COMPARED = 64
"""Characters of an unknown type that are compared with the known ones."""
_LARGEST_MONEY = LARGEST_AMOUNT * MONEY_SCALE

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """``sql`` and ``holds`` speak of the values as read; both are true where the row keeps the rule.

    ``received_at`` in the SQL is the instant of receipt.
    """

    field: str
    expected: str
    sql: str
    holds: Callable[[Values, Instant], bool]


def readable(field: str) -> Rule:
    """That what came in a field could be read; in ``values`` what could not stands as None."""
    return Rule(
        field,
        FIELDS[field].expected,
        f"({field} IS NOT NULL OR text_{field} IS NULL)",
        lambda values, _: values.get(field) is not None or field not in values,
    )


def _required(field: str, *types: EventType) -> Rule:
    quoted = ", ".join(f"'{type_}'" for type_ in types)
    return Rule(
        field,
        f"{FIELDS[field].expected}, as {' and '.join(types)} must have" if types else FIELDS[field].expected,
        f"({field} IS NOT NULL OR type NOT IN ({quoted}))" if types else f"{field} IS NOT NULL",
        lambda values, _: values.get(field) is not None or bool(types and values["type"] not in types),
    )


def _between(field: str, expected: str, low: float, high: float, *, low_open: bool = False) -> Rule:
    """From ``low`` (unless ``low_open``) to below ``high``, where the field is there."""
    sign = ">" if low_open else ">="
    return Rule(
        field,
        expected,
        f"({field} IS NULL OR ({field} {sign} {low} AND {field} < {high}))",
        lambda values, _: (
            (value := values.get(field)) is None or (low <= value < high and not (low_open and value == low))
        ),
    )


_OFFER_TYPES = tuple(type_ for type_ in EventType if type_.startswith("offer_"))

RULES: tuple[Rule, ...] = (
    *(readable(field) for field in FIELDS),
    _required("event_id"),
    _required("type"),
    _required("occurred_at"),
    Rule(
        "customer_id",
        "a customer_id or identifiers",
        "customer_id IS NOT NULL",
        lambda values, _: values.get("customer_id") is not None,
    ),
    Rule("occurred_at", "a time from 1970 on", "occurred_at >= 0", lambda values, _: bool(values["occurred_at"] >= 0)),
    Rule(
        "occurred_at",
        "a time at most 24 hours after its receipt",
        f"occurred_at <= received_at + {MICROSECONDS_PER_DAY}",
        lambda values, received_at: bool(values["occurred_at"] <= received_at + MICROSECONDS_PER_DAY),
    ),
    _required("amount", EventType.PURCHASE, EventType.REFUND),
    _required("offer_id", *_OFFER_TYPES),
    _required("experiment", EventType.EXPOSURE),
    _required("variant", EventType.EXPOSURE),
    _required("activity_name", EventType.ACTIVITY),
    _required("purpose", EventType.CONSENT_CHANGED),
    _required("granted", EventType.CONSENT_CHANGED),
    _required("merged_customer_id", EventType.CUSTOMER_MERGED),
    _between("quantity", f"a number from 0 to below {LARGEST_AMOUNT:.0e}", 0, LARGEST_AMOUNT),
    _between("amount", f"a decimal number from 0 to below {LARGEST_AMOUNT:.0e}", 0, _LARGEST_MONEY),
    _between("list_amount", f"a decimal number below {LARGEST_AMOUNT:.0e}", -_LARGEST_MONEY + 1, _LARGEST_MONEY),
    _between("discount_amount", f"a decimal number below {LARGEST_AMOUNT:.0e}", -_LARGEST_MONEY + 1, _LARGEST_MONEY),
    _between("points", f"a number below {LARGEST_AMOUNT:.0e}", -LARGEST_AMOUNT, LARGEST_AMOUNT),
    _between("points_balance", f"a number below {LARGEST_AMOUNT:.0e}", -LARGEST_AMOUNT, LARGEST_AMOUNT),
    _between("exchange_rate", f"a number above 0 and below {LARGEST_AMOUNT:.0e}", 0, LARGEST_AMOUNT, low_open=True),
    Rule(
        "propensity",
        "a probability above 0, at most 1",
        "(propensity IS NULL OR (propensity > 0 AND propensity <= 1))",
        lambda values, _: (share := values.get("propensity")) is None or 0 < share <= 1,
    ),
    Rule(
        "score",
        "a score from 0 to 10 of a survey",
        f"(score IS NULL OR type <> '{EventType.SURVEY_ANSWERED}' OR (score >= 0 AND score <= 10))",
        lambda values, _: (
            (score := values.get("score")) is None or values["type"] != EventType.SURVEY_ANSWERED or 0 <= score <= 10
        ),
    ),
    Rule(
        "purpose",
        f"{', '.join(PURPOSES)} or the name of a channel",
        f"(purpose IS NULL OR (regexp_full_match(purpose, '{_CHANNEL}') AND purpose NOT IN {_MISSPELT}))",
        lambda values, _: (
            (purpose := values.get("purpose")) is None
            or (re.fullmatch(_CHANNEL, purpose) is not None and purpose not in _MISSPELT)
        ),
    ),
    Rule(
        "merged_customer_id",
        "another customer than customer_id",
        f"(type <> '{EventType.CUSTOMER_MERGED}' OR merged_customer_id <> customer_id)",
        lambda values, _: (
            values["type"] != EventType.CUSTOMER_MERGED or values["merged_customer_id"] != values["customer_id"]
        ),
    ),
)


def expected_of(rule: Rule, text: str | None) -> str:
    """What the rule expected of a text; of an unknown type also the name that comes closest."""
    is_unknown_type = rule.expected == TYPE.expected and text is not None
    return f"{rule.expected} (the closest is {closest_type(text or '')})" if is_unknown_type else rule.expected


def closest_type(text: str) -> str:
    """The event type with the least edits from the text.

    >>> closest_type("purchse")
    'purchase'
    """
    given = text[:_COMPARED].encode(errors="replace")
    return min(EventType, key=lambda name: (_edits(given, name.encode()), name)).value


def expected_sql(rule: Rule) -> str:
    """The same as ``expected_of``, for DuckDB; it speaks of ``text_type``."""
    if rule.expected != TYPE.expected:
        return _quoted(rule.expected)
    names = ", ".join(_quoted(name) for name in sorted(EventType))
    edits = f"levenshtein(left(text_type, {_COMPARED}), name)"
    nearest = f"list_transform([{names}], lambda name: {{'edits': {edits}, 'name': name}})"
    closest = f"{_quoted(rule.expected + ' (the closest is ')} || list_sort({nearest})[1].name || ')'"
    return f"CASE WHEN text_type IS NULL THEN {_quoted(rule.expected)} ELSE {closest} END"


def _edits(one: bytes, other: bytes) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
