"""``/customer``: what is known of one person, in words and numbers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from features.consent import with_consent
from features.instant import Instant, to_iso
from features.money import from_money
from features.profiles import Profiles
from features.replenishment import expected_next_purchase_at
from features.segments import rfm_segments
from features.vector import FEATURES, vector
from serving.application import Application
from serving.customer_facts import moment_of
from serving.decision import CustomerState
from serving.errors import NotFoundError
from serving.handlers.person import named
from serving.predictions import FAVOURITE_PRODUCT, Models
from serving.schemas import CustomerRequest, decoded, shown_instant
from serving.score_columns import due_of

MOST_PRODUCTS = 20
MOST_NEW_PRODUCTS = 10
_DECODER = msgspec.json.Decoder(CustomerRequest)


async def customer(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    brand, now = asked.brand or application.brand, application.clock()
    person, known = application.reader.person(named(brand, asked.customer_id, asked.identifiers))
    known = await application.profiles_as_of.present(brand, person, known, now)
    if known.profile is None and known.customer is None:
        raise NotFoundError("nothing is known of this customer", field="customer_id")
    told = await asyncio.to_thread(_profile, known, now, application.loader.state(brand).models)
    return msgspec.json.encode({"customer_id": person, "brand": brand, **_entry(known, now), **told})


def _entry(known: CustomerState, now: Instant) -> dict[str, Any]:
    """What the customers' file says."""
    entry = known.customer
    return {
        "language": entry and entry.language,
        "timezone": known.timezone or None,
        "joined_at": shown_instant(entry.joined_at if entry else None),
        "tier": entry and entry.tier,
        "attributes": (entry and entry.attributes) or {},
        "offers_held": [use.offer_id for use in known.uses if use.is_held_at(now)],
    }


def _profile(known: CustomerState, now: Instant, models: Models) -> dict[str, Any]:
    """What events have told, and what follows from it; nothing of whom no event is known."""
    profile = known.profile
    if profile is None:
        return {"words": {"en": "No events yet.", "ru": "Событий пока нет."}, "numbers": {}, "states": {}}
    as_of = moment_of(profile, now)
    features, usable = vector(profile, as_of), with_consent(profile)
    segment = rfm_segments(features)[0]
    expected = int(expected_next_purchase_at(usable, as_of)[0])
    return {
        "as_of": to_iso(now),
        "segment": segment,
        "words": _words(profile, segment),
        "numbers": {name: value for name, value in zip(FEATURES, features[0].tolist(), strict=True) if value == value},
        "states": {name: {"value": value, "at": to_iso(at)} for name, (at, value) in profile.states[0].items()},
        "products": _products(usable),
        "expected_next_purchase_at": to_iso(expected) if expected >= 0 else None,
        "replenishment": [
            {"product_id": product, "due_at": to_iso(due_at)} for product, due_at in due_of(models, usable, as_of)[0]
        ],
        "new_products": _new_products(models, usable, as_of),
        "fallbacks": _fallbacks(models),
    }


def _new_products(models: Models, profile: Profiles, as_of: Instant) -> list[dict[str, Any]]:
    """What this customer may like and has never bought, likeliest first; nothing without a model."""
    if models.favourite_product is None:
        return []
    [(products, scores)] = models.favourite_product.rank_new(profile, as_of, MOST_NEW_PRODUCTS)
    return [{"product_id": product, "score": score} for product, score in zip(products, scores, strict=True)]


def _fallbacks(models: Models) -> dict[str, str]:
    """Why what a model tells is empty, or told without it."""
    reason = models.missing.get(FAVOURITE_PRODUCT)
    if reason is None:
        return {}
    return {"new_products": reason, "replenishment": f"{reason}: due by the customer's own rhythm"}


def _words(profile: Profiles, segment: str) -> Mapping[str, str]:
    orders, amount = len(profile.orders.amount), from_money(int(profile.orders.amount.sum()))
    if not orders:
        return {"en": "Known, but has bought nothing yet.", "ru": "Клиент известен, но покупок ещё нет."}
    first, last = (to_iso(int(at))[:10] for at in (profile.orders.first_at[0], profile.orders.first_at[-1]))
    return {
        "en": f"{orders} orders from {first} to {last}, {amount:,.2f} in all; segment {segment}.",
        "ru": f"Заказов: {orders}, с {first} по {last}, всего {amount:,.2f}; сегмент {segment}.",
    }


def _products(profile: Profiles) -> list[dict[str, Any]]:
    """The products bought most often."""
    products = profile.products
    often = np.argsort(-products.lines, kind="stable")[:MOST_PRODUCTS]
    return [
        {
            "product_id": products.vocabulary[products.code[row]],
            "lines": int(products.lines[row]),
            "amount": from_money(int(products.amount[row])),
            "last_at": to_iso(int(products.last_at[row])),
        }
        for row in often
    ]
