"""The verb ``drift``: are the customers of now still those that the champions learned from?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from features.events import DEFAULT_BRAND
from features.instant import Instant
from features.settings import read_settings
from features.store import Store
from features.verbs import Brand, Clock, Json, Workspace, answer, as_instant, now, opened
from training.drift import NONE, DriftReport, ModelDrift
from training.errors import TrainingError


def drift(
    as_of: Annotated[
        int | None, typer.Option("--as-of", parser=as_instant, metavar="T", help="Customers as they were known at T.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample, where there are many customers.")] = 0,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Compare the customers of now with those that the champions learned from: none, watch or retrain."""
    from training import drift_check
    from training.telling import progress

    with opened(workspace, TrainingError, as_json=as_json) as store:
        with progress() as report:
            found = drift_check.check(store, brand, as_of, seed=seed, report=report)
        path = drift_check.keep(store.workspace, found)
        _log(store, found, path, now(clock), read_settings(workspace).mlflow_tracking_uri)
    answer(found, _shown(found), as_json=as_json)


def _log(store: Store, found: DriftReport, path: Path, at: Instant, tracking_uri: str | None) -> None:
    from training import drift_check, tracking

    try:
        tracker = tracking.connect(store.workspace, found.brand, tracking_uri)
        drift_check.log(tracker, found, path, at)
    except Exception as error:  # MLflow raises what its backend raises; the report is kept all the same
        typer.echo(f"MLflow was not told ({error})", err=True)


def _shown(report: DriftReport) -> RenderableType:
    head = Text(f"{report.verdict}: {report.sampled} of {report.customers} customers of {report.brand}, {report.as_of}")
    return Group(head, *(part for one in report.models for part in _of_model(one)))


def _of_model(one: ModelDrift) -> list[RenderableType]:
    shown: list[RenderableType] = [Text(f"\n{one.model} {one.version}: {one.verdict}", style="bold")]
    shown += [Text(f"  {reason}") for reason in one.reasons]
    table = Table("what", "stability index", "usual", "distance", "p", box=None, pad_edge=False, header_style="bold")
    shifts = ([one.score] if one.score else []) + [shift for shift in one.features if shift.verdict != NONE]
    for shift in shifts:
        numbers = (shift.psi, shift.usual, shift.distance, shift.p_value)
        table.add_row(shift.name, *(f"{number:.3g}" for number in numbers))
    for estimate in one.estimates:
        measured = "–" if estimate.measured is None else f"{estimate.measured:.4g}"
        shown.append(Text(f"  {estimate.metric.replace('_', ' ')}: {measured} measured, {estimate.estimated:.4g} now"))
    return [*shown, table] if shifts else shown
