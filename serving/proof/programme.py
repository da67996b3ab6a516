"""The programme that runs in the world and knows only its events: a store of its own, profiles, and what it learned."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import structs

from experiments.world import World
from experiments.world_baskets import Baskets
from experiments.world_events import customers_of, instant_of, offers_of
from features.brand import apply_brand, parse_brand, read_brand
from features.catalogue import upsert_customers, upsert_offers, upsert_products
from features.entities import Customer
from features.event_files import ingest_events
from features.history import open_history
from features.presented_terms import Outcome, ResponseTerms
from features.profiles import Profiles
from features.store import Store
from serving.customer_history import CustomerHistory, histories_of
from serving.decision import CustomerState, Predictions
from serving.offer_table import OfferTable, build_offer_table
from serving.policy import Policy, brand_terms
from serving.predictions import OFFER_RESPONSE, Models, predict_each
from training.errors import NotEnoughData
from training.models.offer_predictor import OfferPredictor
from training.models.offer_response import OfferResponseModel

OUTCOME = Outcome.PURCHASE
"""What counts as the response to an offer: less noisy than what was spent."""


@dataclass(frozen=True, slots=True)
class Known:
    """Of every customer, in the order of the world, what is known as of the morning of ``day``."""

    day: int
    states: Sequence[CustomerState]
    predictions: Sequence[Predictions]
    histories: Sequence[CustomerHistory]


@dataclass(slots=True)
class Programme:
    """``rejected`` counts the events that the border refused: there should be none."""

    world: World
    store: Store
    brand: str
    scratch: Path
    offers: OfferTable
    customers: list[Customer]
    seed: int
    models: Models = field(default_factory=Models)
    rejected: int = 0
    accepted: int = 0
    _files: int = 0

    def take_in(self, events: Sequence[pa.Table], day: int) -> None:
        """The events of some days, through the border that all files go through."""
        if not events:
            return
        self._files += 1
        path = self.scratch / f"events-{self._files}.parquet"
        pq.write_table(pa.concat_tables(events), path)
        report = ingest_events(self.store, [path], brand=self.brand, now=instant_of(day))
        path.unlink()
        self.accepted += report.accepted
        self.rejected += report.rejected

    def profiles(self, day: int) -> Profiles:
        with open_history(self.store, self.brand, before=instant_of(day)) as history:
            return history.profiles(instant_of(day), include_registered=True)

    def learn(self, day: int) -> str | None:
        """The response to offers, from what was presented before ``day``; why not, where there was too little.

        Without a model decisions rest on priors.
        """
        from training.presentations import gather_presentations

        terms = ResponseTerms(OUTCOME, self.world.terms.contact.valid_days)
        try:
            gathered = gather_presentations(self.store, self.brand, instant_of(day), terms)
            with redirect_stdout(sys.stderr):  # where LightGBM is left without a usable feature it says so there
                model = OfferResponseModel.fit(gathered.presentations, {}, self.seed)
        except NotEnoughData as error:
            return str(error)
        predictor = OfferPredictor(model, gathered.attributes, gathered.terms, gathered.protected, terms)
        self.models = Models(offer_response=predictor, versions={OFFER_RESPONSE: f"day-{day}"})
        return None

    def known(self, day: int) -> Known:
        """Everybody's profile, history and predictions as of a morning, by the models that there are."""
        profiles = self.profiles(day)
        predictions = predict_each(self.models, profiles, instant_of(day), self.offers, self.customers)
        people = zip(profiles.apart(), self.customers, strict=True)
        states = [CustomerState(profile=profile, customer=customer) for profile, customer in people]
        return Known(day, states, predictions, histories_of(profiles, self.offers))


def found(world: World, baskets: Baskets, store: Store, brand: str, scratch: Path, seed: int) -> Programme:
    """A programme of which nothing is known yet but its catalogue, its terms and who has joined."""
    customers = [structs.replace(one, brand=brand) for one in customers_of(world)]
    offers = [structs.replace(one, brand=brand) for one in offers_of(world)]
    products = [structs.replace(one, brand=brand) for one in baskets.products()]
    now = instant_of(0)
    settings = parse_brand({"brand": brand, "default_margin_rate": world.terms.customers.margin_rate})
    with store.writing() as connection:
        apply_brand(connection, settings, now)
        upsert_products(connection, products, now)
        upsert_customers(connection, customers, now)
        upsert_offers(connection, offers, now)
    with store.reading() as connection:
        terms = brand_terms(read_brand(connection, brand))
    table = build_offer_table(offers, products, terms, Policy())
    return Programme(world, store, brand, scratch, table, customers, seed)
