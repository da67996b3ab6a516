"""Reading an experiment from a YAML or JSON file, or from any mapping: everything checked once, here."""

import math
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from experiments.design import FACTS, METRICS, UNITS, Experiment, Layer, Variant
from experiments.policy_numbers import OF_VARIANTS, read_number
from features import instant
from features.errors import FieldError
from features.instant import Instant

LARGEST_PART = 9
"""Weights may be parts, as in 2 : 1; a larger whole number is taken for a per cent."""
_WEIGHT_TOLERANCE = 1e-6
_LARGEST = sys.float_info.max

_Parser = Callable[[str, object], Any]


def read_experiment(path: Path) -> Experiment:
    """The experiment of a file.

    Raises
    ------
    FieldError
        Naming the first field that is wrong, or the file where it cannot be read at all.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FieldError("file", str(path), f"a readable file ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError("file", str(path), f"YAML or JSON in UTF-8 ({_first_line(error)})") from error
    return parse_experiment(document)


def parse_experiment(document: object) -> Experiment:
    fields = _parse_fields(document, _EXPERIMENT_FIELDS, required=("name", "variants"), within="")
    experiment = Experiment(**fields)
    if experiment.control and experiment.variant(experiment.control) is None:
        raise FieldError("control", experiment.control, "the name of one of the variants")
    if experiment.start is not None and experiment.stop is not None and experiment.stop <= experiment.start:
        raise FieldError("stop", instant.to_iso(experiment.stop), "a time after start")
    return experiment


def _parse_fields(
    document: object, parsers: Mapping[str, _Parser], required: tuple[str, ...], within: str
) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise FieldError(within.rstrip(".") or "experiment", document, f"a mapping with {', '.join(parsers)}")
    for key in document:
        if key not in parsers:
            raise FieldError(f"{within}{key}", document[key], f"one of the keys {', '.join(parsers)}", "unknown")
    for key in required:
        if document.get(key) is None:
            raise FieldError(f"{within}{key}", None, "a value: it is required", "missing")
    return {key: parsers[key](f"{within}{key}", value) for key, value in document.items() if value is not None}


def _parse_variants(field: str, value: object) -> tuple[Variant, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise FieldError(field, value, "a list of at least two variants")
    rows = [
        _parse_fields(row, _VARIANT_FIELDS, required=("name",), within=f"{field}[{position}].")
        for position, row in enumerate(value)
    ]
    names = [row["name"] for row in rows]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise FieldError(f"{field}[{position}].name", name, "a name that no other variant has", "duplicate")
    weights = _normalised_weights(field, [row.get("weight") for row in rows])
    return tuple(Variant(**{**row, "weight": weight}) for row, weight in zip(rows, weights, strict=True))


def _normalised_weights(field: str, weights: list[float | None]) -> list[float]:
    stated = [weight for weight in weights if weight is not None]
    if not stated:
        return [1.0 / len(weights)] * len(weights)
    if len(stated) < len(weights):
        raise FieldError(f"{field}[{weights.index(None)}].weight", None, "a weight: the others have one", "missing")
    total = math.fsum(stated)
    are_parts = all(weight == int(weight) <= LARGEST_PART for weight in stated)
    if are_parts or any(abs(total - whole) <= _WEIGHT_TOLERANCE * whole for whole in (1.0, 100.0)):
        return [weight / total for weight in stated]
    raise FieldError(
        field,
        [*stated],
        f"weights that add up to 1 or to 100, or parts from 1 to {LARGEST_PART}; these add up to {total:g}",
    )


def _parse_layer(field: str, value: object) -> Layer:
    if isinstance(value, str):
        return Layer(name=_parse_text(field, value))
    layer = Layer(**_parse_fields(value, _LAYER_FIELDS, required=("name",), within=f"{field}."))
    if layer.low >= layer.high:
        raise FieldError(f"{field}.high", layer.high, "more than low")
    return layer


def _parse_text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FieldError(field, value, "a text (in quotes, if YAML takes it for something else)")
    return value.strip()


def _parse_name(field: str, value: object) -> str:
    """Whole numbers are names too: a version ``3`` needs no quotes."""
    return _parse_text(field, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _parse_number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise FieldError(field, value, "a number")
    return float(value)


def _parse_positive(field: str, value: object) -> float:
    number = _parse_number(field, value)
    if number <= 0:
        raise FieldError(field, value, "a number above 0")
    return number


def _parse_part(field: str, value: object) -> float:
    number = _parse_number(field, value)
    if not 0 <= number <= 1:
        raise FieldError(field, value, "a number from 0 to 1")
    return number


def _parse_share(field: str, value: object) -> float:
    _parse_positive(field, value)
    return _parse_part(field, value)


def _parse_count(field: str, value: object) -> int:
    number = _parse_positive(field, value)
    if number != int(number):
        raise FieldError(field, value, "a whole number above 0")
    return int(number)


def _parse_time(field: str, value: object) -> Instant:
    if isinstance(value, datetime):
        return instant.from_datetime(value)
    try:
        return instant.parse(value.isoformat() if isinstance(value, date) else _parse_text(field, value))
    except FieldError:
        raise
    except ValueError as error:
        raise FieldError(field, value, "an ISO 8601 date or time") from error


def _parse_models(field: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise FieldError(field, value, "a mapping from model to version or alias")
    return {_parse_text(field, model): _parse_name(f"{field}.{model}", version) for model, version in value.items()}


def _parse_policy(field: str, value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise FieldError(field, value, "a mapping from parameter to number")
    return {_parse_text(field, name): _parse_parameter(field, str(name), given) for name, given in value.items()}


def _parse_parameter(field: str, name: str, value: object) -> float:
    if name not in OF_VARIANTS:
        raise FieldError(field, name, f"one of {', '.join(OF_VARIANTS)}")
    return float(read_number(f"{field}.{name}", name, value))


def _parse_eligibility(field: str, value: object) -> dict[str, tuple[str, ...]]:
    def parse_allowed(inner: str, allowed: object) -> tuple[str, ...]:
        listed = allowed if isinstance(allowed, list) else [allowed]
        if not listed:
            raise FieldError(inner, allowed, "at least one value")
        return tuple(_parse_name(inner, each) for each in listed)

    return _parse_fields(value, dict.fromkeys(FACTS, parse_allowed), required=(), within=f"{field}.")


def _one_of(names: tuple[str, ...]) -> _Parser:
    def parse(field: str, value: object) -> str:
        if value not in names:
            raise FieldError(field, value, f"one of {', '.join(names)}")
        return str(value)

    return parse


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


_LAYER_FIELDS: dict[str, _Parser] = {"name": _parse_name, "low": _parse_part, "high": _parse_part}
_VARIANT_FIELDS: dict[str, _Parser] = {
    "name": _parse_name,
    "weight": _parse_positive,
    "models": _parse_models,
    "policy": _parse_policy,
}


_EXPERIMENT_FIELDS: dict[str, _Parser] = {
    "name": _parse_name,
    "description": _parse_text,
    "unit": _one_of(UNITS),
    "variants": _parse_variants,
    "control": _parse_name,
    "salt": _parse_name,
    "layer": _parse_layer,
    "share": _parse_share,
    "eligibility": _parse_eligibility,
    "start": _parse_time,
    "stop": _parse_time,
    "primary_metric": _one_of(METRICS),
    "outcome_days": _parse_positive,
    "pre_period_days": _parse_positive,
    "planned_units": _parse_count,
}
