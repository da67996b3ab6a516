"""``/score``: what the champions say of up to a thousand customers, in the order in which they were named."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from features.instant import Instant, to_iso
from features.packing import unpack
from features.profile_store import read_profiles
from features.profiles import Profiles, concatenate, empty
from features.store import Store
from serving.application import Application
from serving.loading import BrandState
from serving.past import is_ahead, profiles_before
from serving.schemas import ScoreRequest, decoded, shown_instant
from serving.scoring import Score
from serving.scoring import score as score_all

_DECODER = msgspec.json.Decoder(ScoreRequest)


async def score(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    brand = asked.brand or application.brand
    people = [application.reader.resolve(brand, customer_id, {}) for customer_id in asked.customer_ids]
    state, now = application.loader.state(brand), application.clock()
    scores = await asyncio.to_thread(_scored, application.store, state, brand, people, now)
    rows = [as_row(one, customer_id, now) for one, customer_id in zip(scores, asked.customer_ids, strict=True)]
    return msgspec.json.encode(rows)


def as_row(one: Score, customer_id: str, as_of: Instant) -> dict[str, Any]:
    """The row as it is answered: under the id by which it was asked for, with times in words."""
    return {
        **asdict(one),
        "customer_id": customer_id,
        "as_of": to_iso(as_of),
        "expected_next_purchase_at": shown_instant(one.expected_next_purchase_at),
        "replenishment": [{"product_id": product, "due_at": to_iso(due_at)} for product, due_at in one.replenishment],
    }


def _scored(store: Store, state: BrandState, brand: str, people: Sequence[str], now: Instant) -> list[Score]:
    if not people:
        return []
    profiles = _profiles(store, brand, people, now)
    as_of = max(now, int(profiles.last_event_at.max()) + 1)  # a sender's clock may run a little ahead of ours
    return list(score_all(profiles, brand, as_of, state.models, state.categories))


def _profiles(store: Store, brand: str, people: Sequence[str], now: Instant) -> Profiles:
    """One profile each, in order; an empty one of whom nothing is known."""
    with store.reading() as connection:
        packed = read_profiles(connection, brand, list(dict.fromkeys(people)))
    known = {customer_id: unpack(customer_id, body) for customer_id, body in packed.items()}
    ahead = [customer_id for customer_id, profile in known.items() if is_ahead(profile, now)]
    if ahead:
        known |= profiles_before(store, brand, ahead, now)
    return concatenate([known.get(customer_id) or empty([customer_id]) for customer_id in people])
