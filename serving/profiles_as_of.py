"""Customers as of an earlier instant, for back-dated questions and replays: folded from the log.

A sum of what happened cannot be asked what it was before its last event. A service whose clock stands still knows what
happened before its present, and what was posted to it since, even if that happens at its present or later.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace
from sqlalchemy import Connection, select

from features.customer_links import members, present_ids
from features.event_json import event_of
from features.events import Event
from features.identity import roots
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.kept_profiles import zones_of
from features.lake import events_of_customers, read_segments
from features.packing import pack, unpack
from features.profile import fold
from features.profiles import Profiles
from features.schema import events, merges
from features.store import Store
from serving.decision import CustomerState
from serving.errors import BadRequestError

_Question = tuple[str, str, Instant, Instant | None]
"""Brand, customer, before when, and until when it was posted."""
MOST_REMEMBERED = 1_000
MOST_FOLDED_ONE_BY_ONE = 20
"""More customers are aggregated together, which takes longer to begin and less for each."""


class ProfilesAsOf:
    """Remembers what it folded until something new is known of the customer."""

    def __init__(self, store: Store, *, stands_still: bool = False) -> None:
        """``stands_still``: of the service's clock; one that runs may be a day behind those of its senders."""
        self._store = store
        self._ahead = 0 if stands_still else MICROSECONDS_PER_DAY
        self._remembered: OrderedDict[_Question, tuple[Instant, int, Profiles | None]] = OrderedDict()

    def is_ahead(self, profile: Profiles | None, now: Instant) -> bool:
        """Whether it may know what the service's present cannot: the clock was put back."""
        return profile is not None and bool(profile.last_event_at[0] >= now + self._ahead)

    def warm(self, brand: str) -> None:
        """Have what reads the history loaded before it is first needed, if it is installed."""
        with suppress(ModuleNotFoundError):
            profiles_before(self._store, brand, ["nobody"], 0)

    async def present(self, brand: str, customer_id: str, customer: CustomerState, now: Instant) -> CustomerState:
        """What is known of the customer at the service's present.

        Raises
        ------
        ModuleNotFoundError
            If bulk history has to be read and what reads it is not installed.
        """
        if customer.profile is None or not self.is_ahead(customer.profile, now):
            return customer
        return replace(customer, profile=await self._profile(brand, customer_id, customer.profile, now, now))

    def profiles(self, brand: str, customer_ids: Sequence[str], now: Instant) -> dict[str, Profiles]:
        """The profiles at the service's present, by id, of those of whom something is known then.

        Raises
        ------
        ModuleNotFoundError
            If bulk history has to be read and what reads it is not installed.
        """
        return profiles_before(self._store, brand, customer_ids, now, received_by=now)

    async def customer(self, brand: str, customer_id: str, customer: CustomerState, before: Instant) -> CustomerState:
        """What was known of the customer before an instant.

        Raises
        ------
        BadRequestError
            If bulk history has to be read and what reads it is not installed.
        """
        profile = customer.profile
        uses = [use for use in customer.uses if use.decided_at < before]
        if profile is None or profile.last_event_at[0] < before:
            return replace(customer, uses=uses)
        try:
            return replace(customer, profile=await self._profile(brand, customer_id, profile, before), uses=uses)
        except ModuleNotFoundError as error:
            expected = "a time after the customer's last event, or lagniappe[train] installed to read bulk history"
            raise BadRequestError(f"as_of: got an earlier time, expected {expected}", field="as_of") from error

    async def _profile(
        self, brand: str, customer_id: str, latest: Profiles, before: Instant, received_by: Instant | None = None
    ) -> Profiles | None:
        key = (brand, customer_id, before, received_by)
        version = (int(latest.last_event_at[0]), int(latest.column("events")[0]))
        if key in self._remembered and self._remembered[key][:2] == version:
            return self._remembered[key][2]
        found = await asyncio.to_thread(profiles_before, self._store, brand, [customer_id], before, received_by)
        self._remembered[key] = (*version, found.get(customer_id))
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return found.get(customer_id)


def profiles_before(
    store: Store, brand: str, customer_ids: Sequence[str], before: Instant, received_by: Instant | None = None
) -> dict[str, Profiles]:
    """The profiles, by id, of those of whom something was known before an instant, or was posted until ``received_by``.

    Raises
    ------
    ModuleNotFoundError
        If bulk history has to be read and what reads it is not installed.
    """
    found: dict[str, Profiles | None] = {}
    one_by_one = set(customer_ids)
    if len(customer_ids) > MOST_FOLDED_ONE_BY_ONE:
        found.update(_aggregated(store, brand, customer_ids, before))
        one_by_one &= _posted_since(store, brand, before, received_by)
    with store.reading() as connection:
        for customer_id in one_by_one:
            found[customer_id] = _folded(connection, store, brand, customer_id, before, received_by)
    return {customer_id: profiles for customer_id, profiles in found.items() if profiles is not None}


def _aggregated(store: Store, brand: str, customer_ids: Sequence[str], before: Instant) -> dict[str, Profiles]:
    from features.history import open_history

    with open_history(store, brand, before) as history:
        profiles = history.profiles(before, customer_ids=customer_ids)
    return {customer_id: profiles.take([row]) for row, customer_id in enumerate(profiles.customer_ids)}


def _posted_since(store: Store, brand: str, before: Instant, received_by: Instant | None) -> set[str]:
    """Everybody of whom the service heard until ``received_by`` what happens at an instant or later."""
    if received_by is None:
        return set()
    later = (events.c.brand == brand) & (events.c.occurred_at >= before) & (events.c.received_at <= received_by)
    with store.reading() as connection:
        posted = connection.execute(select(events.c.customer_id).distinct().where(later)).scalars().all()
        return set(present_ids(connection, brand, posted).values())


def _folded(
    connection: Connection,
    store: Store,
    brand: str,
    customer_id: str,
    before: Instant,
    received_by: Instant | None = None,
) -> Profiles | None:
    people = _one_person(connection, brand, customer_id, before if received_by is None else before + 1)
    known = events.c.occurred_at < before
    if received_by is not None:
        known |= events.c.received_at <= received_by
    mine = (events.c.brand == brand) & events.c.customer_id.in_(people) & known
    found: list[Event] = [event_of(body) for body in connection.execute(select(events.c.body).where(mine)).scalars()]
    in_bulk = events_of_customers(store.lake, read_segments(connection, brand), people)
    found += [event for event in in_bulk if event.occurred_at < before]
    if not found:
        return None
    timezone = zones_of(connection, brand)(customer_id)
    return unpack(customer_id, pack(customer_id, fold(found, timezone), timezone))


def _one_person(connection: Connection, brand: str, customer_id: str, before: Instant) -> list[str]:
    """The ids that were known to be one customer's before an instant."""
    people = sorted(members(connection, brand, [customer_id]))
    query = select(merges.c.merged_customer_id, merges.c.customer_id, merges.c.occurred_at).where(
        merges.c.brand == brand, merges.c.merged_customer_id.in_(people)
    )
    root = roots([(row[0], row[1], row[2]) for row in connection.execute(query)], before)
    return [person for person in people if root.get(person, person) == root.get(customer_id, customer_id)]
