"""The settings of a brand: what its file may say, how one brand extends another, and what two brands share."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError
from sqlalchemy import Connection, select

from features import fields, schema
from features.catalogue import next_version
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import Instant, to_iso
from features.store import upsert
from features.trigger_settings import Trigger, checked_triggers

Shared = Literal["models", "catalogue", "caps", "holdout"]

MINUTES_PER_DAY = 24 * 60


_languages = fields.several(fields.language)


def _checked(field: str, read: fields.Reader[Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else read(field, value))


_triggers = BeforeValidator(checked_triggers)


def _minute_of_day(field: str, value: object) -> int:
    """The minute of the day that ``22:30`` or a whole hour names."""
    minute = -1
    if isinstance(value, int):
        # YAML 1.1 reads 22:30 without quotation marks as a number to base sixty, which is the minute of the day.
        minute = value * 60 if value <= 24 else value
    elif isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,2})(?::([0-5][0-9]))?", value)):
        minute = int(found[1]) * 60 + int(found[2] or 0)
    if isinstance(value, bool) or not 0 <= minute <= MINUTES_PER_DAY:
        raise FieldError(field, value, "a local time such as 22:00")
    return minute % MINUTES_PER_DAY


def _as_clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


Minute = PlainSerializer(_as_clock)
AsInstant = PlainSerializer(lambda at: None if at is None else to_iso(at))
_moment = fields.instant_in("UTC")
_MOST_DAYS = 366


def _named(field: str, value: object) -> dict[str, Any]:
    return {fields.identifier(field, name): member for name, member in fields.mapping(field, value).items()}


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class QuietHours(_Settings):
    """From the first minute of the local day to before the last; over midnight where ``from`` is the later one."""

    from_minute: Annotated[int, _checked("quiet_hours.from", _minute_of_day), Minute] = Field(alias="from")
    to_minute: Annotated[int, _checked("quiet_hours.to", _minute_of_day), Minute] = Field(alias="to")

    def hold_at(self, minute_of_day: int) -> bool:
        """
        >>> QuietHours.model_validate({"from": "22:00", "to": "08:00"}).hold_at(7 * 60)
        True
        """
        if self.from_minute <= self.to_minute:
            return self.from_minute <= minute_of_day < self.to_minute
        return minute_of_day >= self.from_minute or minute_of_day < self.to_minute


class Share(_Settings):
    """What a brand has in common with the one that it extends."""

    models: Annotated[bool, _checked("share.models", fields.truth)] = False
    catalogue: Annotated[bool, _checked("share.catalogue", fields.truth)] = False
    caps: Annotated[bool, _checked("share.caps", fields.truth)] = False
    holdout: Annotated[bool, _checked("share.holdout", fields.truth)] = False


class Budget(_Settings):
    """``amount`` in currency units; a period is needed for pacing, and a brand's budget counts only within it."""

    amount: Annotated[float, _checked("budget.amount", fields.number_from_zero)]
    starts_at: Annotated[Instant | None, _checked("budget.from", _moment), AsInstant] = Field(None, alias="from")
    ends_at: Annotated[Instant | None, _checked("budget.to", _moment), AsInstant] = Field(None, alias="to")


class OfferCostShare(_Settings):
    """Offers may cost this share of the revenue of so many days, the present one among them, and no more."""

    share: Annotated[float, _checked("offer_cost_share.share", fields.number_between(0, 1))]
    days: Annotated[int, _checked("offer_cost_share.days", fields.integer_between(1, _MOST_DAYS))] = 30


class BrandSettings(_Settings):
    """``point_value`` is money per bonus point in currency units; a setting that is nothing is unset."""

    brand: Annotated[str, _checked("brand", fields.identifier)]
    extends: Annotated[str | None, _checked("extends", fields.identifier)] = None
    timezone: Annotated[str, _checked("timezone", fields.timezone_name)] = "UTC"
    currency: Annotated[str | None, _checked("currency", fields.currency)] = None
    point_value: Annotated[float | None, _checked("point_value", fields.number_above_zero)] = None
    default_margin_rate: Annotated[float | None, _checked("default_margin_rate", fields.number_between(0, 1))] = None
    languages: Annotated[
        tuple[str, ...], _checked("languages", fields.several(fields.language)), Field(min_length=1)
    ] = ("en", "ru")
    quiet_hours: QuietHours | None = None
    protected_attributes: Annotated[tuple[str, ...], _checked("protected_attributes", fields.several(fields.text))] = ()
    share: Share = Share()
    budget: Budget | None = None
    campaigns: Annotated[Mapping[str, Budget], _checked("campaigns", _named)] = {}
    """Budgets, by the ``campaign_id`` of offers."""
    offer_cost_share: OfferCostShare | None = None
    triggers: Annotated[dict[str, Trigger], _triggers] = Field(default_factory=dict)


def parse_brand(document: object) -> BrandSettings:
    """The settings of a brand file's content.

    Raises
    ------
    FieldError
        Naming the setting, its value and what was expected.
    """
    if not isinstance(document, dict):
        raise FieldError("brand file", document, "settings by name, among them 'brand'")
    given = {name: value for name, value in document.items() if value is not None}
    try:
        settings = BrandSettings.model_validate(given)
    except ValidationError as error:
        raise _first_of(error) from error
    hours = settings.quiet_hours
    if hours is not None and hours.from_minute == hours.to_minute:
        raise FieldError("quiet_hours", given["quiet_hours"], "'from' and 'to' to differ")
    for budget in (settings.budget, *settings.campaigns.values()):
        if budget and None not in (budget.starts_at, budget.ends_at) and budget.starts_at >= budget.ends_at:  # type: ignore[operator]
            raise FieldError("budget.to", to_iso(budget.ends_at or 0), "a time after budget.from")
    if settings.extends is None and settings.share != Share():
        raise FieldError("share", given["share"], "'extends' too: the brand to share with")
    return settings


def read_brand_file(path: Path) -> BrandSettings:
    """The settings of a YAML file.

    Raises
    ------
    FieldError
    """
    try:
        return parse_brand(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise FieldError("brand file", str(path), f"a file that can be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FieldError("brand file", str(path), f"YAML ({' '.join(str(error).split())})") from error


def apply_brand(connection: Connection, settings: BrandSettings, now: Instant) -> None:
    """Let these settings hold from now on, in place of the brand's former ones.

    Profiles do not follow a changed time zone: they do in :func:`features.brand_timezone.put_in_force`.

    Raises
    ------
    FieldError
        If the brand extends one that is not there or, over others, itself; or changes the currency of amounts taken.
    """
    _lineage(connection, settings)
    taken = _accounting_currency(connection, settings.brand)
    if taken is not None and settings.currency not in (None, taken):
        raise FieldError("currency", settings.currency, f"{taken}, in which amounts have been taken already")
    _write(connection, settings, taken, now)


def read_brand(connection: Connection, brand: str = DEFAULT_BRAND) -> BrandSettings:
    """The settings that hold for a brand, those of the brands it extends included; a brand without a file has defaults.

    What a brand does not set it takes from the one it extends, except ``share``; protected attributes add up.
    """
    lineage = _lineage(connection, _own(connection, brand))
    found: dict[str, Any] = {}
    for settings in reversed(lineage):
        found |= {name: getattr(settings, name) for name in settings.model_fields_set}
    protected = [name for settings in lineage for name in settings.protected_attributes]
    found |= {
        "brand": brand,
        "extends": lineage[0].extends,
        "share": lineage[0].share,
        "protected_attributes": tuple(dict.fromkeys(protected)),
        "currency": _accounting_currency(connection, brand) or found.get("currency"),
    }
    return BrandSettings.model_construct(**found)


def brands_sharing(connection: Connection, brand: str, what: Shared) -> tuple[str, ...]:
    """The brand, then those it extends, as far as each shares ``what`` with the next."""
    shared = [brand]
    for settings in _lineage(connection, _own(connection, brand)):
        if settings.extends is None or not getattr(settings.share, what):
            break
        shared.append(settings.extends)
    return tuple(shared)


def settle_currency(connection: Connection, brand: str, offered: str | None, now: Instant) -> str | None:
    """The brand's accounting currency, to be called where an amount is taken: the first one settles it.

    It is the brand file's; without one there, ``offered``, the currency of that first amount.
    """
    taken = _accounting_currency(connection, brand)
    if taken is not None:
        return taken
    settled = read_brand(connection, brand).currency or offered
    if settled is not None:
        _write(connection, _own(connection, brand), settled, now)
    return settled


def _first_of(error: ValidationError) -> FieldError:
    first = error.errors()[0]
    reason = first.get("ctx", {}).get("error")
    if isinstance(reason, FieldError):
        return reason
    field = ".".join(str(part) for part in first["loc"]) or "brand file"
    expected = {
        "extra_forbidden": f"one of the settings {', '.join(BrandSettings.model_fields)}",
        "missing": "a value",
    }.get(first["type"], first["msg"])
    return FieldError(field, None if first["type"] == "missing" else first["input"], expected)


def _lineage(connection: Connection, settings: BrandSettings) -> list[BrandSettings]:
    """The settings and those of the brand extended, of the one that this extends, and so on."""
    lineage = [settings]
    names = {settings.brand}
    while (extended := lineage[-1].extends) is not None:
        if extended in names:
            raise FieldError("extends", settings.extends, f"a brand that does not itself extend {extended}")
        if extended != DEFAULT_BRAND and not _is_applied(connection, extended):
            raise FieldError("extends", extended, "a brand that was applied before")
        names.add(extended)
        lineage.append(_own(connection, extended))
    return lineage


def _own(connection: Connection, brand: str) -> BrandSettings:
    """What the brand's own file says."""
    query = select(schema.brands.c.settings).where(schema.brands.c.brand == brand)
    found = connection.execute(query).scalar()
    return BrandSettings(brand=brand) if found is None else BrandSettings.model_validate_json(found)


def _is_applied(connection: Connection, brand: str) -> bool:
    return connection.execute(select(schema.brands.c.brand).where(schema.brands.c.brand == brand)).first() is not None


def _accounting_currency(connection: Connection, brand: str) -> str | None:
    query = select(schema.brands.c.accounting_currency).where(schema.brands.c.brand == brand)
    found: str | None = connection.execute(query).scalar()
    return found


def _write(connection: Connection, settings: BrandSettings, accounting_currency: str | None, now: Instant) -> None:
    row = {
        "brand": settings.brand,
        "settings": settings.model_dump_json(by_alias=True, exclude_unset=True),
        "accounting_currency": accounting_currency,
        "applied_at": next_version(connection, schema.brands.c.applied_at, now),
    }
    connection.execute(upsert(connection, schema.brands), row)
