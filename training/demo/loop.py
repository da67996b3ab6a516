"""The loop on the Complete Journey: files → ingest → train → serve → one household → everybody's future → a page."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.events import DEFAULT_BRAND
from features.history import Snapshot, open_history
from features.instant import parse, to_iso
from features.store import Store, open_store
from training.datasets.complete_journey import CompleteJourneyFiles, LiveOffers, live_offers, write_complete_journey
from training.demo.card import Shop, make_card, open_shop
from training.demo.coupons import live_coupons, rank_redeemed
from training.demo.errors import DemoError
from training.demo.findings import Findings, Future, Standing
from training.demo.future import Predictions, bands_of, compare_models, favourite_hits, predict
from training.demo.money import look_at_money
from training.demo.place import Place
from training.demo.service import HOST, asking, starting_service
from training.demo.stage import Stage
from training.learners import LEARNERS, learner
from training.registry import CHAMPION, current
from training.tracking import tracking_uri

CLOCK = parse("2017-11-20")
CLOCK_DAY = "2017-11-20"
HORIZON_DAYS = 30
TIMEZONE = "America/New_York"
BRAND = f"""\
brand: {DEFAULT_BRAND}
timezone: {TIMEZONE}
currency: USD
# The data says nothing of margins: this is an assumption.
default_margin_rate: 0.25
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the commands have left in the demo's folder."""

    place: Place
    files: CompleteJourneyFiles
    live: LiveOffers
    trained: list[dict[str, Any]]


def load_and_train(place: Place, stage: Stage) -> Loaded:
    """
    Raises
    ------
    DemoError
        If a command fails, or a model is not trained.
    """
    with stage.step("writing the Complete Journey as files") as result:
        files = write_complete_journey(place.files, CLOCK)
        live = live_offers(files.offers, CLOCK)
        result.append(f"{live.coupons} coupons of {live.campaigns} campaigns live on {CLOCK_DAY}")
        place.brand_file.write_text(BRAND, encoding="utf-8")
    stage.verb(["brand", "apply", str(place.brand_file)], place.workspace)
    for kind, file in _files(files):
        stage.verb(["ingest", kind, str(file)], place.workspace)
    asked = ["train", *LEARNERS, "--as-of", CLOCK_DAY, "--horizon-days", str(HORIZON_DAYS)]
    trained = stage.verb(asked, place.workspace)
    skipped = [f"{one['model']}: {one['skipped']}" for one in trained if one["skipped"]]
    if skipped:
        raise DemoError(f"not every model was trained: {'; '.join(skipped)}")
    return Loaded(place, files, live, trained)


def _files(files: CompleteJourneyFiles) -> list[tuple[str, Path]]:
    return [
        ("products", files.products),
        ("customers", files.customers),
        ("offers", files.offers),
        ("events", files.events),
    ]


@contextmanager
def served(loaded: Loaded, port: int, stage: Stage) -> Iterator[Findings]:
    """All the findings, with the service still up.

    Raises
    ------
    DemoError
    """
    place = loaded.place
    with _store(place.workspace) as store, starting_service(place.workspace, CLOCK_DAY, port, place.log) as process:
        models = _champions(store)
        snapshot, predicted, future = _reveal(store, loaded.files, models, stage)
        with stage.step("looking at money"):
            money = look_at_money(loaded.files.events, loaded.files.offers, CLOCK)
        shop = open_shop(store, DEFAULT_BRAND, TIMEZONE, models["favourite-product"])
        with stage.step("asking the service"), asking(process, port, place.log) as client:
            card = make_card(client, shop, snapshot, predicted)
        yield Findings(
            clock=to_iso(CLOCK),
            horizon_days=HORIZON_DAYS,
            campaigns=loaded.live.campaigns,
            coupons=loaded.live.coupons,
            steps=stage.steps,
            card=card,
            future=future,
            money=money,
            held_out=loaded.trained,
            addresses=_addresses(place, port),
            seconds=stage.seconds,
            product_names=_names(card.standing, shop),
        )


def _reveal(
    store: Store, files: CompleteJourneyFiles, models: dict[str, Any], stage: Stage
) -> tuple[Snapshot, Predictions, Future]:
    """Everybody at the clock, what was predicted of them, and what they did."""
    with stage.step("looking at what every household did after the clock") as result:
        with open_history(store, DEFAULT_BRAND) as past:
            snapshot = past.snapshot(CLOCK, HORIZON_DAYS)
        predicted = predict(models, snapshot)
        coupons = live_coupons(files.events, files.offers, CLOCK)
        future = Future(
            HORIZON_DAYS,
            len(snapshot.profiles),
            compare_models(predicted, snapshot),
            favourite_hits(predicted, snapshot),
            bands_of(predicted, snapshot),
            rank_redeemed(models["favourite-product"], snapshot.profiles, coupons, CLOCK),
        )
        result.append(f"{future.households:,} households")
    return snapshot, predicted, future


@contextmanager
def _store(workspace: Path) -> Iterator[Store]:
    store = open_store(workspace)
    try:
        yield store
    finally:
        store.close()


def _champions(store: Store) -> dict[str, Any]:
    with store.reading() as connection:
        deployed = current(connection, DEFAULT_BRAND)
    return {name: learner(name).load(store.workspace / deployed[name, CHAMPION].path) for name in LEARNERS}


def _names(standing: Standing, shop: Shop) -> dict[str, str]:
    shown = [product_id for product_id, _ in (*standing.running_out, *standing.favourites)]
    return {product_id: name for product_id in shown if (name := shop.name_of(product_id))}


def _addresses(place: Place, port: int) -> dict[str, str]:
    return {
        "the service": f"http://{HOST}:{port} (calls in /docs.json)",
        "the service again": f"lagniappe serve --workspace {place.workspace} --clock {CLOCK_DAY}",
        "MLflow's runs, models and plots": " ".join(mlflow_command(place.workspace)),
        "this page": str(place.page),
        "what the commands said": str(place.log),
    }


def mlflow_command(workspace: Path, port: int | None = None) -> list[str]:
    at = ["--host", HOST, "--port", str(port)] if port else []
    return ["mlflow", "ui", "--backend-store-uri", tracking_uri(workspace, None), *at]
