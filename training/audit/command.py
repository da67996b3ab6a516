"""The verb ``audit``: past campaigns of any firm, judged from files, without any integration."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.verbs import Brand, Clock, Json, Workspace, answer, now, opened, refusing

if TYPE_CHECKING:
    from features.ingest_report import IngestReport
    from features.store import Store
    from training.audit.findings import Findings

MOST_CUSTOMERS = 100_000
SEED = 0


def audit(
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", metavar="FILE", help="Events; again for more. Default: what the workspace holds."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page to write.")] = Path("audit.html"),
    horizon_days: Annotated[
        int, typer.Option("--horizon-days", min=1, help="Within which a purchase may be due to an offer.")
    ] = 28,
    margin_rate: Annotated[
        float, typer.Option("--margin-rate", min=0, max=1, help="Share of spend that is margin.")
    ] = 0.25,
    timezone: Annotated[str, typer.Option("--timezone", help="Of times without one.")] = "UTC",
    encoding: Annotated[str, typer.Option("--encoding", help="Of CSV.")] = "utf-8",
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Of CSV; default: found out.")] = None,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Say of past campaigns who was chosen, what went to sure buyers, and what would tell more; as an HTML page."""
    from training.errors import TrainingError

    if not events:
        with opened(workspace, TrainingError, as_json=as_json) as store:
            _tell(store, brand, out, horizon_days, margin_rate, None, as_json=as_json)
        return
    with refusing(TrainingError, as_json=as_json), TemporaryDirectory() as folder:
        from features.event_files import ingest_events
        from features.store import open_store

        store = open_store(Path(folder))
        try:
            report = ingest_events(
                store, events, brand=brand, timezone=timezone, encoding=encoding, delimiter=delimiter, now=now(clock)
            )
            if report.accepted == 0:
                kept = _kept(report, out)
                where = f"; rejected rows are in {kept}" if kept else ", of which there is none in the file"
                raise FieldError("events", str(events[0]), f"events that can be read{where}")
            _tell(store, brand, out, horizon_days, margin_rate, _kept(report, out), as_json=as_json)
        finally:
            store.close()


def _kept(report: "IngestReport", out: Path) -> Path | None:
    """The file of rejected rows, beside the page."""
    if report.quarantine is None:
        return None
    kept = out.with_name(f"{out.stem}.rejected{Path(report.quarantine).suffix}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(Path(report.quarantine).read_bytes())
    return kept


def _tell(
    store: "Store",
    brand: str,
    out: Path,
    horizon_days: int,
    margin_rate: float,
    rejected: Path | None,
    *,
    as_json: bool,
) -> None:
    from features.brand import read_brand
    from training.audit.findings import find
    from training.audit.page import lines, render
    from training.telling import progress

    with store.reading() as connection:
        currency = read_brand(connection, brand).currency
    with progress() as tell:
        found = find(
            store, brand, currency, horizon_days=horizon_days, margin_rate=margin_rate,
            most_customers=MOST_CUSTOMERS, seed=SEED, tell=tell,
        )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render(found), encoding="utf-8")
    told = [*lines(found), f"the page: {out}", *([f"rejected rows: {rejected}"] if rejected else [])]
    answer(_document(found, out, rejected), "\n".join(told), as_json=as_json)


def _document(found: "Findings", out: Path, rejected: Path | None) -> dict[str, Any]:
    selection, sure, plan = found.selection, found.sure_buyers, found.randomisation
    return {
        "out": str(out),
        "rejected": None if rejected is None else str(rejected),
        "treatment": found.log.treatment,
        "treatments": sure.treatments,
        "waves": len(found.panel.began),
        "selection": {
            "auc": selection.auc,
            "comparable": selection.comparable,
            "naive": selection.naive,
            "adjusted": selection.adjusted,
            "e_value": selection.e_value,
            "balance": selection.balance,
        },
        "sure_buyers": {
            "cost": sure.cost,
            "cost_of_sure": sure.cost_of_sure,
            "wasted": sure.wasted,
            "treatments": sure.treatments_of_sure,
            "bands": sure.bands,
            "calibration_error": sure.calibration_error,
        },
        "unknown": found.unknown,
        "randomisation": {"effect": plan.effect, "best": plan.best, "designs": plan.designs},
    }
