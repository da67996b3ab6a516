"""The verb ``experiment``.

Standard output is the answer, a table or with ``--json`` one document; complaints go to standard error.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import experiment_store, tables
from experiments.experiment_file import read_experiment
from experiments.experiment_store import StoredExperiment
from experiments.variant_models import require_deployed
from features.events import DEFAULT_BRAND
from features.instant import to_iso
from features.store import Store
from features.verbs import Brand, Clock, Json, Workspace, answer, as_instant, now, opened

experiment = typer.Typer(no_args_is_help=True, add_completion=False, help="Controlled experiments.")


Name = Annotated[str, typer.Argument(metavar="NAME", help="The experiment's name.")]
AsOf = Annotated[
    int | None,
    typer.Option("--as-of", parser=as_instant, metavar="T", help="Read nothing at or after T; default all events."),
]


@experiment.command()
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The experiment, YAML or JSON.")],
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Store a draft, or a new version of the experiment of that name; nobody dealt before is dealt anew.

    \b
    name: new churn model
    primary_metric: revenue   # default: conversion
    outcome_days: 14          # after first exposure; default: all there is
    variants:                 # the first is the control
      - name: champion
        weight: 0.5
      - name: challenger
        weight: 0.5
        models: {churn: challenger}
        policy: {epsilon: 0.1}

    Metrics: conversion, revenue, orders, average_order, offer_acceptance.

    Further keys: control, description, salt, share, layer {name, low, high}, eligibility {channel, segment, tier},
    start, stop, pre_period_days, planned_units.
    """
    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        described = read_experiment(file)
        require_deployed(connection, brand, described)
        stored = experiment_store.create(connection, brand, described, now(clock))
    answer(_document(stored), tables.experiments([stored]), as_json=as_json)


@experiment.command()
def start(
    name: Name,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Let it run: decisions deal their customers to its variants from now on."""
    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        stored = experiment_store.start(connection, brand, name, now(clock))
    answer(_document(stored), tables.experiments([stored]), as_json=as_json)


@experiment.command()
def stop(
    name: Name,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """End it for good; what it learned can still be analysed."""
    with opened(workspace, as_json=as_json) as store, store.writing() as connection:
        stored = experiment_store.stop(connection, brand, name, now(clock))
    answer(_document(stored), tables.experiments([stored]), as_json=as_json)


@experiment.command("list")
def list_experiments(workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False) -> None:
    """All experiments of the brand."""
    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        stored = experiment_store.listed(connection, brand)
    answer([_document(each) for each in stored], tables.experiments(stored), as_json=as_json)


@experiment.command()
def plan(
    name: Name,
    as_of: AsOf = None,
    effect: Annotated[list[float] | None, typer.Option(help="Relative effect to find; may be repeated.")] = None,
    power: Annotated[float, typer.Option(min=0.01, max=0.999, help="Chance to find it.")] = 0.8,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """How many units and days it takes to find an effect, from this brand's own history."""
    from experiments import planning
    from experiments.experiment_log import opened_log

    effects = effect or planning.RELATIVE_EFFECTS
    for wanted in effects:
        if not 0 < wanted < 100:
            raise typer.BadParameter(f"got --effect {wanted}, expected a share above 0 such as 0.05")
    with opened(workspace, as_json=as_json) as store:
        stored = _read(store, brand, name)
        with opened_log(store, brand, as_of) as log:
            planned = planning.plan(
                log.events, log.roots, stored.experiment, log.as_of, relative_effects=effects, power=power
            )
    answer(planned, tables.planned(planned), as_json=as_json)


@experiment.command()
def analyse(
    name: Name, as_of: AsOf = None, workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False
) -> None:
    """What each variant changed, how sure that is, and what to do."""
    from experiments import analysis
    from experiments.experiment_log import opened_log

    with opened(workspace, as_json=as_json) as store:
        stored = _read(store, brand, name)
        with opened_log(store, brand, as_of) as log:
            found = analysis.analyse(
                log.events, log.roots, stored.experiment, log.as_of, has_fixed_weights=stored.has_fixed_weights
            )
    answer(found.document(), tables.analysed(found), as_json=as_json)


def _document(stored: StoredExperiment) -> dict[str, Any]:
    return {
        "experiment": stored.experiment.name,
        "version": stored.version,
        "state": stored.state,
        "variants": {variant.name: variant.weight for variant in stored.experiment.variants},
        "control": stored.experiment.control_name,
        "primary_metric": stored.experiment.primary_metric,
        "started_at": None if stored.started_at is None else to_iso(stored.started_at),
        "stopped_at": None if stored.stopped_at is None else to_iso(stored.stopped_at),
    }


def _read(store: Store, brand: str, name: str) -> StoredExperiment:
    with store.reading() as connection:
        return experiment_store.read(connection, brand, name)
