"""From what was presented to what a model learns from: each presentation with what was known of the customer then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.brand import brands_sharing, read_brand
from features.catalogue import read_customers, read_offers, read_products
from features.entities import Customer, Offer, Product
from features.events import NO_OFFER
from features.history import History, open_history
from features.instant import Instant, to_iso
from features.money import from_money
from features.presented import Presented, presented
from features.presented_terms import ResponseTerms
from features.profiles import concatenate, empty
from features.store import Store
from features.vector import BROWSING, FEATURES, MESSAGES, PURCHASES, vector
from training.errors import NotEnoughData
from training.models.encoding import Encoding, Words
from training.models.offer_inputs import ATTRIBUTES, customer_words, offer_words
from training.models.offer_response import CONTROL, Presentations

MOST_CUTOFFS = 24
"""Where presentations have more instants, each is looked at as of the last of so many before it."""
FEWEST_PRESENTATIONS = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gathered:
    """``presentations`` with the encodings of their columns, and what was left out."""

    presentations: Presentations
    persons: list[str]
    """The ids of the customers, by number."""
    attributes: Encoding
    terms: Encoding
    protected: tuple[str, ...]
    first_at: Instant
    as_of: Instant
    too_young: int
    without_propensity: int


def gather_presentations(
    store: Store,
    brand: str,
    as_of: Instant | None,
    terms: ResponseTerms,
    report: Callable[[str], None] = lambda _: None,
    encodings: tuple[Encoding, Encoding] | None = None,
) -> Gathered:
    """All presentations of a brand whose windows are over at ``as_of`` (None: just after the last event).

    ``encodings`` are those of attributes and terms that a model reads; without them they are made from what is there.

    Raises
    ------
    NotEnoughData
        Naming what is missing; where windows are not over yet, from which time on they are.
    """
    report("offer-response: reading what was presented")
    found = presented(store, brand, as_of, terms)
    with open_history(store, brand, before=as_of) as history:
        end = as_of if as_of is not None else (history.last_at or 0) + 1
        _check(found, terms)
        features = _features(history, found, report)
        refused = set().union(*history.refusing((PURCHASES, BROWSING, MESSAGES, ATTRIBUTES)).values())
    with store.reading() as connection:
        protected = read_brand(connection, brand).protected_attributes
        persons = {one.customer_id: one for one in read_customers(connection, brand, sorted(set(found.customer_ids)))}
        brands = brands_sharing(connection, brand, "catalogue")
        offers, products = read_offers(connection, *brands), read_products(connection, *brands)
    words = _customer_words(found, persons, protected, refused)
    attributes = Encoding.of(words) if encodings is None else encodings[0]
    offer_ids, told = _offer_words(found, offers, products)
    of_terms = Encoding.of(told) if encodings is None else encodings[1]
    row_of = {offer_id: row for row, offer_id in enumerate(offer_ids)} | {NO_OFFER: CONTROL}
    ids, person = np.unique(np.array(found.customer_ids), return_inverse=True)
    return Gathered(
        Presentations(
            customers=np.concatenate([features, attributes.encode(words)], axis=1),
            offer=np.array([row_of[offer_id] for offer_id in found.offer_ids], dtype=np.int64),
            propensity=found.propensity,
            response=found.response,
            person=person.astype(np.int64),
            presented_at=found.presented_at,
            terms=of_terms.encode(told),
            offer_ids=tuple(offer_ids),
            columns=(*FEATURES, *attributes.columns),
            term_columns=of_terms.columns,
            outcome=terms.outcome,
        ),
        ids.tolist(),
        attributes,
        of_terms,
        protected,
        int(found.presented_at.min()),
        end,
        found.too_young,
        found.without_propensity,
    )


def _check(found: Presented, terms: ResponseTerms) -> None:
    if not len(found) and found.first_over_at is not None:
        raise NotEnoughData(
            "as_of",
            f"a time at which no window of {terms.window_days} days after {found.too_young} presentations is over",
            f"{to_iso(found.first_over_at)} or later",
        )
    if len(found) < FEWEST_PRESENTATIONS:
        late = f" ({found.too_young} whose windows are not over left out)" if found.too_young else ""
        raise NotEnoughData("offer_presented", f"{len(found)} events{late}", f"at least {FEWEST_PRESENTATIONS}")


def _features(history: History, found: Presented, report: Callable[[str], None]) -> Floats:
    """The feature vector of each presentation's customer, as of an instant not after it."""
    features = np.full((len(found), len(FEATURES)), np.nan)
    instants = np.unique(found.presented_at)
    if len(instants) > MOST_CUTOFFS:
        instants = np.unique(np.quantile(found.presented_at, np.linspace(0, 1, MOST_CUTOFFS + 1)[:-1], method="lower"))
    group = np.searchsorted(instants, found.presented_at, side="right") - 1
    ids = np.array(found.customer_ids)
    for number, cutoff in enumerate(instants.tolist()):
        report(f"offer-response: looking at customers as of {to_iso(cutoff)} ({number + 1} of {len(instants)})")
        rows = np.flatnonzero(group == number)
        wanted, place = np.unique(ids[rows], return_inverse=True)
        features[rows] = _features_at(history, wanted.tolist(), cutoff)[place]
    return features


def _features_at(history: History, customer_ids: Sequence[str], cutoff: Instant) -> Floats:
    known = history.profiles(cutoff, customer_ids=customer_ids)
    missing = sorted(set(customer_ids) - set(known.customer_ids))
    everybody = concatenate([known, empty(missing)]) if missing else known
    row_of = {customer_id: row for row, customer_id in enumerate(everybody.customer_ids)}
    return vector(everybody.take(np.array([row_of[customer_id] for customer_id in customer_ids])), cutoff)


def _customer_words(
    found: Presented, persons: Mapping[str, Customer], protected: Sequence[str], refused: set[str]
) -> list[Words]:
    """Nothing of who refuses any use of what is known of them."""
    nothing: Words = {}
    return [
        nothing if customer_id in refused else customer_words(persons.get(customer_id), at, protected)
        for customer_id, at in zip(found.customer_ids, found.presented_at.tolist(), strict=True)
    ]


def _offer_words(
    found: Presented, offers: Sequence[Offer], products: Sequence[Product]
) -> tuple[list[str], list[Words]]:
    """The offers that were presented, by id, and the terms of each as they are now."""
    shown = sorted(set(found.offer_ids) - {NO_OFFER})
    known = {offer.offer_id: offer for offer in offers}
    prices = mean_prices(list(known.values()), products)
    return shown, [offer_words(known.get(one, Offer(offer_id=one)), prices.get(one)) for one in shown]


def mean_prices(offers: Sequence[Offer], products: Sequence[Product]) -> dict[str, float]:
    """Of each offer that is about something the mean price there, in currency units, where the catalogue tells."""
    price_of = {one.product_id: from_money(one.price) for one in products if one.price is not None}
    of_category: dict[str, list[str]] = {}
    for product in products:
        for category in {product.category, product.department} - {None}:
            of_category.setdefault(str(category), []).append(product.product_id)
    found = {}
    for offer in offers:
        named = (product_id for category in offer.target.categories for product_id in of_category.get(category, ()))
        about = sorted({*offer.target.products, *named})
        known = [price_of[product_id] for product_id in about if product_id in price_of]
        if known:
            found[offer.offer_id] = sum(known) / len(known)
    return found
