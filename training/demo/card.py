"""One household's card: it is asked for over HTTP, a purchase is posted, it is asked for again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import select

from features.catalogue import read_customer, read_offers, read_products
from features.entities import Offer, Product
from features.instant import MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, Instant, to_iso
from features.money import from_money
from features.product_targets import index_targets
from features.profiles import Profiles
from features.schema import decisions, profiles
from features.store import Store
from training.demo.findings import Call, Card, Change, Rejected, Usual
from training.demo.future import Predictions
from training.demo.household import choose_household, standing
from training.demo.service import Client
from training.demo.wording import day, interval_of, money, title

CHANNELS = ("app", "email")
MOST_ASKED = 100


@dataclass(frozen=True, slots=True)
class Shop:
    """What the card needs to know besides the service's answers."""

    store: Store
    brand: str
    timezone: str
    offers: Mapping[str, Offer]
    products: Mapping[str, Product]
    affinity_model: Any

    def name_of(self, product_id: str) -> str:
        product = self.products.get(product_id)
        return (product.name if product else None) or product_id


def open_shop(store: Store, brand: str, timezone: str, affinity_model: Any) -> Shop:
    with store.reading() as connection:
        offers = {offer.offer_id: offer for offer in read_offers(connection, brand)}
        products = {product.product_id: product for product in read_products(connection, brand)}
    return Shop(store, brand, timezone, offers, products, affinity_model)


def make_card(client: Client, shop: Shop, snapshot: Any, predicted: Predictions) -> Card:
    household, chosen_by = choose_household(snapshot, predicted)
    usual = _usual(client, shop, snapshot.as_of)
    question = {"customer_id": household, "channels": list(CHANNELS)}
    with shop.store.reading() as connection:
        customer = read_customer(connection, shop.brand, household)
    before = _score(client, household)
    first = client.ask("/next_best_offer", question)
    candidates = _candidates(shop, first)
    profile = snapshot.profiles.take([snapshot.profiles.customer_ids.index(household)])
    product = _to_buy(shop, first, candidates, profile)
    purchase = client.ask("/events", {"events": [_purchase(household, product, snapshot.as_of)]})
    again = client.ask("/next_best_offer", question)
    return Card(
        chosen_by=chosen_by,
        standing=standing(before, snapshot, customer, shop.timezone),
        first=first,
        rejected=_rejected(shop, first, candidates, profile, snapshot.as_of),
        purchase=purchase,
        purchased=f"{shop.name_of(product.product_id)}, {money(_price(product))}",
        again=again,
        changes=_changes(shop, (first, before), (again, _score(client, household))),
        is_put_back=_is_put_back(shop, household, snapshot.as_of),
        usual=usual,
    )


def _usual(client: Client, shop: Shop, clock: Instant) -> Usual | None:
    """The time of answers to households of whom nothing is stored that lies after the clock."""
    with shop.store.reading() as connection:
        query = select(profiles.c.customer_id).where(profiles.c.brand == shop.brand, profiles.c.last_event_at < clock)
        quiet = connection.execute(query.order_by(profiles.c.customer_id).limit(MOST_ASKED)).scalars().all()
    took = [client.ask("/next_best_offer", {"customer_id": household}).milliseconds for household in quiet]
    return Usual(len(took), median(took)) if took else None


def _is_put_back(shop: Shop, household: str, clock: Instant) -> bool:
    """Whether the service folds it anew: its profile knows more than a day after the clock."""
    with shop.store.reading() as connection:
        query = select(profiles.c.last_event_at).where(profiles.c.brand == shop.brand)
        last_at: int = connection.execute(query.where(profiles.c.customer_id == household)).scalar_one()
    return last_at > clock + MICROSECONDS_PER_DAY


def _score(client: Client, household: str) -> dict[str, Any]:
    rows: Any = client.ask("/score", {"customer_ids": [household]}).response
    row: dict[str, Any] = rows[0]
    return row


def _candidates(shop: Shop, call: Call) -> list[dict[str, Any]]:
    """The eligible offers that the decision was drawn among, most valuable first, from the log of decisions."""
    with shop.store.reading() as connection:
        query = select(decisions.c.body).where(decisions.c.decision_id == call.response["decision_id"])
        logged = msgspec.json.decode(connection.execute(query).scalar_one())
    found: list[dict[str, Any]] = [one for one in logged["candidates"] if one["offer_id"] in shop.offers]
    return sorted(found, key=lambda one: -one["expected_value"])


def _to_buy(shop: Shop, call: Call, candidates: Sequence[dict[str, Any]], profile: Profiles) -> Product:
    """What the household buys most of the target of the best offer that it was not made; else what it buys most."""
    made = {offer["offer_id"] for offer in call.response["offers"]}
    bought = profile.products
    lines = {bought.vocabulary[code]: int(count) for code, count in zip(bought.code, bought.lines, strict=True)}
    for one in candidates:
        target = shop.offers[one["offer_id"]].target.products
        known = [product_id for product_id in target if product_id in lines and product_id in shop.products]
        if known and one["offer_id"] not in made:
            return shop.products[max(known, key=lines.__getitem__)]
    return shop.products[max(lines, key=lines.__getitem__)]


def _purchase(household: str, product: Product, clock: Instant) -> dict[str, Any]:
    order = f"demo-{household}"
    return {
        "event_id": f"{order}-{product.product_id}",
        "type": "purchase",
        "customer_id": household,
        "occurred_at": to_iso(clock - MICROSECONDS_PER_SECOND),
        "channel": "store",
        "order_id": order,
        "product_id": product.product_id,
        "quantity": 1,
        "amount": _price(product),
        "currency": "USD",
    }


def _price(product: Product) -> float:
    return from_money(product.price) if product.price is not None else 1.0


def _rejected(
    shop: Shop, call: Call, candidates: Sequence[dict[str, Any]], profile: Profiles, clock: Instant
) -> list[Rejected]:
    """The best that was outbid, and of those that may not be made now the likeliest to be wanted."""
    made = {offer["offer_id"] for offer in call.response["offers"]}
    worth = max((offer["expected_value"] for offer in call.response["offers"]), default=0.0)
    lost = [one for one in candidates if one["offer_id"] not in made]
    outbid = [_outbid(shop.offers[one["offer_id"]], one["expected_value"], worth) for one in lost]
    refused = [
        one for word in ("expired", "not_yet_valid") if (one := _refused(shop, call, word, profile, clock)) is not None
    ]
    return [*outbid[:1], *refused, *outbid[1:]][:3]


def _outbid(offer: Offer, value: float, worth: float) -> Rejected:
    return Rejected(offer.offer_id, title(offer), "outbid", f"worth {money(value)}, the chosen one {money(worth)}")


def _refused(shop: Shop, call: Call, word: str, profile: Profiles, clock: Instant) -> Rejected | None:
    """Of the offers refused for being over, or still to come, the one with the highest affinity."""
    if not call.response["excluded"].get(word):
        return None
    is_over = word == "expired"
    out = [
        offer
        for offer in shop.offers.values()
        if ((offer.valid_to or clock + 1) <= clock if is_over else (offer.valid_from or 0) > clock)
    ]
    if not out:
        return None
    targets, model = index_targets([offer.target.products or None for offer in out]), shop.affinity_model
    chances = model.affinities(profile, clock, targets, model.facts_of(targets), np.ones(len(out), dtype=np.bool_))[0]
    offer = out[int(chances.argmax())]
    at = offer.valid_to if is_over else offer.valid_from
    said = f"{'it ended' if is_over else 'it starts'} {day(to_iso(at or clock))}"
    chance = f"something of it is in the next basket with a chance of {chances.max():.0%}"
    return Rejected(offer.offer_id, title(offer), word, f"{said}; {chance}")


Answered = tuple[Call, dict[str, Any]]
"""The answer to the question for an offer, and the row of ``/score`` beside it."""


def _changes(shop: Shop, before: Answered, after: Answered) -> list[Change]:
    said = (_said(shop, *before), _said(shop, *after))
    return [Change(what, said[0][what], said[1][what]) for what in said[0]]


def _said(shop: Shop, call: Call, row: dict[str, Any]) -> dict[str, str]:
    offer = next(iter(call.response["offers"]), None)
    return {
        "Offer": title(shop.offers[offer["offer_id"]]) if offer else "none",
        "Worth, expected": f"${offer['expected_value'] if offer else 0.0:.3f}",
        "Chance of no purchase": f"{row['churn_probability']:.1%}",
        "Expected spend": interval_of(row),
        "Next purchase expected": day(row["expected_next_purchase_at"]),
        "Likeliest in the next basket": shop.name_of(next(iter(row["favourite_products"]), "nothing")),
    }
