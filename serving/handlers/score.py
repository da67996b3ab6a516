"""``/score``: what the champions say of up to a thousand customers, in the order in which they were named."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from features.customer_links import present_ids
from features.instant import Instant, to_iso
from features.packing import unpack_all
from features.profile_store import read_profiles
from features.profiles import Profiles, concatenate, empty
from serving.application import Application
from serving.schemas import ScoreRequest, decoded, shown_instant
from serving.scoring import COLUMNS, Score
from serving.scoring import score as score_all

_DECODER = msgspec.json.Decoder(ScoreRequest)


async def score(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    return await asyncio.to_thread(_answer, application, asked)


def _answer(application: Application, asked: ScoreRequest) -> bytes:
    brand, now = application.brand_of(asked.brand), application.clock()
    scores = _scored(application, brand, asked.customer_ids, now)
    rows = [as_row(one, customer_id, now) for one, customer_id in zip(scores, asked.customer_ids, strict=True)]
    return msgspec.json.encode(rows)


def as_row(one: Score, customer_id: str, as_of: Instant) -> dict[str, Any]:
    """The row as it is answered: under the id by which it was asked for, with times in words."""
    return {
        **{name: getattr(one, name) for name in COLUMNS},
        "customer_id": customer_id,
        "as_of": to_iso(as_of),
        "expected_next_purchase_at": shown_instant(one.expected_next_purchase_at),
        "replenishment": [{"product_id": product, "due_at": to_iso(due_at)} for product, due_at in one.replenishment],
    }


def _scored(application: Application, brand: str, customer_ids: Sequence[str], now: Instant) -> list[Score]:
    """One each, in order; who else was asked for changes nobody's."""
    if not customer_ids:
        return []
    profiles, state = _profiles(application, brand, customer_ids, now), application.loader.state(brand)
    later = np.maximum(profiles.last_event_at + 1, now)  # a sender's clock may run a little ahead of ours
    scores: dict[int, Score] = {}
    for as_of in np.unique(later).tolist():
        rows = np.flatnonzero(later == as_of).tolist()
        alike = score_all(profiles.take(rows), brand, as_of, state.models, state.categories)
        scores.update(zip(rows, alike, strict=True))
    return [scores[row] for row in range(len(customer_ids))]


def _profiles(application: Application, brand: str, customer_ids: Sequence[str], now: Instant) -> Profiles:
    """One profile each, in order, of the person as known now; an empty one of whom nothing is known."""
    with application.store.reading() as connection:
        present = present_ids(connection, brand, customer_ids)
        packed = read_profiles(connection, brand, list(set(present.values())))
    known = dict(zip(packed, unpack_all(list(packed), list(packed.values())).apart(), strict=True))
    ahead = [customer_id for customer_id, profile in known.items() if application.profiles_as_of.is_ahead(profile, now)]
    if ahead:
        for customer_id in ahead:
            del known[customer_id]
        known |= application.profiles_as_of.profiles(brand, ahead, now)
    people = [present[customer_id] for customer_id in customer_ids]
    return concatenate([known.get(person) or empty([person]) for person in people])
