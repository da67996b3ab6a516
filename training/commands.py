"""The verbs of training: ``train``, ``retrain``, ``compare``, ``promote``, ``rollback``, ``history``, ``examples``.

Standard output is the answer, a table or with ``--json`` one document; progress and complaints go to standard error.
"""

from collections.abc import Sequence
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.events import DEFAULT_BRAND
from features.instant import Instant, to_iso
from features.presented_terms import Attribution, Outcome, ResponseTerms
from features.settings import read_settings
from features.store import Store
from features.verbs import Brand, Clock, Json, Workspace, answer, as_instant, now, opened
from training.errors import TrainingError
from training.telling import progress

if TYPE_CHECKING:
    from training.promotion import Comparison
    from training.registry import Deployment

Model = Annotated[str | None, typer.Argument(help="One model; without it, every model.")]
AsOf = Annotated[
    int | None, typer.Option("--as-of", parser=as_instant, metavar="T", help="Use nothing that happened at or after T.")
]
LatencyBudget = Annotated[
    float | None,
    typer.Option("--latency-budget-ms", min=0.0, metavar="MS", help="Milliseconds of one prediction; default 5."),
]


def train(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names of models, or 'all'.")],
    as_of: AsOf = None,
    horizon_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days to look ahead; default 90.")] = None,
    tune: Annotated[int, typer.Option(min=0, metavar="TRIALS", help="Search for parameters in so many trials.")] = 0,
    outcome: Annotated[
        Outcome, typer.Option("--outcome", help="offer-response: what counts as the response to an offer.")
    ] = Outcome.ACCEPTED,
    window_days: Annotated[
        int, typer.Option("--window-days", min=1, max=3650, help="offer-response: within how many days after it.")
    ] = 14,
    attribution: Annotated[
        Attribution,
        typer.Option(
            "--attribution", help="offer-response: an event counts for any presentation before it, or the last."
        ),
    ] = Attribution.ANY,
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Train models on what happened before T, measure them on a later cutoff, register the versions."""
    from training import pipeline, reports
    from training.learners import MODELS

    wanted = list(MODELS) if "all" in models else list(dict.fromkeys(models))
    _check_names(wanted, MODELS)
    with opened(workspace, TrainingError, as_json=as_json) as store, progress() as report:
        results = pipeline.train(
            store,
            wanted,
            brand=brand,
            now=now(clock),
            as_of=as_of,
            horizon_days=horizon_days,
            tuning_trials=tune,
            seed=seed,
            tracking_uri=_tracking_uri(workspace),
            report=report,
            announce=lambda found: report.show(reports.data_of(found)),
            response=ResponseTerms(outcome, window_days, attribution),
        )
    answer(results, reports.trained(results), as_json=as_json)
    done = [result.skipped is None for result in results]
    if not (any(done) if "all" in models else all(done)):
        raise typer.Exit(1)


def retrain(
    as_of: AsOf = None,
    promote: Annotated[bool, typer.Option("--promote", help="Promote what passes every gate.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Train every model again, compare with the champions, judge by the gates, and report."""
    from training import reports, retraining

    with opened(workspace, TrainingError, as_json=as_json) as store:
        with progress() as report:
            results = retraining.retrain(
                store,
                brand=brand,
                now=now(clock),
                as_of=as_of,
                seed=seed,
                tracking_uri=_tracking_uri(workspace),
                report=report,
            )
        for result in results if promote else ():
            if result.is_promotable and result.trained.version:
                _promote(
                    store,
                    _tracking_uri(workspace),
                    brand,
                    result.trained.model,
                    result.trained.version,
                    now(clock),
                )
    answer([reports.retrained_document(result) for result in results], reports.retrained(results), as_json=as_json)
    if all(result.trained.skipped for result in results):
        raise typer.Exit(1)


def compare(
    model: Model = None,
    version: Annotated[str | None, typer.Option(help="The version to compare; by default the challenger.")] = None,
    latency_budget_ms: LatencyBudget = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """The champion and a challenger side by side, on a cutoff that neither was trained on."""
    from training import promotion, reports
    from training.learners import MODELS
    from training.registry import current

    _check_names([model] if model else [], MODELS)
    if version is not None and model is None:
        raise typer.BadParameter("got a version without a model, expected MODEL --version N")
    with opened(workspace, TrainingError, as_json=as_json) as store, progress() as report:
        with store.reading() as connection:
            deployed = dict.fromkeys(name for name, _alias in sorted(current(connection, brand)))
        comparisons = []
        for name in [model] if model else deployed:
            report(f"{name}: comparing")
            comparisons.append(promotion.compare(store, brand, name, version, latency_budget_ms=latency_budget_ms))
    documents = [reports.comparison_document(comparison) for comparison in comparisons]
    answer(documents, reports.compared(comparisons), as_json=as_json)


def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    force: Annotated[bool, typer.Option("--force", help="Promote past refusing gates; it is recorded.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who forces it; default: the user of the system.")] = None,
    latency_budget_ms: LatencyBudget = None,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Let a version be champion, if the gates let it."""
    from training import reports
    from training.deployment_report import deployment_document
    from training.learners import MODELS

    _check_names([model], MODELS)
    who = (by or getuser()) if force else None
    with opened(workspace, TrainingError, as_json=as_json) as store:
        deployment, comparison = _promote(
            store, _tracking_uri(workspace), brand, model, version, now(clock), who, latency_budget_ms
        )
    document = {**deployment_document(deployment), "gates": comparison.gates}
    answer(document, reports.promoted(deployment, comparison), as_json=as_json)


def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Put the former champion back; the service follows within a second or two, MLflow's alias soon after."""
    from training import alias_catching_up
    from training.deployment_report import deployed, deployment_document
    from training.learners import MODELS
    from training.rollback import rollback as put_back

    _check_names([model], MODELS)
    with opened(workspace, TrainingError, as_json=as_json) as store:
        deployment = put_back(store, brand, model, now(clock))
        alias_catching_up.start(store.workspace, brand, deployment.deployed_at)
    answer(deployment_document(deployment), deployed(deployment), as_json=as_json)


def history(
    model: Model = None,
    at: Annotated[int | None, typer.Option(parser=as_instant, metavar="T", help="Only what served at T.")] = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Which version served when, and how many decisions each one made."""
    from training import reports
    from training.decision_counts import decisions_by_version
    from training.learners import MODELS
    from training.registry import served

    _check_names([model] if model else [], MODELS)
    with opened(workspace, TrainingError, as_json=as_json) as store, store.reading() as connection:
        spans = served(connection, brand, model)
        counts = decisions_by_version(connection, brand)
    shown = [span for span in spans if at is None or span.is_at(at)]
    others = reports.never_champion(spans, counts, model) if at is None else []
    documents = [reports.served_document(span, counts) for span in shown] + others
    answer(documents, reports.served(documents), as_json=as_json)


def examples(
    as_of: Annotated[
        int, typer.Option("--as-of", parser=as_instant, metavar="T", help="Nothing at or after T is used.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The Parquet file to write.")],
    horizon_days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days that labels look ahead.")] = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """The point-in-time training examples as a Parquet file, for notebooks."""
    from training.examples import write_examples

    with opened(workspace, TrainingError, as_json=as_json) as store, progress() as report:
        report("writing examples")
        rows = write_examples(store, brand, as_of, horizon_days, out)
    document = {"out": str(out), "rows": rows, "as_of": to_iso(as_of)}
    answer(document, f"{rows} rows in {out}", as_json=as_json)


def _promote(
    store: Store,
    tracking_uri: str | None,
    brand: str,
    model: str,
    version: str,
    at: Instant,
    forced_by: str | None = None,
    latency_budget_ms: float | None = None,
) -> "tuple[Deployment, Comparison]":
    from training import promotion

    deployment, comparison = promotion.promote(
        store, brand, model, version, at, forced_by=forced_by, latency_budget_ms=latency_budget_ms
    )
    _move_mlflow_alias(store, tracking_uri, deployment)
    return deployment, comparison


def _move_mlflow_alias(store: Store, tracking_uri: str | None, deployment: "Deployment") -> None:
    """After the deployment, which alone decides; where MLflow is out of reach its alias is put right later."""
    from training import tracking

    try:
        tracker = tracking.connect(store.workspace, deployment.brand, tracking_uri)
        tracking.name_champion(tracker, deployment.model, deployment.version)
    except Exception as error:  # MLflow raises what its backend raises
        typer.echo(f"MLflow's alias was not moved ({error}); the next training or service will do it", err=True)


def _tracking_uri(workspace: Path | None) -> str | None:
    return read_settings(workspace).mlflow_tracking_uri


def _check_names(models: Sequence[str], known: Sequence[str]) -> None:
    for model in models:
        if model not in known:
            raise typer.BadParameter(f"got model {model!r}, expected one of {', '.join(known)}")
