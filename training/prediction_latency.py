"""How long two versions of a model take to answer for one customer, measured side by side in one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, select

from features.packing import unpack_all
from features.profiles import Profiles
from features.schema import profiles as stored
from features.vector import vector

CUSTOMERS = 24
ROUNDS = 7
_FAVOURITES = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds a customer who is asked for alone, features not included: the quickest of the rounds."""

    champion_ms: float
    challenger_ms: float

    @property
    def ratio(self) -> float:
        return self.challenger_ms / self.champion_ms


def some_profiles(connection: Connection, brand: str, count: int = CUSTOMERS) -> list[Profiles]:
    """Customers of the store, one each; the same ones as long as the store is the same."""
    query = select(stored.c.customer_id, stored.c.body).where(stored.c.brand == brand)
    rows = connection.execute(query.order_by(stored.c.customer_id).limit(count)).all()
    return unpack_all([row.customer_id for row in rows], [row.body for row in rows]).apart() if rows else []


def side_by_side(champion: Any, challenger: Any, profiles: Sequence[Profiles], rounds: int = ROUNDS) -> Latency | None:
    """Both in turn, so that what slows the machine down slows both; nothing where there is nobody to ask for.

    The first round, in which code is compiled and memory is touched first, does not count.
    """
    if not profiles:
        return None
    times = [(_milliseconds(champion, profiles), _milliseconds(challenger, profiles)) for _ in range(rounds + 1)]
    return Latency(*(min(one[side] for one in times[1:]) for side in (0, 1)))


def _milliseconds(model: Any, profiles: Sequence[Profiles]) -> float:
    taken = 0.0
    for profile in profiles:
        as_of = int(profile.last_event_at.max()) + 1
        features = vector(profile, as_of)
        began = perf_counter()
        answer(model, profile, features, as_of, _FAVOURITES)
        taken += perf_counter() - began
    return taken / len(profiles) * 1_000


def answer(model: Any, profiles: Profiles, features: Any, as_of: int, favourites: int) -> Any:
    """What a model says of customers, whichever it is."""
    if model.name == "favourite-product":
        return model.rank(profiles, as_of, favourites)
    if model.name == "send-time":
        return model.predict(profiles, as_of)
    if model.name == "offer-response":
        return model.predict(features, [None], as_of, model.known_offers())
    return model.predict(features, as_of)
