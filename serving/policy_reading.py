"""Readers of the parts of a policy file: each takes the field's name and whatever came, and gives a typed value."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from features.entities import OfferKind
from features.errors import FieldError
from features.fields import identifier, instant_in
from serving.conditions import parse_conditions
from serving.policy_rules import Apprentice, Boost, Exclusion, Group, Limit, Pin, Scope, Step, Weights, When

T = TypeVar("T")
Reader = Callable[[str, object], T]
LONGEST_HOURS = 24 * 3_650
LARGEST_FACTOR = 1_000.0

_NAMES_OF_SCOPE = ("offers", "kinds", "categories", "groups")
_NAMES_OF_WHEN = ("customers", "channels", "placements", "from", "to")


def fields_of(field: str, value: object, allowed: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, object]:
    """The members of a mapping, by name; those that are nothing are left out."""
    if not isinstance(value, Mapping):
        raise FieldError(field or "policy", value, f"settings by name: {', '.join(allowed)}")
    for name in value:
        if name not in allowed:
            raise FieldError(within(field, str(name)), value[name], f"one of the names {', '.join(allowed)}", "unknown")
    for name in required:
        if value.get(name) is None:
            raise FieldError(within(field, name), None, "a value: it is required", "missing")
    return {name: member for name, member in value.items() if member is not None}


def within(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def listed(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of lists; what is not in a list stands for one of it."""

    def read_all(field: str, value: object) -> tuple[T, ...]:
        members = value if isinstance(value, list) else [value]
        if not members:
            raise FieldError(field, value, "at least one")
        return tuple(read(f"{field}[{place}]", member) for place, member in enumerate(members))

    return read_all


def several(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of lists of mappings, in which nothing may stand for itself."""

    def read_all(field: str, value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise FieldError(field, value, "a list")
        return tuple(read(f"{field}[{place}]", member) for place, member in enumerate(value))

    return read_all


def number(low: float, high: float, *, above: bool = False) -> Reader[float]:
    expected = f"a number {'above' if above else 'from'} {low:g} to {high:g}"

    def read(field: str, value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high or (above and value == low):  # type: ignore[operator]
            raise FieldError(field, value, expected)
        return float(value)  # type: ignore[arg-type]

    return read


def whole(low: int, high: int) -> Reader[int]:
    def read(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise FieldError(field, value, f"a whole number from {low} to {high}")
        return value

    return read


def word(among: tuple[str, ...]) -> Reader[str]:
    def read(field: str, value: object) -> str:
        if value not in among:
            raise FieldError(field, value, f"one of {', '.join(among)}")
        return str(value)

    return read


def name_of(field: str, value: object) -> str:
    return identifier(field, value)


def weights_of(field: str, value: object) -> Weights:
    """Each a number from 0 to 1, or on or off."""
    known = fields_of(field, value, Weights.__struct_fields__)
    return Weights(**{name: _weight(within(field, name), given) for name, given in known.items()})


def _weight(field: str, value: object) -> float:
    return float(value) if isinstance(value, bool) else number(0.0, 1.0)(field, value)


def pin_of(timezone: str) -> Reader[Pin]:
    def read(field: str, value: object) -> Pin:
        known = fields_of(field, value, ("offer", *_NAMES_OF_WHEN), ("offer",))
        return Pin(name_of(within(field, "offer"), known["offer"]), _when(field, known, timezone))

    return read


def boost_of(timezone: str) -> Reader[Boost]:
    def read(field: str, value: object) -> Boost:
        known = fields_of(field, value, (*_NAMES_OF_SCOPE, "factor", "add", *_NAMES_OF_WHEN))
        if "factor" not in known and "add" not in known:
            raise FieldError(within(field, "factor"), None, "a factor, or an amount to add", "missing")
        return Boost(
            _scope(field, known),
            _given(field, known, "factor", number(0.0, LARGEST_FACTOR, above=True), 1.0),
            _given(field, known, "add", number(-1e9, 1e9), 0.0),
            _when(field, known, timezone),
        )

    return read


def exclusion_of(timezone: str) -> Reader[Exclusion]:
    def read(field: str, value: object) -> Exclusion:
        known = fields_of(field, value, (*_NAMES_OF_SCOPE, "yields_to", *_NAMES_OF_WHEN))
        if "yields_to" in known:
            if "offers" not in known:
                raise FieldError(within(field, "offers"), None, "the offers that yield", "missing")
            fields_of(field, value, ("offers", "yields_to", *_NAMES_OF_WHEN))
        exclusion = Exclusion(
            _scope(field, known),
            _given(field, known, "yields_to", listed(name_of), ()),
            _when(field, known, timezone),
        )
        if exclusion.scope.is_everything and exclusion.when.is_always:
            expected = "some offers, or under what: this would exclude every offer for everybody"
            raise FieldError(field, value, expected)
        return exclusion

    return read


def group_of(field: str, value: object) -> Group:
    known = fields_of(field, value, ("name", "offers", "kinds", "categories"), ("name",))
    scope = _scope(field, known)
    if scope.is_everything:
        raise FieldError(within(field, "offers"), None, "the offers, kinds or categories of the group", "missing")
    return Group(name_of(within(field, "name"), known["name"]), scope)


def gap_of(field: str, value: object) -> Limit:
    known = fields_of(field, value, ("hours", *_NAMES_OF_SCOPE, "channels"), ("hours",))
    hours = number(0.0, LONGEST_HOURS, above=True)(within(field, "hours"), known["hours"])
    return Limit(hours, 1, is_gap=True, scope=_scope(field, known), channels=_channels(field, known))


def cap_of(field: str, value: object) -> Limit:
    known = fields_of(field, value, ("count", "days", "hours", *_NAMES_OF_SCOPE, "channels"), ("count",))
    if ("days" in known) == ("hours" in known):
        raise FieldError(within(field, "days"), known.get("days"), "the window: either days or hours")
    unit, each = ("days", 24.0) if "days" in known else ("hours", 1.0)
    window = number(0.0, LONGEST_HOURS / each, above=True)(within(field, unit), known[unit])
    count = whole(0, 10_000)(within(field, "count"), known["count"])
    return Limit(window * each, count, scope=_scope(field, known), channels=_channels(field, known))


def apprentice_of(rules: Mapping[str, tuple[Step, ...]]) -> Reader[Apprentice]:
    def read(field: str, value: object) -> Apprentice:
        known = fields_of(field, value, ("rule",), ("rule",))
        rule = name_of(within(field, "rule"), known["rule"])
        if rule not in rules:
            expected = f"a name of 'rules': {', '.join(rules) or 'there is none'}"
            raise FieldError(within(field, "rule"), rule, expected, "unknown")
        return Apprentice(rule, rules[rule])

    return read


def rules_of(timezone: str) -> Reader[dict[str, tuple[Step, ...]]]:
    def read_step(field: str, value: object) -> Step:
        pin = pin_of(timezone)(field, value)
        return Step(pin.offer, pin.when)

    def read(field: str, value: object) -> dict[str, tuple[Step, ...]]:
        if not isinstance(value, Mapping):
            raise FieldError(field, value, "a list of steps by the name of the rule")
        return {
            name_of(field, name): several(read_step)(within(field, str(name)), steps) for name, steps in value.items()
        }

    return read


def _given(field: str, known: Mapping[str, object], name: str, read: Reader[T], default: Any) -> T:
    found: T = read(within(field, name), known[name]) if name in known else default
    return found


def _scope(field: str, known: Mapping[str, object]) -> Scope:
    kind = word(tuple(kind.value for kind in OfferKind))
    return Scope(
        offers=_given(field, known, "offers", listed(name_of), ()),
        kinds=_given(field, known, "kinds", listed(kind), ()),
        categories=_given(field, known, "categories", listed(name_of), ()),
        groups=_given(field, known, "groups", listed(name_of), ()),
    )


def _channels(field: str, known: Mapping[str, object]) -> tuple[str, ...]:
    return _given(field, known, "channels", listed(name_of), ())


def _when(field: str, known: Mapping[str, object], timezone: str) -> When:
    starts: int | None = _given(field, known, "from", _time(timezone), None)
    ends: int | None = _given(field, known, "to", _time(timezone), None)
    if starts is not None and ends is not None and ends <= starts:
        raise FieldError(within(field, "to"), known["to"], "a time after 'from'")
    return When(
        customers=_given(field, known, "customers", _customers, ""),
        channels=_channels(field, known),
        placements=_given(field, known, "placements", listed(name_of), ()),
        starts=starts,
        ends=ends,
    )


def _time(timezone: str) -> Reader[int]:
    read = instant_in(timezone)

    def read_time(field: str, value: object) -> int:
        if not isinstance(value, str | date | datetime):
            raise FieldError(field, value, "a date or an ISO 8601 time")
        return read(field, value.isoformat() if isinstance(value, date) else value)

    return read_time


def _customers(field: str, value: object) -> str:
    """Conditions on the customer, as canonical JSON."""
    if not isinstance(value, Mapping) or not value:
        raise FieldError(field, value, "conditions by name, such as {tier: [gold]}")
    try:
        parse_conditions({str(name): test for name, test in value.items()})
        return msgspec.json.encode(value, order="deterministic").decode()
    except (TypeError, ValueError) as error:
        raise FieldError(field, dict(value), f"conditions as in an offer's eligibility ({error})") from error
