"""The policies that were put in force, brand by brand: each kept with who, when and its name, none ever overwritten.

What a brand's file does not say it takes from the policy of the default brand where it says ``extends: default``,
else from the defaults.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Connection, func, insert, select

from features.brand import brands_sharing, read_brand
from features.catalogue import read_offers, read_products
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import Instant
from features.schema import applied_policies
from serving.policy import Policy
from serving.policy_file import PolicyFile, json_of, parse_policy, require_known, with_file
from serving.policy_rules import PolicyRules
from serving.rule_columns import categories_of, require_some_left


class AppliedPolicy(Struct, frozen=True):
    """``document`` is what was written; ``restores`` the version whose document this is again; ``finding`` is what the
    log of decisions said of it before it was let in force."""

    brand: str
    version: int
    name: str
    document: dict[str, Any]
    applied_at: Instant
    applied_by: str
    restores: int | None = None
    finding: str | None = None


def apply_policy(
    connection: Connection, brand: str, given: PolicyFile, by: str, now: Instant, finding: str | None = None
) -> AppliedPolicy:
    """Have the policy hold from now on; what held before stays in the store.

    Raises
    ------
    FieldError
        If it extends what it cannot, or names what the brand's catalogue, where there is one, does not know.
    """
    require_applicable(connection, brand, given)
    name = given.name or f"policy {_latest(connection, brand) + 1}"
    return _insert(connection, brand, name, given.document, by, now, finding=finding)


def require_applicable(connection: Connection, brand: str, given: PolicyFile) -> None:
    """
    Raises
    ------
    FieldError
        As :func:`apply_policy`.
    """
    if given.extends is not None and (given.extends != DEFAULT_BRAND or brand == DEFAULT_BRAND):
        expected = "default, in the policy of another brand: nothing else can be extended"
        raise FieldError("extends", given.extends, expected)
    _require_catalogue(connection, brand, whole_policy(connection, given).rules)


def whole_policy(connection: Connection, given: PolicyFile) -> Policy:
    """What a file comes to, with what it takes from the default brand as that is now."""
    return with_file(holding_policy(connection, DEFAULT_BRAND) if given.extends else Policy(), given)


def restore_policy(connection: Connection, brand: str, version: int | None, by: str, now: Instant) -> AppliedPolicy:
    """Have an earlier version (default: the one before) hold again, as a version of its own.

    Raises
    ------
    FieldError
        If there is no such version, or none before.
    """
    latest = _latest(connection, brand)
    wanted = latest - 1 if version is None else version
    former = read_applied(connection, brand, wanted) if wanted >= 1 else None
    if former is None:
        expected = f"a version from 1 to {latest}" if latest else "a version: none was ever applied"
        raise FieldError("version", wanted if version is not None else None, expected, "unknown")
    return _insert(connection, brand, former.name, former.document, by, now, restores=former.version)


def read_applied(connection: Connection, brand: str, version: int | None = None) -> AppliedPolicy | None:
    """A version of the brand's policy, the newest if none is named."""
    of = applied_policies.c
    query = select(applied_policies).where(of.brand == brand).order_by(of.version.desc()).limit(1)
    row = connection.execute(query if version is None else query.where(of.version == version)).mappings().first()
    return None if row is None else _applied(row)


def all_applied(connection: Connection, brand: str) -> list[AppliedPolicy]:
    """Newest first."""
    of = applied_policies.c
    query = select(applied_policies).where(of.brand == brand).order_by(of.version.desc())
    return [_applied(row) for row in connection.execute(query).mappings()]


def latest_versions(connection: Connection) -> tuple[tuple[str, int], ...]:
    """Of each brand that ever had a policy the number of its newest: one grows with everything applied."""
    of = applied_policies.c
    query = select(of.brand, func.max(of.version)).group_by(of.brand).order_by(of.brand)
    return tuple((brand, version) for brand, version in connection.execute(query))


def holding_policy(connection: Connection, brand: str, default: Policy | None = None) -> Policy:
    """The policy by which the brand's decisions are made now; ``default`` where none was applied.

    Raises
    ------
    FieldError
        If what was applied cannot be read by this version of the program.
    """
    found = read_applied(connection, brand)
    return default or Policy() if found is None else policy_of_applied(connection, found)


def policy_of_applied(connection: Connection, applied: AppliedPolicy) -> Policy:
    """What a version comes to, with what it takes from the default brand as that is now."""
    given = parse_policy(applied.document, read_brand(connection, applied.brand).timezone)
    return replace(whole_policy(connection, given), version=f"{applied.name} v{applied.version}")


def _require_catalogue(connection: Connection, brand: str, rules: PolicyRules) -> None:
    brands = brands_sharing(connection, brand, "catalogue")
    offers = read_offers(connection, *brands)
    if not offers:
        return
    by_product = {one.product_id: one.category for one in read_products(connection, *brands)}
    categories = {name for offer in offers for name in categories_of(offer, by_product)}
    categories |= {category for category in by_product.values() if category is not None}
    require_known(rules, offers, categories, {offer.exclusive_group for offer in offers if offer.exclusive_group})
    require_some_left(rules, offers, by_product)


def _latest(connection: Connection, brand: str) -> int:
    query = select(func.coalesce(func.max(applied_policies.c.version), 0)).where(applied_policies.c.brand == brand)
    return int(connection.execute(query).scalar_one())


def _insert(
    connection: Connection,
    brand: str,
    name: str,
    document: Mapping[str, Any],
    by: str,
    now: Instant,
    restores: int | None = None,
    finding: str | None = None,
) -> AppliedPolicy:
    applied = AppliedPolicy(brand, _latest(connection, brand) + 1, name, dict(document), now, by, restores, finding)
    row = {**structs.asdict(applied), "document": json_of(document)}
    connection.execute(insert(applied_policies).values(row))
    return applied


def _applied(row: Mapping[Any, Any]) -> AppliedPolicy:
    return AppliedPolicy(**{**row, "document": msgspec.json.decode(row["document"])})
