"""Reading a policy file: YAML, or any mapping that came another way; all of it is checked before any of it holds."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml
from msgspec import Struct, structs

from experiments.policy_numbers import NUMBERS, read_number
from features.entities import Offer
from features.errors import FieldError
from features.fields import plain
from serving.policy import DeclineScope, Exploration, Policy
from serving.policy_reading import (
    apprentice_of,
    boost_of,
    cap_of,
    exclusion_of,
    fields_of,
    gap_of,
    group_of,
    listed,
    name_of,
    pin_of,
    rules_of,
    several,
    weights_of,
    within,
    word,
)
from serving.policy_rules import Group, PolicyRules, Scope

_EXPLORATION = ("kind", "epsilon", "temperature", "draws", "prior_outcomes", "borrowed_outcomes", "learned_outcomes")
_SUPPRESSION = ("decline_days", "decline_scope", "unsubscribe_days")
_DIVERSITY = ("most_per_category",)
_RULES = ("pins", "boosts", "contexts", "exclusions", "groups", "gaps", "caps", "rules", "apprentice")
_LIMITS = ("gaps", "caps")
_SECTIONS = ("exploration", "suppression", "diversity", "weights")
_OTHER = ("name", "extends", "salt", "message_channels", "personal_purposes")
NAMES = (*_OTHER, *NUMBERS, *_SECTIONS, *_RULES)
"""What a policy file may say."""


class PolicyFile(Struct, frozen=True, kw_only=True):
    """``document`` is what was written, in JSON's types; ``settings`` what it sets of a :class:`Policy`.

    ``rules`` are the parts of the policy's rules that it sets; each takes the place of that part elsewhere.
    """

    document: dict[str, Any]
    name: str | None
    extends: str | None
    settings: dict[str, Any]
    rules: dict[str, Any]


def read_policy_file(path: Path, timezone: str = "UTC") -> PolicyFile:
    """The policy of a YAML file; times without a zone are in ``timezone``.

    Raises
    ------
    FieldError
        Naming the first field that is wrong, its value and what was expected.
    """
    try:
        document = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe one
    except OSError as error:
        raise FieldError("policy", str(path), f"a file that can be read ({error.strerror})") from error
    except FieldError:
        raise
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FieldError("policy", str(path), f"YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, dict) or not document:
        raise FieldError("policy", str(path), "settings by name, such as epsilon: 0.1")
    return parse_policy(document, timezone)


class _Loader(yaml.SafeLoader):
    """YAML takes the last of two keys of one name, and what was said first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise FieldError(name, f"again in line {line}", "each name but once", "duplicate")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def parse_policy(document: Mapping[str, Any], timezone: str = "UTC") -> PolicyFile:
    """
    Raises
    ------
    FieldError
    """
    known = fields_of("", document, NAMES)
    rules = _rules(known, timezone)
    _require_no_cycle(rules)
    return PolicyFile(
        document=plain("policy", dict(document)),
        name=name_of("name", known["name"]) if "name" in known else None,
        extends=name_of("extends", known["extends"]) if "extends" in known else None,
        settings=_settings(known),
        rules=rules,
    )


def with_file(base: Policy, given: PolicyFile) -> Policy:
    """The policy with everything that a file sets."""
    parts = {name: part for name, part in given.rules.items() if name not in _LIMITS}
    if len(parts) < len(given.rules):
        gaps = tuple(limit for limit in base.rules.limits if limit.is_gap)
        caps = tuple(limit for limit in base.rules.limits if not limit.is_gap)
        parts["limits"] = (*given.rules.get("gaps", gaps), *given.rules.get("caps", caps))
    return replace(base, **given.settings, rules=structs.replace(base.rules, **parts))


def _settings(known: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {name: read_number(name, name, known[name]) for name in NUMBERS if name in known}
    for section, names in (("exploration", _EXPLORATION), ("suppression", _SUPPRESSION), ("diversity", _DIVERSITY)):
        if section in known:
            for name, value in _section(section, names, known[section]).items():
                if name in found:
                    raise FieldError(f"{section}.{name}", value, f"nothing: {name} is set beside it", "duplicate")
                found[name] = value
    for name, read in _TEXTS.items():
        if name in known:
            found[name] = read(name, known[name])
    if "name" in known:
        found["version"] = name_of("name", known["name"])
    return found


def _section(section: str, names: tuple[str, ...], value: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, given in fields_of(section, value, names).items():
        field = within(section, name)
        if name == "kind":
            found["exploration"] = word(get_args(Exploration))(field, given)
        elif name == "decline_scope":
            found["decline_scope"] = word(get_args(DeclineScope))(field, given)
        else:
            own = "decline_suppression_days" if name == "decline_days" else name
            found[own] = read_number(field, own, given)
    return found


def _message_channels(field: str, value: object) -> frozenset[str]:
    return frozenset(listed(name_of)(field, value))


_TEXTS: dict[str, Callable[[str, object], Any]] = {
    "salt": name_of,
    "message_channels": _message_channels,
    "personal_purposes": listed(name_of),
    "weights": weights_of,
}


def _rules(known: Mapping[str, object], timezone: str) -> dict[str, Any]:
    """The parts of :class:`PolicyRules` that are set; of its limits gaps and caps, each by itself."""
    readers: dict[str, Callable[[str, object], Any]] = {
        "pins": several(pin_of(timezone)),
        "boosts": several(boost_of(timezone)),
        "contexts": several(boost_of(timezone)),
        "exclusions": several(exclusion_of(timezone)),
        "groups": several(group_of),
        "gaps": several(gap_of),
        "caps": several(cap_of),
    }
    found = {name: read(name, known[name]) for name, read in readers.items() if name in known}
    named = rules_of(timezone)("rules", known.get("rules", {}))
    if "apprentice" in known:
        off = known["apprentice"] is False
        found["apprentice"] = None if off else apprentice_of(named)("apprentice", known["apprentice"])
    _require_distinct_groups(found.get("groups", ()))
    return found


def _require_distinct_groups(groups: Collection[Group]) -> None:
    seen: set[str] = set()
    for place, group in enumerate(groups):
        if group.name in seen:
            raise FieldError(f"groups[{place}].name", group.name, "a name that no other group has", "duplicate")
        seen.add(group.name)


def _require_no_cycle(rules: Mapping[str, Any]) -> None:
    """An offer that yields to one that, over others, yields to it: neither could tell whether it is made."""
    yields: dict[str, set[str]] = {}
    for exclusion in rules.get("exclusions", ()):
        for offer in exclusion.scope.offers:
            yields.setdefault(offer, set()).update(exclusion.yields_to)
    for offer in yields:
        if (cycle := _way_back(yields, offer)) is not None:
            raise FieldError("exclusions", " → ".join(cycle), "no cycle of offers that yield to one another", "cycle")


def _way_back(yields: Mapping[str, set[str]], start: str) -> list[str] | None:
    waiting, seen = [[start]], set[str]()
    while waiting:
        way = waiting.pop()
        for other in sorted(yields.get(way[-1], ())):
            if other == start:
                return [*way, other]
            if other not in seen:
                seen.add(other)
                waiting.append([*way, other])
    return None


def require_known(
    rules: PolicyRules, offers: Collection[Offer], categories: Collection[str], own_groups: Collection[str]
) -> None:
    """Have every offer, category and group that the rules name be there, and some offer be left for somebody.

    Raises
    ------
    FieldError
    """
    known = {
        "offers": {offer.offer_id for offer in offers},
        "categories": set(categories),
        "groups": {*own_groups, *(group.name for group in rules.groups)},
    }
    for field, what, name in _named(rules):
        if name not in known[what]:
            among = ", ".join(sorted(known[what])[:10]) or "there are none"
            expected = f"one of the {what} of the catalogue: {among}{', …' if len(known[what]) > 10 else ''}"
            raise FieldError(field, name, expected, "unknown")


def _named(rules: PolicyRules) -> Iterator[tuple[str, str, str]]:
    """Field, what it names, and the name."""
    for place, pin in enumerate(rules.pins):
        yield f"pins[{place}].offer", "offers", pin.offer
    if rules.apprentice is not None:
        for place, step in enumerate(rules.apprentice.steps):
            yield f"rules.{rules.apprentice.rule}[{place}].offer", "offers", step.offer
    parts: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("boosts", rules.boosts),
        ("contexts", rules.contexts),
        ("exclusions", rules.exclusions),
        ("groups", rules.groups),
        ("gaps", tuple(limit for limit in rules.limits if limit.is_gap)),
        ("caps", tuple(limit for limit in rules.limits if not limit.is_gap)),
    )
    for part, several_of in parts:
        for place, one in enumerate(several_of):
            yield from _named_by(f"{part}[{place}]", one.scope)
            for offer in getattr(one, "yields_to", ()):
                yield f"{part}[{place}].yields_to", "offers", offer


def _named_by(field: str, scope: Scope) -> Iterator[tuple[str, str, str]]:
    for what in ("offers", "categories", "groups"):
        for name in getattr(scope, what):
            yield f"{field}.{what}", what, name


def json_of(document: Mapping[str, Any]) -> str:
    return msgspec.json.encode(document, order="deterministic").decode()
