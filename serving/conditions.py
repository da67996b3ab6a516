"""The conditions in an offer's ``eligibility``: what they may ask, and whether a customer meets them.

``eligibility`` is a mapping with any of ``segment``, ``tier``, ``attributes`` {name: test} and ``scores`` {name: test};
any other name is taken as that of an attribute. A test is a value, a list of values, or a mapping with any of
``min``, ``max``, ``in``, ``not_in``. What is not known of a customer meets no condition but ``not_in``.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

Value = float | str | bool | None
_LARGEST = sys.float_info.max


class Subject(StrEnum):
    SEGMENT = "segment"
    TIER = "tier"
    ATTRIBUTE = "attribute"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing asked of a customer; hashable, so that offers which ask the same share it."""

    subject: Subject
    name: str
    least: float | None = None
    most: float | None = None
    among: frozenset[Value] | None = None
    not_among: frozenset[Value] = frozenset()


Facts = Callable[[Subject, str], Value]
"""What is known of the customer; ``None`` where nothing is."""


def parse_conditions(eligibility: Mapping[str, object] | None) -> tuple[Condition, ...]:
    """The conditions of one offer, all of which must be met.

    >>> [c.name for c in parse_conditions({"tier": ["gold"], "attributes": {"age": {"min": 18}}})]
    ['tier', 'age']

    Raises
    ------
    ValueError
        If a test cannot be understood; such an offer must be made to nobody.
    """
    found: list[Condition] = []
    for key, asked in (eligibility or {}).items():
        word = key.lower().removesuffix("s")
        if word in (Subject.ATTRIBUTE, Subject.SCORE):
            if not isinstance(asked, Mapping):
                raise ValueError(f"eligibility.{key}: got {asked!r}, expected a mapping from name to test")
            found += [_condition(Subject(word), str(name), test) for name, test in asked.items()]
        elif word in (Subject.SEGMENT, Subject.TIER):
            found.append(_condition(Subject(word), word, asked))
        else:
            found.append(_condition(Subject.ATTRIBUTE, key, asked))
    return tuple(found)


def _condition(subject: Subject, name: str, test: object) -> Condition:
    if not isinstance(test, Mapping):
        return Condition(subject, name, among=_values(name, test))
    unknown = set(test) - {"min", "max", "in", "not_in"}
    if unknown or all(bound is None for bound in test.values()):
        raise ValueError(f"eligibility.{name}: got {dict(test)!r}, expected any of min, max, in, not_in")
    least, most = _number(name, test.get("min")), _number(name, test.get("max"))
    if least is not None and most is not None and least > most:
        raise ValueError(f"eligibility.{name}: got min {least:g} and max {most:g}, expected a min up to the max")
    return Condition(
        subject,
        name,
        least=least,
        most=most,
        among=_values(name, test["in"]) if "in" in test else None,
        not_among=_values(name, test["not_in"]) if "not_in" in test else frozenset(),
    )


def _number(name: str, bound: object) -> float | None:
    if bound is None:
        return None
    if not _is_number(bound):
        raise ValueError(f"eligibility.{name}: got {bound!r}, expected a number")
    return float(bound)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _values(name: str, asked: object) -> frozenset[Value]:
    values = asked if isinstance(asked, list | tuple | set | frozenset) else [asked]
    for value in values:
        if not isinstance(value, str | bool) and not _is_number(value):
            raise ValueError(f"eligibility.{name}: got {value!r}, expected a text, a number or a list of them")
    return frozenset(values)


def is_met(condition: Condition, facts: Facts) -> bool:
    """Whether the customer meets it."""
    value = facts(condition.subject, condition.name)
    if condition.among is not None and (value is None or value not in condition.among):
        return False
    if value is not None and value in condition.not_among:
        return False
    if condition.least is None and condition.most is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not (
        (condition.least is not None and not value >= condition.least)
        or (condition.most is not None and not value <= condition.most)
    )
