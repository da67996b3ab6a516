"""Past campaigns as waves: who was treated in a week, what was known of everybody before it, what came after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.events import NO_OFFER
from features.history import History, open_history
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.lake import open_duckdb
from features.log_table import make_log
from features.money import MONEY_SCALE
from features.presented import known_by_who_stays
from features.store import Store
from training.errors import NotEnoughData

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

WAVE_DAYS = 7
MOST_WAVES = 6
LEAST_PAST_DAYS = 28
"""Before a wave: of who was known for less nothing can be said."""
FEWEST_TREATED = 50
"""In a wave that tells anything."""

TREATMENTS = ("offer_presented", "message_sent", "offer_accepted")
"""What counts as having been treated: the first of these that the log has. An acceptance is a last resort."""


@dataclass(frozen=True, slots=True)
class Log:
    """What the log holds of campaigns.

    ``times`` and ``customers`` are those of every treatment, ``control_times`` of those decided to get nothing.
    """

    customers: NDArray[np.object_]
    times: Integers
    treatment: str
    controls: int
    with_propensity: int
    accepted: int
    treated_ever: int
    buyers: int
    first_at: Instant
    last_at: Instant
    names_offers: bool
    """Whether purchases say which offer they used."""
    discounts: float
    """Currency units given away on purchases, as far as purchases tell."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A row for each customer known before each wave; (n) but ``features`` (n, len(FEATURES)).

    ``bought`` and ``spend`` are of the horizon after the wave began; ``cost`` is what was given away in it (currency
    units). ``drawn`` is the share of all customers that was drawn by chance to be looked at.
    """

    wave: Integers
    person: Integers
    treated: Flags
    features: Floats
    bought: Flags
    spend: Floats
    cost: Floats
    began: tuple[Instant, ...]
    horizon_days: int
    drawn: float = 1.0


@contextmanager
def opened_log(store: Store, brand: str) -> Iterator[Any]:
    """A DuckDB with a view ``known`` of the brand's events, under the ids of those who stay."""
    with store.reading() as connection, TemporaryDirectory() as scratch:
        duck = open_duckdb(Path(scratch))
        try:
            make_log(duck, connection, store.lake, brand)
            known_by_who_stays(duck, connection, brand, None)
            yield duck
        finally:
            duck.close()


def read_log(duck: Any) -> Log:
    """
    Raises
    ------
    NotEnoughData
        If nobody was treated, or nobody bought.
    """
    counts = dict(duck.execute("SELECT type, count(*) FROM known GROUP BY type").fetchall())
    shown = f"type = 'offer_presented' AND offer_id <> '{NO_OFFER}'"
    is_treated = {name: f"type = '{name}'" for name in TREATMENTS} | {"offer_presented": shown}
    treatment = next((name for name in TREATMENTS if _count(duck, is_treated[name])), None)
    if treatment is None:
        raise NotEnoughData("events of offers", 0, f"some of {', '.join(TREATMENTS)}")
    if not counts.get("purchase"):
        raise NotEnoughData("purchases", 0, "those of who got offers, and of who did not")
    rows = duck.execute(
        f"SELECT customer_id, occurred_at FROM known WHERE {is_treated[treatment]} ORDER BY occurred_at, customer_id"
    ).fetchnumpy()
    first_at, last_at = duck.execute("SELECT min(occurred_at), max(occurred_at) FROM known").fetchone()
    discounts = duck.execute("SELECT sum(discount_amount) FROM known WHERE type = 'purchase'").fetchone()[0]
    return Log(
        customers=rows["customer_id"],
        times=rows["occurred_at"].astype(np.int64),
        treatment=treatment,
        controls=_count(duck, f"type = 'offer_presented' AND offer_id = '{NO_OFFER}'"),
        with_propensity=_count(duck, f"{is_treated[treatment]} AND propensity IS NOT NULL"),
        accepted=int(counts.get("offer_accepted", 0)),
        treated_ever=_count(duck, is_treated[treatment], "count(DISTINCT customer_id)"),
        buyers=_count(duck, "type = 'purchase'", "count(DISTINCT customer_id)"),
        first_at=int(first_at),
        last_at=int(last_at),
        names_offers=bool(_count(duck, "type = 'purchase' AND offer_id IS NOT NULL")),
        discounts=float(discounts or 0) / MONEY_SCALE,
    )


def _count(duck: Any, condition: str, what: str = "count(*)") -> int:
    return int(duck.execute(f"SELECT {what} FROM known WHERE {condition}").fetchone()[0])


def wave_starts(log: Log, horizon_days: int) -> list[Instant]:
    """When the waves began that treated most, oldest first: of those with enough past, and a whole horizon after them.

    Raises
    ------
    NotEnoughData
        If there is none.
    """
    day = MICROSECONDS_PER_DAY
    first = log.times[0] // day * day
    number = (log.times - first) // (WAVE_DAYS * day)
    starts = first + np.arange(int(number[-1]) + 1) * WAVE_DAYS * day
    people = np.array([len(set(log.customers[number == wave])) for wave in range(len(starts))])
    fits = (starts >= log.first_at + LEAST_PAST_DAYS * day) & (starts + horizon_days * day <= log.last_at + 1)
    usable = np.flatnonzero(fits & (people >= FEWEST_TREATED))
    if not usable.size:
        most = int(people[fits].max()) if fits.any() else 0
        expected = (
            f"at least {FEWEST_TREATED}, with {LEAST_PAST_DAYS} days of events before and {horizon_days} days after it"
        )
        raise NotEnoughData("customers treated in some week", most, expected)
    largest = usable[np.argsort(-people[usable], kind="stable")][:MOST_WAVES]
    return [int(starts[wave]) for wave in sorted(largest.tolist())]


def read_panel(
    store: Store, brand: str, duck: Any, log: Log, horizon_days: int, most_customers: int, seed: int
) -> Panel:
    """Everybody known before each wave, treated or not."""
    starts = wave_starts(log, horizon_days)
    with open_history(store, brand) as history:
        known = history.keep_sample(most_customers, np.random.default_rng(seed))
        parts = [_wave(history, duck, log, start, horizon_days) for start in starts]
    ids = sorted({customer_id for part in parts for customer_id in part.ids})
    places = {customer_id: place for place, customer_id in enumerate(ids)}

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Panel(
        wave=np.repeat(np.arange(len(parts)), [len(part.ids) for part in parts]),
        person=np.array([places[customer_id] for part in parts for customer_id in part.ids], dtype=np.int64),
        **{name: joined(name) for name in _COLUMNS},
        began=tuple(starts),
        horizon_days=horizon_days,
        drawn=min(most_customers / known, 1.0),
    )


@dataclass(frozen=True, slots=True)
class _Wave:
    """As :class:`Panel`, of one wave."""

    ids: list[str]
    treated: Flags
    features: Floats
    bought: Flags
    spend: Floats
    cost: Floats


_COLUMNS = ("treated", "features", "bought", "spend", "cost")


def _wave(history: History, duck: Any, log: Log, start: Instant, horizon_days: int) -> _Wave:
    day = MICROSECONDS_PER_DAY
    now = history.snapshot(start, horizon_days)
    ids = list(now.profiles.customer_ids)
    within = (log.times >= start) & (log.times < start + WAVE_DAYS * day)
    treated = set(log.customers[within])
    costs = _costs(duck, log, start, start + horizon_days * day)
    return _Wave(
        ids=ids,
        treated=np.array([customer_id in treated for customer_id in ids]),
        features=now.features,
        bought=now.orders > 0,
        spend=now.spend,
        cost=np.array([costs.get(customer_id, 0.0) for customer_id in ids]),
    )


def _costs(duck: Any, log: Log, start: Instant, end: Instant) -> dict[str, float]:
    """What was given away to each on purchases that name an offer, or on all where none does; currency units."""
    named = "AND offer_id IS NOT NULL" if log.names_offers else ""
    rows = duck.execute(
        "SELECT customer_id, sum(discount_amount) FROM known WHERE type = 'purchase' AND discount_amount > 0 "
        f"AND occurred_at >= {start} AND occurred_at < {end} {named} GROUP BY customer_id"
    ).fetchall()
    return {customer_id: float(amount) / MONEY_SCALE for customer_id, amount in rows}
