"""The verb ``policy``: put a policy file in force, see what holds and what held, put an earlier one back."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml
from msgspec import structs
from rich.table import Table

from features.brand import read_brand
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import MICROSECONDS_PER_DAY, to_iso
from features.verbs import Brand, Clock, Json, Workspace, answer, now, opened
from serving.applied_policy import (
    AppliedPolicy,
    all_applied,
    apply_policy,
    holding_policy,
    policy_of_applied,
    read_applied,
    require_applicable,
    restore_policy,
    whole_policy,
)
from serving.policy import Policy
from serving.policy_cost import costs
from serving.policy_file import read_policy_file
from serving.policy_version import policy_version
from serving.verbs import RewardName, progress

HELP = "How decisions are made: put a policy file in force, look back."
policy = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP)

By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who applies it; default the user's name.")]


@policy.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy file, YAML.")],
    by: By = None,
    outcome: Annotated[RewardName, typer.Option("--outcome", help="By what the log judges it.")] = "margin",
    window_days: Annotated[int, typer.Option("--window-days", min=1, help="Within which an outcome counts.")] = 14,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the log speaks against it; that is recorded.")
    ] = False,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Let a policy file hold from now on; a running service follows within a second or two.

    It is kept as a new version; what held before stays. A file that is wrong anywhere changes nothing. Where decisions
    were logged it is judged by them first: it must not earn less, surely enough, than what was decided did.
    """
    from serving.policy_judgement import judged_policy

    who, instant = by or _user(), now(clock)
    with opened(workspace, as_json=as_json) as store, progress() as report:
        with store.reading() as connection:
            given = read_policy_file(file, read_brand(connection, brand).timezone)
            require_applicable(connection, brand, given)
            whole = whole_policy(connection, given)
        finding = judged_policy(store, brand, whole, instant, outcome, window_days, report, who if force else None)
        with store.writing() as connection:
            applied = apply_policy(connection, brand, given, who, instant, finding)
    answer(_document(applied), _line(applied), as_json=as_json)


@policy.command("list")
def show_all(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """Every policy that was ever applied, newest first: the first one holds."""
    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found = all_applied(connection, brand)
    table = Table("version", "name", "applied", "by", "restores")
    for one in found:
        table.add_row(str(one.version), one.name, to_iso(one.applied_at), one.applied_by, str(one.restores or ""))
    answer([_document(one) for one in found], table, as_json=as_json)


@policy.command("show")
def show(
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Default: the one that holds.")] = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """What was written, and the whole policy that it comes to."""
    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found = read_applied(connection, brand, version)
        if found is None and version is not None:
            raise FieldError("version", version, "a version of 'policy list'", "unknown")
        whole = holding_policy(connection, brand) if found is None else policy_of_applied(connection, found)
    comes_to = _plain(whole)
    document = {**(_document(found) if found else {}), "digest": policy_version(whole), "policy": comes_to}
    head = _line(found) if found else "no policy was applied: the defaults hold"
    written = _yaml(found.document) if found else ""
    answer(document, f"{head}\n\n{written}\ncomes to:\n\n{_yaml(comes_to)}".rstrip(), as_json=as_json)


@policy.command("rollback")
def rollback(
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Default: the one before.")] = None,
    by: By = None,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Let an earlier version hold again, as a version of its own."""
    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        applied = restore_policy(connection, brand, version, by or _user(), now(clock))
    answer(_document(applied), _line(applied), as_json=as_json)


@policy.command("cost")
def cost(
    days: Annotated[float, typer.Option("--days", min=0.0, help="How far to look back.")] = 30.0,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """What exploring, diversity and imitating a rule gave up in expected value, by policy, as the log tells."""
    until = now(clock)
    since = until - int(days * MICROSECONDS_PER_DAY)
    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found = costs(connection, brand, since, until)
    table = Table("policy", "decisions", "expected value", "exploring cost", "a decision", "diversity cost", "imitated")
    for one in found:
        table.add_row(
            one.policy,
            str(one.decisions),
            f"{one.expected_value:.2f}",
            f"{one.exploration_cost:.2f}",
            f"{one.exploration_cost_per_decision:.4f}",
            f"{one.diversity_price:.2f}",
            f"{one.imitated}: {one.agreed} agreed, instead {one.value_instead:.2f}" if one.imitated else "",
        )
    document = {"since": to_iso(since), "until": to_iso(until), "policies": [structs.asdict(one) for one in found]}
    answer(document, table, as_json=as_json)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "unknown"


def _document(applied: AppliedPolicy) -> dict[str, Any]:
    return {
        "brand": applied.brand,
        "version": applied.version,
        "name": applied.name,
        "applied_at": to_iso(applied.applied_at),
        "applied_by": applied.applied_by,
        "restores": applied.restores,
        "finding": applied.finding,
        "document": applied.document,
    }


def _line(applied: AppliedPolicy) -> str:
    found = f"; {applied.finding}" if applied.finding else ""
    again = "" if applied.restores is None else f", version {applied.restores} again"
    return (
        f"{applied.name}: version {applied.version} of brand {applied.brand}{again}, "
        f"applied {to_iso(applied.applied_at)} by {applied.applied_by}{found}"
    )


def _plain(whole: Policy) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole, order="deterministic"))
    return {name: value for name, value in plain.items() if name != "edition"}


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
