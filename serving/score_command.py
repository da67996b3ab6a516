"""The verb ``score``: every customer of a brand as of an instant, by the champions."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import Instant, to_iso
from features.store import Store
from features.verbs import Brand, Json, Workspace, answer, opened
from serving.in_order import in_order
from serving.score_columns import ScoreColumns, score_columns
from serving.score_notes import fallbacks
from serving.scoring import DEFAULT_FAVOURITES
from serving.verbs import AsOf, Out, Report, progress

if TYPE_CHECKING:
    from features.entities import Offer
    from features.everybody import Everybody
    from features.history import History
    from features.profiles import Profiles
    from serving.loading import BrandState
    from serving.offer_table import OfferTable
    from serving.score_offers import OfferScores


BATCHES = 3
"""At a time: what takes long in one is compiled and lets the others go on; with one more than cores none is idle."""


@dataclass(frozen=True, slots=True)
class ScoreReport:
    out: str
    rows: int
    offers_out: str | None
    offer_rows: int | None
    as_of: str
    model_versions: dict[str, str]
    fallbacks: dict[str, str]


def score(
    as_of: AsOf,
    out: Out,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, metavar="K", help="How many favourites.")] = (
        DEFAULT_FAVOURITES
    ),
    offers: Annotated[bool, typer.Option("--offers", help="Also every offer for every customer.")] = False,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Score every customer as of T by the champions, into a Parquet file."""
    with opened(workspace, as_json=as_json) as store, progress() as report:
        done = write(store, brand, as_of, out, favourites=top, with_offers=offers, report=report)
    lines = [f"{done.rows} customers in {done.out}"]
    if done.offers_out:
        lines.append(f"{done.offer_rows} rows of customers and offers in {done.offers_out}")
    lines += [f"{', '.join(outputs)}: {reason}" for reason, outputs in _by_reason(done.fallbacks).items()]
    answer(done, "\n".join(lines), as_json=as_json)


def write(
    store: Store, brand: str, as_of: Instant, out: Path, *, favourites: int, with_offers: bool, report: Report
) -> ScoreReport:
    """Write ``out`` and, beside it, the offers file; reads no event at or after ``as_of``.

    Raises
    ------
    FieldError
        If there is nobody to score.
    """
    from features.everybody import everybody
    from features.history import open_history
    from serving.loading import Loader
    from serving.score_files import write_scores

    loader = Loader(store)
    loader.refresh()
    state = loader.state(brand)
    report("reading customers", 0, 0)
    offers_out, offer_rows = out.with_name(f"{out.stem}.offers{out.suffix}") if with_offers else None, None
    with store.reading() as connection:
        people = everybody(connection, store, brand, as_of)
    with open_history(store, brand, before=as_of) as history:
        categories = {product.product_id: product.category for product in history.products}
        batches = _scores(people, history, state, categories, favourites, report)
        first = next(batches, None)
        if first is None:
            expected = f"a time after the first event of brand {brand}: nobody was known before this one"
            raise FieldError("as_of", to_iso(as_of), expected)
        with what_is_there_stays():
            rows = write_scores(out, chain([first], batches), list(state.models.versions))
        if offers_out is not None:
            offer_rows = _write_offers(offers_out, people, history, state, report)
    return ScoreReport(
        str(out),
        rows,
        None if offers_out is None else str(offers_out),
        offer_rows,
        to_iso(as_of),
        dict(state.models.versions),
        fallbacks(state.models, as_of),
    )


@contextmanager
def what_is_there_stays() -> Iterator[None]:
    """Python's collector would look through all customers and models again and again for what can go."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _by_reason(fallbacks: dict[str, str]) -> dict[str, list[str]]:
    outputs: dict[str, list[str]] = {}
    for output, reason in fallbacks.items():
        outputs.setdefault(reason, []).append(output)
    return outputs


def _scores(
    people: "Everybody",
    history: "History",
    state: "BrandState",
    categories: dict[str, str | None],
    favourites: int,
    report: Report,
) -> Iterator[ScoreColumns]:
    def scored(batch: "Profiles") -> ScoreColumns:
        return score_columns(batch, people.brand, people.as_of, state.models, categories, favourites)

    done = 0
    for columns in in_order(scored, people.batches(history), BATCHES):
        yield columns
        done += len(columns)
        report("scoring customers", done, len(people))


def _write_offers(path: Path, people: "Everybody", history: "History", state: "BrandState", report: Report) -> int:
    from features.profiles import concatenate
    from serving.population import read_population
    from serving.score_files import write_offer_scores
    from serving.score_offers import past_offers, score_offers

    store, brand, as_of = people.store, people.brand, people.as_of
    profiles = concatenate(list(people.batches(history)))
    with store.reading() as connection:
        population = read_population(connection, brand, profiles, as_of)
    past = past_offers(profiles, state.offers.offers)
    offers = _with_past(store, brand, state, past)
    policy = state.policy
    batches = score_offers(population, brand, as_of, state.models, offers, {offer.offer_id for offer in past}, policy)
    return write_offer_scores(path, _counted(batches, len(population), report))


def _with_past(store: Store, brand: str, state: "BrandState", past: "list[Offer]") -> "OfferTable":
    """The catalogue's table, with the offers that only the past knows."""
    from features.brand import brands_sharing
    from features.catalogue import read_products
    from serving.offer_table import build_offer_table

    if not past:
        return state.offers
    with store.reading() as connection:
        products = read_products(connection, *brands_sharing(connection, brand, "catalogue"))
    return build_offer_table((*state.offers.offers, *past), products, state.offers.terms, state.policy)


def _counted(batches: "Iterator[OfferScores]", total: int, report: Report) -> "Iterator[OfferScores]":
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.customer_ids)
        report("scoring offers", done, total)
