"""What a brand file may say of triggers: by a name of the brand's own choosing, what is waited for.

Each kind has settings of its own; one that belongs to another kind is refused, so that none is without effect.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from features import fields
from features.errors import FieldError
from features.instant import MICROSECONDS_PER_DAY, Instant

MICROSECONDS_PER_MINUTE = 60_000_000
MOST_TRIGGERS = 50


class TriggerKind(StrEnum):
    PURCHASE = "purchase"
    FIRST_PURCHASE = "first_purchase"
    ABANDONED_BASKET = "abandoned_basket"
    POINTS_THRESHOLD = "points_threshold"
    POINTS_EXPIRING = "points_expiring"
    TIER_NEAR = "tier_near"
    ANNIVERSARY = "anniversary"
    BIRTHDAY = "birthday"
    REPLENISHMENT = "replenishment"
    CHURN_RISK = "churn_risk"


class Trigger(BaseModel):
    """``within_minutes``: how long after it something is still told; what a kind has no use for is ``None``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: TriggerKind
    channels: tuple[str, ...] = ()
    """To decide among; empty: those of the offers."""
    cooldown_days: float = 0.0
    """Of one customer, from one firing to the next."""
    within_minutes: float | None = None
    after_minutes: float | None = None
    points: float | None = None
    days_before: float | None = None
    progress: float | None = None
    lead_days: float | None = None
    probability: float | None = None
    hour: int | None = None
    """Of the customer's local day."""

    @property
    def within(self) -> Instant:
        return int((self.within_minutes or 0.0) * MICROSECONDS_PER_MINUTE)

    @property
    def cooldown(self) -> Instant:
        return int(self.cooldown_days * MICROSECONDS_PER_DAY)


_REQUIRED = None
_minutes = fields.number_between(1, 60 * 24 * 366)
_days = fields.number_between(0, 366)
_Setting = tuple[fields.Reader[Any], Any]
"""How it is read, and what it is where nothing is said."""
_EVERY: Mapping[str, _Setting] = {
    "channels": (fields.several(fields.text), ()),
    "cooldown_days": (_days, 0.0),
}
_DAY: Mapping[str, _Setting] = {
    "days_before": (fields.number_between(0, 60), 0.0),
    "hour": (fields.integer_between(0, 23), 9),
}
SETTINGS: Mapping[TriggerKind, Mapping[str, _Setting]] = {
    TriggerKind.PURCHASE: {"within_minutes": (_minutes, 60.0)},
    TriggerKind.FIRST_PURCHASE: {"within_minutes": (_minutes, 60.0)},
    TriggerKind.ABANDONED_BASKET: {
        "after_minutes": (_minutes, 60.0),
        "within_minutes": (_minutes, 1_440.0),
        "cooldown_days": (_days, 1.0),
    },
    TriggerKind.POINTS_THRESHOLD: {
        "points": (fields.number_above_zero, _REQUIRED),
        "within_minutes": (_minutes, 1_440.0),
    },
    TriggerKind.POINTS_EXPIRING: {"days_before": (_days, 7.0)},
    TriggerKind.TIER_NEAR: {"progress": (fields.number_above_zero, _REQUIRED)},
    TriggerKind.ANNIVERSARY: _DAY,
    TriggerKind.BIRTHDAY: _DAY,
    TriggerKind.REPLENISHMENT: {"lead_days": (_days, 5.0), "cooldown_days": (_days, 7.0)},
    TriggerKind.CHURN_RISK: {"probability": (fields.number_between(0, 1), _REQUIRED), "cooldown_days": (_days, 30.0)},
}
"""What each kind has besides ``channels`` and ``cooldown_days``."""


def checked_triggers(given: object) -> dict[str, dict[str, Any]]:
    """The triggers of a brand file, by name, whole.

    Raises
    ------
    FieldError
        Naming the trigger and its setting.
    """
    if not isinstance(given, Mapping) or len(given) > MOST_TRIGGERS:
        raise FieldError("triggers", given, f"at most {MOST_TRIGGERS} triggers by name, each with its 'kind'")
    return {fields.identifier("triggers", name): _checked(f"triggers.{name}", said) for name, said in given.items()}


def _checked(field: str, given: object) -> dict[str, Any]:
    if isinstance(given, Trigger):
        given = given.model_dump(exclude_none=True)
    if not isinstance(given, Mapping) or "kind" not in given:
        raise FieldError(field, given, "settings by name, among them 'kind'")
    kind = TriggerKind(fields.one_of(TriggerKind)(f"{field}.kind", given["kind"]))
    settings = {**_EVERY, **SETTINGS[kind]}
    found: dict[str, Any] = {"kind": kind}
    for name, said in given.items():
        if name != "kind" and name not in settings:
            raise FieldError(f"{field}.{name}", said, f"one of the settings of {kind}: {', '.join(settings)}")
    for name, (read, default) in settings.items():
        said = given.get(name, default)
        if said is None:
            raise FieldError(f"{field}.{name}", None, f"a value, as {kind} must have")
        found[name] = read(f"{field}.{name}", said)
    return found
