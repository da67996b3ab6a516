"""The file that sets the effects and parameters of a simulated world: YAML, every key of it optional.

Keys are those of :mod:`experiments.world_terms`; ``lagniappe simulate --world FILE`` reads it.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from experiments.world_terms import (
    DRIVERS,
    ContactTruth,
    CustomerTruth,
    Drift,
    OfferTruth,
    Season,
    WorldTerms,
)
from features.entities import OfferKind
from features.errors import FieldError
from features.events import NO_OFFER
from features.fields import identifier

T = TypeVar("T")
Reader = Callable[[str, object], Any]
_WEEKDAYS = 7


def read_world(path: Path) -> WorldTerms:
    """The world of a file.

    Raises
    ------
    FieldError
        Naming the first field that is wrong, or the file where it cannot be read at all.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FieldError("world", str(path), f"a readable file ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError("world", str(path), f"YAML in UTF-8 ({str(error).splitlines()[0]})") from error
    return parse_world({} if document is None else document)


def parse_world(document: object) -> WorldTerms:
    """
    >>> parse_world({"budget": 0.1}).budget
    0.1
    """
    terms = WorldTerms(**_fields("", document, _WORLD))
    known = {offer.offer_id for offer in terms.offers}
    for offer_id in () if terms.drift is None else terms.drift.factors:
        if offer_id not in known:
            raise FieldError("drift.factors", offer_id, f"an offer of the world: {', '.join(sorted(known))}", "unknown")
    if terms.contact.valid_days > terms.contact.every_days:
        expected = f"at most every_days ({terms.contact.every_days}): a customer has one offer at a time"
        raise FieldError("contact.valid_days", terms.contact.valid_days, expected)
    return terms


def _fields(field: str, value: object, readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise FieldError(field or "world", value, f"settings by name: {', '.join(readers)}")
    for name in value:
        if name not in readers:
            raise FieldError(
                _within(field, str(name)), value[name], f"one of the names {', '.join(readers)}", "unknown"
            )
    for name in required:
        if value.get(name) is None:
            raise FieldError(_within(field, name), None, "a value: it is required", "missing")
    return {name: readers[name](_within(field, name), given) for name, given in value.items() if given is not None}


def _within(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _number(low: float, high: float) -> Reader:
    def read(field: str, value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:  # type: ignore[operator]
            raise FieldError(field, value, f"a number from {low:g} to {high:g}")
        return float(value)  # type: ignore[arg-type]

    return read


def _whole(low: int, high: int) -> Reader:
    def read(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise FieldError(field, value, f"a whole number from {low} to {high}")
        return value

    return read


def _truth(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FieldError(field, value, "true or false")
    return value


def _word(among: tuple[str, ...]) -> Reader:
    def read(field: str, value: object) -> str:
        if value not in among:
            raise FieldError(field, value, f"one of {', '.join(among)}")
        return str(value)

    return read


def _kind(field: str, value: object) -> OfferKind:
    return OfferKind(_word(tuple(kind.value for kind in OfferKind))(field, value))


def _made(kind: type[T], readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    return lambda field, value: kind(**_fields(field, value, readers, required))


def _offers(field: str, value: object) -> tuple[OfferTruth, ...]:
    if not isinstance(value, list) or not value:
        raise FieldError(field, value, "a list of at least one offer")
    read = _made(OfferTruth, _OFFER, ("offer_id",))
    found: tuple[OfferTruth, ...] = tuple(read(f"{field}[{place}]", one) for place, one in enumerate(value))
    names = [one.offer_id for one in found]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise FieldError(f"{field}[{place}].offer_id", name, "an id that no other offer has", "duplicate")
        if name == NO_OFFER:
            raise FieldError(f"{field}[{place}].offer_id", name, "another id: this one means no offer")
    return found


def _weekdays(field: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != _WEEKDAYS:
        raise FieldError(field, value, "seven factors, Monday first")
    return tuple(_number(0.0, 10.0)(f"{field}[{place}]", one) for place, one in enumerate(value))


def _factors(field: str, value: object) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value:
        raise FieldError(field, value, "a factor for each of some offers, by their ids")
    return {
        identifier(field, name): _number(-10.0, 10.0)(_within(field, str(name)), one) for name, one in value.items()
    }


_OFFER: dict[str, Reader] = {
    "offer_id": identifier,
    "kind": _kind,
    "value": _number(0.0, 1e9),
    "uplift": _number(-1.0, 1.0),
    "acceptance": _number(0.0, 1.0),
    "cost_amount": _number(0.0, 1e6),
    "cost_rate": _number(0.0, 1.0),
    "heterogeneity": _number(0.0, 3.0),
    "appeals_to": _word(DRIVERS),
    "reverse": _truth,
}
_CUSTOMERS: dict[str, Reader] = {
    "orders_per_day": _number(0.001, 2.0),
    "orders_spread": _number(0.0, 3.0),
    "spend_per_order": _number(0.01, 1e6),
    "spend_spread": _number(0.0, 3.0),
    "order_noise": _number(0.0, 3.0),
    "lines_per_order": _number(1.0, 50.0),
    "margin_rate": _number(0.0, 1.0),
    "leaving_per_year": _number(0.0, 10.0),
    "shown": _number(0.0, 1.0),
}
_CONTACT: dict[str, Reader] = {
    "every_days": _whole(1, 60),
    "valid_days": _whole(1, 60),
    "fatigue": _number(0.0, 0.95),
    "leaving": _number(0.0, 10.0),
    "half_life_days": _number(0.1, 365.0),
    "message_hour": _whole(0, 23),
    "message_habit": _number(0.0, 1.0),
}
_WORLD: dict[str, Reader] = {
    "customers": _made(CustomerTruth, _CUSTOMERS),
    "contact": _made(ContactTruth, _CONTACT),
    "season": _made(Season, {"weekdays": _weekdays, "yearly": _number(0.0, 1.0)}),
    "offers": _offers,
    "drift": _made(Drift, {"day": _whole(0, 100_000), "factors": _factors}, ("day", "factors")),
    "budget": _number(0.0, 1e6),
}
