"""A brand's history as it was known at past instants: what models learn from.

At a *cutoff*, profiles and features see events strictly before it; labels come from the horizon that starts with it.
A history opened ``before`` an instant holds nothing that happened at or after it, labels included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

import ibis
import numpy as np
import pyarrow
import sqlalchemy
from numpy.typing import NDArray

from features.backfill import Whereabouts, aggregate
from features.brand import read_brand
from features.catalogue import read_customers, read_products
from features.consent import refusing, with_consent
from features.entities import Product
from features.event_log import log_table
from features.events import EventType
from features.identity import Merge, roots
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.merging import merge_batches
from features.outcomes import Outcomes, outcomes, spend_of
from features.profiles import Profiles, concatenate, empty
from features.schema import merges
from features.store import Store
from features.vector import vector

Table = Any

SPACING_DAYS = 28
"""Between training cutoffs: whole weeks, so that each stands on the same weekday."""
WARM_UP_DAYS = 84
"""Before the first cutoff: what is not there yet after a few weeks looks like customers who don't buy."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everybody with an event before the cutoff: profiles and features then, and what they did in the horizon after.

    ``features`` is (n, len(FEATURES)). ``orders`` counts the orders with a line in [as_of, as_of + horizon), ``spend``
    is their gross amount in currency units. ``next_basket`` lists the products of the first of them. The local hours
    of the week of customer ``i``'s orders are ``hours[hour_offsets[i]:hour_offsets[i + 1]]``. ``next_order_at`` is the
    instant of the first order, ``NEVER`` where there was none in the horizon; ``spend_within`` is the spend in other
    horizons (by days), of those that lie within the history.
    """

    as_of: Instant
    horizon_days: int
    profiles: Profiles
    features: NDArray[np.float64]
    orders: NDArray[np.int64]
    spend: NDArray[np.float64]
    next_basket: list[list[str]]
    hour_offsets: NDArray[np.int64]
    hours: NDArray[np.uint8]
    next_order_at: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    spend_within: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def purchase_hours(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """(offsets, hours)."""
        return self.hour_offsets, self.hours


class History:
    """Open with :func:`open_history`, close when done (or use as a context)."""

    def __init__(
        self,
        connection: Any,
        events: Table,
        *,
        merges: Sequence[Merge],
        timezones: dict[str, str],
        default_timezone: str,
        registered: Sequence[str],
        products: list[Product],
    ) -> None:
        self._connection = connection
        self._events = events
        self._merges = merges
        self._timezones = timezones
        self._default_timezone = default_timezone
        self._registered = registered
        self.products = products
        self._latest: tuple[Instant, Profiles] | None = None
        self._sample: Any = None

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._sample is not None:
            self._sample.release()
        self._connection.disconnect()

    @property
    def first_at(self) -> Instant | None:
        return self._span[0]

    @property
    def last_at(self) -> Instant | None:
        return self._span[1]

    @property
    def events(self) -> int:
        return self._span[2]

    @cached_property
    def _has_cancellations(self) -> bool:
        cancelled = self._events.filter(self._events.type == EventType.ORDER_CANCELLED.value)
        return bool(cancelled.count().to_pyarrow().as_py())

    @cached_property
    def _span(self) -> tuple[Instant | None, Instant | None, int]:
        at = self._events.occurred_at
        span = self._events.aggregate(first=at.min(), last=at.max(), count=at.count()).to_pyarrow().to_pylist()[0]
        return span["first"], span["last"], span["count"]

    def keep_sample(self, most_customers: int, generator: np.random.Generator) -> int:
        """Go on with so many customers drawn at random, each with all that is known of them, as one with the customers
        merged into them; returns how many there were. The span of the history stays that of everybody.
        """
        _ = self._span
        ids = np.sort(self._events.select("customer_id").distinct().to_pyarrow()["customer_id"].to_numpy())
        of = roots(self._merges)
        root = np.array([of.get(customer_id, customer_id) for customer_id in ids.tolist()]) if of else ids
        persons = np.unique(root) if of else ids
        if len(persons) > most_customers:
            chosen = generator.choice(persons, most_customers, replace=False)
            wanted = ids[np.isin(root, chosen)] if of else np.sort(chosen)
            sample = ibis.memtable(pyarrow.table({"customer_id": pyarrow.array(wanted, pyarrow.string())}))
            self._events = self._sample = self._events.semi_join(sample, "customer_id").cache()
            self._latest = None
        return len(persons)

    def whereabouts(self, as_of: Instant | None) -> Whereabouts:
        """Merges and time zones; only merges before ``as_of`` are known then."""
        return Whereabouts(roots(self._merges, as_of), self._timezones, self._default_timezone)

    def profiles(
        self, as_of: Instant | None, *, customer_ids: Sequence[str] | None = None, include_registered: bool = False
    ) -> Profiles:
        """Everybody's profile from the events before ``as_of`` (None: from all), by customer id.

        With ``include_registered`` also the customers of whom only a row in the customers' file is known.
        """
        known = self.whereabouts(as_of)
        events = self._events if as_of is None else self._events.filter(self._events.occurred_at < as_of)
        if customer_ids is not None:
            wanted = set(customer_ids)
            members = [*customer_ids, *(merged for merged, root in known.roots.items() if root in wanted)]
            some = ibis.memtable(pyarrow.table({"customer_id": pyarrow.array(members, pyarrow.string())}))
            profiles = aggregate(events.semi_join(some, "customer_id"), known)
        else:
            profiles = self._everybody(events, as_of, known)
        if not include_registered:
            return profiles
        met = {*profiles.customer_ids, *known.roots}
        both = concatenate([profiles, empty([c for c in self._registered if c not in met])])
        return both.take(np.argsort(np.array(both.customer_ids), kind="stable"))

    def customer_ids(self) -> list[str]:
        """Of everybody with an event, as the events name them: merged ones too."""
        return sorted(self._events.select("customer_id").distinct().to_pyarrow()["customer_id"].to_pylist())

    def refusing(self, purposes: Sequence[str]) -> dict[str, set[str]]:
        """By purpose, who refuses it at the end of this history, with those merged into them."""
        nobody: dict[str, set[str]] = {purpose: set() for purpose in purposes}
        if self.last_at is None:
            return nobody
        words = self._events.filter(self._events.type == EventType.CONSENT_CHANGED.value)
        asked = words.select("customer_id").distinct().to_pyarrow()["customer_id"].to_pylist()
        end = self.last_at + 1
        of = self.whereabouts(end).roots
        persons = sorted({of.get(customer_id, customer_id) for customer_id in asked})
        if not persons:
            return nobody
        profiles = self.profiles(end, customer_ids=persons)
        found = {}
        for purpose in purposes:
            refused = {profiles.customer_ids[row] for row in np.flatnonzero(refusing(profiles, purpose))}
            found[purpose] = refused | {merged for merged, root in of.items() if root in refused}
        return found

    def _everybody(self, events: Table, as_of: Instant | None, known: Whereabouts) -> Profiles:
        """By adding what happened since the instant last asked for, where the parts of this history do add up."""
        since = self._latest
        if since is None or as_of is None or as_of < since[0] or known.roots or self._has_cancellations:
            profiles = aggregate(events, known)
        else:
            profiles = merge_batches(since[1], aggregate(events.filter(events.occurred_at >= since[0]), known))
        self._latest = None if as_of is None else (as_of, profiles)
        return profiles

    def snapshot(self, as_of: Instant, horizon_days: int, other_horizons_days: Sequence[int] = ()) -> Snapshot:
        """What happened after the cutoff is told of everybody; what was known before it, as far as they let it be
        used."""
        everything = self.profiles(as_of)
        profiles = with_consent(everything)
        known = self.whereabouts(as_of)
        after: Outcomes = outcomes(self._window(as_of, horizon_days), known, profiles.customer_ids)
        seen_days = 0 if self.last_at is None else (self.last_at + 1 - as_of) // MICROSECONDS_PER_DAY
        spend_within = {
            days: spend_of(self._window(as_of, days), known, profiles.customer_ids)
            for days in other_horizons_days
            if days <= seen_days and days != horizon_days
        }
        return Snapshot(
            as_of,
            horizon_days,
            profiles,
            vector(everything, as_of),
            after.orders,
            after.spend,
            after.next_basket,
            after.hour_offsets,
            after.hours,
            after.next_order_at,
            spend_within,
        )

    def _window(self, as_of: Instant, days: int) -> Table:
        end = as_of + days * MICROSECONDS_PER_DAY
        return self._events.filter((self._events.occurred_at >= as_of) & (self._events.occurred_at < end))

    def cutoffs(self, horizon_days: int, count: int = 10) -> list[Instant]:
        """Up to ``count`` cutoffs whose horizon lies within the history, oldest first; none if there is no room.

        The newest one's horizon ends just after the last event; the oldest has a third of the room, at most twelve
        weeks, before it, or less where they would not span a horizon otherwise.
        """
        if self.first_at is None or self.last_at is None:
            return []
        newest = self.last_at + 1 - horizon_days * MICROSECONDS_PER_DAY
        return spaced_cutoffs(self.first_at, newest, count, horizon_days)

    def purchases(self) -> int:
        """How many order lines there are."""
        lines = self._events.filter(self._events.type == EventType.PURCHASE.value)
        return int(lines.count().to_pyarrow().as_py())


def spaced_cutoffs(first_at: Instant, newest: Instant, count: int, span_days: int = 0) -> list[Instant]:
    """Cutoffs back from the newest in steps of whole weeks, at most four; over ``span_days`` at least, where there is
    room for it.

    >>> day = MICROSECONDS_PER_DAY
    >>> [cutoff // day for cutoff in spaced_cutoffs(0, 100 * day, count=10)]
    [37, 44, 51, 58, 65, 72, 79, 86, 93, 100]
    >>> [cutoff // day for cutoff in spaced_cutoffs(0, 180 * day, count=10, span_days=90)]
    [68, 96, 124, 152, 180]
    """
    week = 7 * MICROSECONDS_PER_DAY
    room = newest - first_at
    if room <= 0:
        return []
    warm_up = min(WARM_UP_DAYS * MICROSECONDS_PER_DAY, room // 3)
    warm_up = min(warm_up, max(room - -(-span_days * MICROSECONDS_PER_DAY // week) * week, room // 8))
    weeks, span_weeks = (room - warm_up) // week, -(-span_days // 7)
    step = int(min(max(weeks // max(count - 1, 1), 1), SPACING_DAYS // 7))
    steps = min(count - 1, weeks // step)
    if steps * step < span_weeks <= weeks:
        step = max(wide for wide in range(1, SPACING_DAYS // 7 + 1) if weeks // wide * wide >= span_weeks)
        steps = min(max(count - 1, -(-span_weeks // step)), weeks // step)
    return [newest - k * step * week for k in range(int(steps), -1, -1)]


def open_history(store: Store, brand: str, before: Instant | None = None) -> History:
    """The brand's events before an instant (None: all), with what is known of its customers and products."""
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")  # it would be drawn on standard output
    events = log_table(store, connection, brand, before)
    with store.reading() as reading:
        customers = list(read_customers(reading, brand))
        products = read_products(reading, brand)
        settings = read_brand(reading, brand)
        known = reading.execute(sqlalchemy.select(merges).where(merges.c.brand == brand)).all()
    return History(
        connection,
        events,
        merges=[(merge.merged_customer_id, merge.customer_id, merge.occurred_at) for merge in known],
        timezones={c.customer_id: c.timezone for c in customers if c.timezone is not None},
        default_timezone=settings.timezone or "UTC",
        registered=[c.customer_id for c in customers],
        products=products,
    )
