"""The verb ``plan``: tonight's mailing, decided for everyone at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.events import DEFAULT_BRAND, NO_OFFER
from features.instant import to_iso
from features.money import to_money
from features.store import Store
from features.verbs import Brand, Json, Workspace, answer, now, opened
from serving.verbs import AsOf, Out, Report, progress

if TYPE_CHECKING:
    import pyarrow

    from serving.plan import PlannedDecision, PlanTerms

MAILING_CHANNELS = "email,push,sms"
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class PlanReport:
    name: str
    out: str
    customers: int
    offers: int
    as_of: str
    was_known: bool
    """Whether all of it had been decided before."""


def plan(
    as_of: AsOf,
    out: Out,
    channels: Annotated[str, typer.Option("--channels", help="To choose among, with commas.")] = MAILING_CHANNELS,
    budget: Annotated[
        float | None, typer.Option("--budget", min=0, help="The most that all offers together may cost.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The same name gives the same decisions.")] = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Decide for every customer as of T, reserve what was decided, and write it to a Parquet file."""
    from serving.plan import PlanTerms

    terms = PlanTerms(
        brand=brand,
        name=name or f"plan of {to_iso(as_of)}",
        as_of=as_of,
        channels=tuple(dict.fromkeys(channel.strip() for channel in channels.split(",") if channel.strip())),
        budget=None if budget is None else to_money(budget),
    )
    with opened(workspace, as_json=as_json) as store, progress() as report:
        done = make(store, terms, out, report)
    shown = f"plan {done.name!r}: {done.offers} offers to {done.customers} customers, in {done.out}"
    answer(done, shown + (" (decided before)" if done.was_known else ""), as_json=as_json)


def make(store: Store, terms: "PlanTerms", out: Path, report: Report) -> PlanReport:
    """Decide what is not decided yet, then write the whole plan from the log."""
    from serving.plan import begin, finish, planned

    with store.writing() as connection:
        is_open = begin(connection, terms, now())
    if is_open:
        _decide(store, terms, report)
    with store.reading() as connection:
        customers, offers = _write(out, planned(connection, terms))
    with store.writing() as connection:
        finish(connection, terms, str(out))
    return PlanReport(terms.name, str(out), customers, offers, to_iso(terms.as_of), not is_open)


def _decide(store: Store, terms: "PlanTerms", report: Report) -> None:
    from features.history import open_history
    from serving.loading import Loader
    from serving.planning import decide_all
    from serving.population import read_population

    loader = Loader(store)
    loader.refresh()
    report("reading events", 0, 0)
    with open_history(store, terms.brand, before=terms.as_of) as history:
        profiles = history.profiles(terms.as_of, include_registered=True)
    with store.reading() as connection:
        population = read_population(connection, terms.brand, profiles, terms.as_of)
    decide_all(store, terms, population, loader.state(terms.brand), report, now=now())


def _write(path: Path, rows: "Iterator[PlannedDecision]") -> tuple[int, int]:
    """How many customers, and how many of them with an offer."""
    import pyarrow

    from serving.parquet import complete_file

    schema = _schema()
    customers = offers = 0
    with complete_file(path, schema) as writer:
        while chunk := list(islice(rows, _CHUNK)):
            columns = {name: [getattr(row, name) for row in chunk] for name in schema.names}
            writer.write_table(pyarrow.table(columns, schema=schema))
            customers += len(chunk)
            offers += sum(row.offer_id != NO_OFFER for row in chunk)
    return customers, offers


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    text = pa.string()
    return pa.schema(
        {
            "decision_id": text,
            "customer_id": text,
            "offer_id": text,
            "propensity": pa.float64(),
            "channel": text,
            "send_at": pa.timestamp("us", tz="UTC"),
            "expected_value": pa.float64(),
            "words": pa.struct({"en": text, "ru": text}),
        }
    )
