"""The verb ``doctor``: what is wrong with a workspace, and what to do about it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import typer
from rich.table import Table
from sqlalchemy import func, select, text

from features.brand import brands_sharing, read_brand
from features.catalogue import read_offers
from features.entities import Offer, OfferKind
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.lake import read_segments
from features.schema import events, profiles, segments
from features.settings import read_settings
from features.store import Store, open_store
from features.verbs import Brand, Json, Workspace, answer, now
from serving.applied_policy import read_applied, require_applicable
from serving.offer_cost import CostUnknownError, offer_cost
from serving.policy import BrandTerms, Policy, brand_terms
from serving.policy_file import parse_policy
from serving.subscriptions import active
from serving.webhook_outbox import count_dead

if TYPE_CHECKING:
    from serving.loading import BrandState

Status = Literal["ok", "warning", "problem"]
LEAST_FREE_BYTES = 1 << 30
STALE_DAYS = 30
_POINTS = (OfferKind.BONUS_POINTS, OfferKind.POINTS_MULTIPLIER, OfferKind.CHALLENGE)
_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``remedy`` says what to do, where there is something to do."""

    check: str
    status: Status
    message: str
    remedy: str = ""


Check = Callable[[Store, str, Instant], Iterator[Finding]]


def doctor(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """Say what is wrong and what to do; exit status 1 if anything keeps the service from its work."""
    found = list(examine(workspace, brand))
    table = Table("check", "", "finding", "what to do")
    for one in found:
        table.add_row(one.check, _MARKS[one.status], one.message, one.remedy)
    is_well = all(one.status != "problem" for one in found)
    answer({"ok": is_well, "findings": found}, table, as_json=as_json)
    if not is_well:
        raise typer.Exit(1)


def examine(workspace: "Workspace", brand: str) -> Iterator[Finding]:
    try:
        settings = read_settings(workspace)
        store = open_store(settings.workspace, settings.database_url)
    except FieldError as error:
        yield Finding("store", "problem", str(error), f"set {error.field} to {error.expected}")
        return
    try:
        for check in CHECKS:
            yield from check(store, brand, now())
    finally:
        store.close()


def check_store(store: Store, _brand: str, _now: Instant) -> Iterator[Finding]:
    where = str(store.workspace / "lagniappe.db") if store.is_sqlite else store.engine.url.render_as_string()
    damage = _damage(store) if store.is_sqlite else None
    if damage is not None:
        yield Finding("store", "problem", f"{where} is damaged: {damage}", "restore it from a copy")
    else:
        yield Finding("store", "ok", where)
    free = shutil.disk_usage(store.workspace).free
    if free < LEAST_FREE_BYTES:
        yield Finding(
            "disk", "warning", f"{free >> 20} MiB are free", "make room: a full disk makes the service refuse"
        )


def _damage(store: Store) -> str | None:
    with store.reading() as connection:
        found = connection.execute(text("PRAGMA quick_check(1)")).scalar()
    return None if found == "ok" else str(found)


def check_events(store: Store, brand: str, _now: Instant) -> Iterator[Finding]:
    with store.reading() as connection:
        single = connection.execute(select(func.count()).where(events.c.brand == brand)).scalar_one()
        files = connection.execute(select(segments.c.path)).scalars().all()
        bulk = sum(segment.rows for segment in read_segments(connection, brand))
        known = connection.execute(select(func.count()).where(profiles.c.brand == brand)).scalar_one()
    missing = [path for path in files if not (store.lake / path).exists()]
    if missing:
        yield Finding("events", "problem", f"{missing[0]} is gone from the lake", "restore the workspace from a copy")
    elif not single and not bulk:
        yield Finding("events", "warning", "there are no events", "lagniappe ingest events FILE")
    else:
        yield Finding("events", "ok", f"{bulk} in bulk, {single} one by one; {known} customers")


def check_models(store: Store, brand: str, at: Instant) -> Iterator[Finding]:
    from serving.predictions import NAMES

    state, complaints = _loaded(store, brand)
    for complaint in complaints:
        yield Finding(
            "models",
            "problem",
            complaint,
            "lagniappe rollback MODEL, train it again, or stop the experiment that names it",
        )
    for name in state.models.missing:
        if name not in state.models.unloadable:
            yield Finding("models", "warning", f"{name} was never trained", f"lagniappe train {name}")
    for name in NAMES:
        if name in state.models.versions:
            yield _age(name, state.models.versions[name], state.models.trained_until[name], at)


def _age(name: str, version: str, until: Instant, at: Instant) -> Finding:
    days = (at - until) // MICROSECONDS_PER_DAY
    message = f"{name} version {version}, trained on what happened until {days} days ago"
    if days > STALE_DAYS:
        return Finding("models", "warning", message, "lagniappe retrain")
    return Finding("models", "ok", message)


def _loaded(store: Store, brand: str) -> "tuple[BrandState, list[str]]":
    from serving.loading import Loader

    complaints: list[str] = []
    loader = Loader(store, report=complaints.append)
    loader.refresh()
    return loader.state(brand), complaints


def check_offers(store: Store, brand: str, at: Instant) -> Iterator[Finding]:
    with store.reading() as connection:
        offers = read_offers(connection, *brands_sharing(connection, brand, "catalogue"))
        terms = brand_terms(read_brand(connection, brand))
    live = [one for one in offers if (one.valid_from or at) <= at < (one.valid_to or at + 1)]
    if not offers:
        yield Finding("offers", "warning", "the catalogue is empty", "lagniappe ingest offers FILE")
    elif not live:
        yield Finding(
            "offers", "warning", f"none of {len(offers)} offers is valid now", "ingest offers with later dates"
        )
    else:
        yield Finding("offers", "ok", f"{len(live)} of {len(offers)} are valid now")
    points = [one for one in live if one.kind in _POINTS and _is_cost_unknown(one, terms)]
    if points and terms.point_value is None:
        message = f"{len(points)} offers give points and nothing says what a point costs: they are never made"
        yield Finding("offers", "problem", message, "set point_value in the brand file: lagniappe brand apply FILE")


def check_policy(store: Store, brand: str, at: Instant) -> Iterator[Finding]:
    """Offers and categories may have gone since the policy was applied: its rules on them are without effect."""
    with store.reading() as connection:
        found = read_applied(connection, brand)
        if found is None:
            yield Finding("policy", "ok", "none was applied: the defaults hold")
            return
        message = f"{found.name}, version {found.version}, applied {(at - found.applied_at) // MICROSECONDS_PER_DAY} "
        message += f"days ago by {found.applied_by}"
        try:
            given = parse_policy(found.document, read_brand(connection, brand).timezone)
            require_applicable(connection, brand, given)
        except FieldError as error:
            remedy = "lagniappe policy apply FILE, or lagniappe policy rollback"
            yield Finding("policy", "warning", f"{message}: {error}", remedy)
            return
    yield Finding("policy", "ok", message)


def _is_cost_unknown(offer: Offer, terms: BrandTerms) -> bool:
    try:
        offer_cost(offer, terms, Policy())
    except CostUnknownError:
        return True
    return False


def check_webhooks(store: Store, brand: str, _now: Instant) -> Iterator[Finding]:
    with store.reading() as connection:
        dead, subscribed = count_dead(connection, brand), len(active(connection, brand))
    if dead:
        message = f"{dead} messages could not be delivered within 24 hours"
        yield Finding(
            "webhooks", "warning", message, "lagniappe webhooks dead, then lagniappe webhooks redeliver --all"
        )
    elif subscribed:
        yield Finding("webhooks", "ok", f"{subscribed} subscriptions")


def check_mlflow(_store: Store, _brand: str, _now: Instant) -> Iterator[Finding]:
    if find_spec("mlflow") is None:
        yield Finding("mlflow", "warning", "not installed: champions moved in MLflow are not followed",
                      "install lagniappe[train] where models are trained")  # fmt: skip
    else:
        yield Finding("mlflow", "ok", "installed")


CHECKS: tuple[Check, ...] = (
    check_store,
    check_events,
    check_models,
    check_offers,
    check_policy,
    check_webhooks,
    check_mlflow,
)
