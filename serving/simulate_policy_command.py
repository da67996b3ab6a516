"""The verb ``simulate-policy``: what a policy file would do to everybody, before it holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.events import DEFAULT_BRAND
from features.instant import to_iso
from features.verbs import Brand, Json, Workspace, answer, opened
from serving.verbs import AsOf, Report, progress

if TYPE_CHECKING:
    from features.store import Store
    from serving.policy_simulation import PolicySimulation, PolicySum


def simulate_policy(
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="The policy file to try.")],
    as_of: AsOf,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write.")] = Path(
        "simulate-policy.html"
    ),
    channels: Annotated[str, typer.Option("--channels", help="To choose among, with commas; default any.")] = "",
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Say what a policy file would offer to every customer, at what cost, and who gets less; as an HTML page too."""
    from serving.policy_simulation_page import lines, render

    named = tuple(dict.fromkeys(channel.strip() for channel in channels.split(",") if channel.strip()))
    with opened(workspace, as_json=as_json) as store, progress() as report:
        name, found = _simulated(store, policy, as_of, brand, named, report)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(name, to_iso(as_of), found), encoding="utf-8")
    answer(_document(name, out, found), "\n".join([*lines(found), f"the page: {out}"]), as_json=as_json)


def _simulated(
    store: "Store", path: Path, as_of: int, brand: str, channels: tuple[str, ...], report: Report
) -> "tuple[str, PolicySimulation]":
    from features.brand import brands_sharing, read_brand
    from features.catalogue import read_offers, read_products
    from features.history import open_history
    from serving.applied_policy import require_applicable, whole_policy
    from serving.loading import Loader
    from serving.offer_table import build_offer_table, with_usage
    from serving.policy import brand_terms
    from serving.policy_file import read_policy_file
    from serving.policy_simulation import Tried, simulate
    from serving.population import read_population
    from serving.reservations import read_usage

    with store.reading() as connection:
        settings = read_brand(connection, brand)
        given = read_policy_file(path, settings.timezone)
        require_applicable(connection, brand, given)
        policy = whole_policy(connection, given)
        brands = brands_sharing(connection, brand, "catalogue")
        offers, products = read_offers(connection, *brands), read_products(connection, *brands)
        used = {offer_id: usage for (of, offer_id), usage in read_usage(connection).items() if of == brand}
    table = build_offer_table(offers, products, brand_terms(settings), policy)
    tried = Tried(policy, with_usage(table, used))
    loader = Loader(store)
    loader.refresh()
    report("reading events", 0, 0)
    with open_history(store, brand, before=as_of) as history:
        profiles = history.profiles(as_of, include_registered=True)
    with store.reading() as connection:
        population = read_population(connection, brand, profiles, as_of)
    found = simulate(
        population, loader.state(brand), tried, as_of, brand, channels, settings.protected_attributes, report
    )
    return given.name or path.stem, found


def _document(name: str, out: Path, found: "PolicySimulation") -> dict[str, Any]:
    return {
        "policy": name,
        "out": str(out),
        "before": _totals(found.before),
        "after": _totals(found.after),
        "groups": found.groups,
    }


def _totals(total: "PolicySum") -> dict[str, Any]:
    return {
        "customers": total.customers,
        "nothing": total.nothing,
        "none_possible": total.none_possible,
        "expected_margin": total.value,
        "expected_cost": total.cost,
        "offers": total.offers,
    }
