"""The profiles of a brand while events are taken in one by one: read once, folded on, written once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from features.batching import to_profile
from features.brand import read_brand
from features.catalogue import read_customer
from features.customer_links import CustomerLinks, members
from features.event_json import event_of
from features.events import Event
from features.facts import UNHEARD, fact_of
from features.identity import Merge
from features.lake import events_of_customers, read_segments
from features.packing import pack, unpack
from features.profile import Profile, add, fold, merge, needs_refold
from features.profile_store import delete_profiles, read_profiles, write_profiles
from features.schema import events
from features.statistics import NEVER_LAST

ZoneOf = Callable[[str], str]
_CHUNK = 400


def zones_of(connection: Connection, brand: str) -> ZoneOf:
    """The time zone of each customer: the one in the customer's row, else the brand's."""
    default = read_brand(connection, brand).timezone
    found: dict[str, str] = {}

    def zone_of(customer_id: str) -> str:
        if customer_id not in found:
            customer = read_customer(connection, brand, customer_id)
            found[customer_id] = default if customer is None or customer.timezone is None else customer.timezone
        return found[customer_id]

    return zone_of


class KeptProfiles:
    def __init__(self, connection: Connection, lake: Path, brand: str, zone_of: ZoneOf) -> None:
        self._connection = connection
        self._lake = lake
        self._brand = brand
        self._zone_of = zone_of
        self._links = CustomerLinks(connection, brand)
        self._profiles: dict[str, Profile] = {}
        self._gone: set[str] = set()
        self._again: set[str] = set()
        self._changed: set[str] = set()
        self._merges_followed = 0

    def look_up(self, arriving: Iterable[Event]) -> None:
        """Read at once what these events will change."""
        found = list(arriving)
        self._links.look_up(item for event in found for item in (event.identifiers or {}).items())
        self._read({self._links.root(event.customer_id) for event in found})

    def root(self, customer_id: str) -> str:
        """Who the customer is now."""
        return self._links.root(customer_id)

    def take_identity(self, event: Event) -> None:
        """Learn from an event who its customer is, and put the profiles of one person together.

        Raises
        ------
        FieldError
        """
        self._links.take(event)
        for one in self._links.new_merges[self._merges_followed :]:
            self._follow(one)
        self._merges_followed = len(self._links.new_merges)

    def take(self, event: Event) -> None:
        """Fold an event into its customer's profile."""
        root = self._links.root(event.customer_id)
        if event.type in UNHEARD or root in self._again:
            return
        profile = self._profile(root)
        self._changed.add(root)
        if needs_refold(profile, event):
            self._again.add(root)
        else:
            add(profile, fact_of(event), self._zone_of(root))

    def fold_anew(self, customer_ids: Iterable[str]) -> None:
        """Have customers folded from the log when the profiles are written."""
        self._again.update(self._links.root(customer_id) for customer_id in customer_ids)

    def forget(self, customer_id: str) -> None:
        """Start from the log alone: the customer's events were erased; whoever they were merged into had them too."""
        self._links = CustomerLinks(self._connection, self._brand)
        self._merges_followed = 0
        self._profiles.clear()
        self._gone.discard(customer_id)
        self._again.add(self._links.root(customer_id))

    def write(self) -> None:
        """Put links and profiles into the store."""
        self._links.write()
        delete_profiles(self._connection, self._brand, sorted(self._gone))
        self._gone.clear()
        for customer_id in self._again:
            self._profiles[customer_id] = self._folded(customer_id)
        changed = {name: self._profiles[name] for name in sorted(self._changed | self._again)}
        self._changed.clear()
        self._again.clear()
        empty = [name for name, profile in changed.items() if profile.last_event_at == NEVER_LAST]
        delete_profiles(self._connection, self._brand, empty)
        rows = [
            (name, pack(name, profile, self._zone_of(name)), profile.last_event_at)
            for name, profile in changed.items()
            if profile.last_event_at != NEVER_LAST
        ]
        write_profiles(self._connection, self._brand, rows)

    def _read(self, customer_ids: Iterable[str]) -> None:
        wanted = [name for name in customer_ids if name not in self._profiles]
        for name, body in read_profiles(self._connection, self._brand, wanted).items():
            self._profiles[name] = to_profile(unpack(name, body))

    def _profile(self, root: str) -> Profile:
        if root not in self._profiles:
            self._read([root])
        return self._profiles.setdefault(root, Profile())

    def _follow(self, one: Merge) -> None:
        """Put the profile of who ends into that of who stays."""
        ends, stays, _ = one
        mine, other = self._profile(stays), self._profile(ends)
        zones_differ = self._zone_of(ends) != self._zone_of(stays)
        if zones_differ or ends in self._again or _entangled(mine, other) or _entangled(other, mine):
            self._again.add(stays)
        else:
            self._profiles[stays] = merge(mine, other)
        self._profiles.pop(ends)
        self._changed.add(stays)
        self._changed.discard(ends)
        self._again.discard(ends)
        self._gone.add(ends)

    def _folded(self, customer_id: str) -> Profile:
        """The profile from the whole log; merges must be in the store."""
        people = sorted(members(self._connection, self._brand, [customer_id]))
        return fold(self._history(people), self._zone_of(customer_id))

    def _history(self, people: Sequence[str]) -> list[Event]:
        found: list[Event] = []
        for start in range(0, len(people), _CHUNK):
            mine = (events.c.brand == self._brand) & events.c.customer_id.in_(people[start : start + _CHUNK])
            found += map(event_of, self._connection.execute(select(events.c.body).where(mine)).scalars())
        return found + events_of_customers(self._lake, read_segments(self._connection, self._brand), people)


def _entangled(one: Profile, other: Profile) -> bool:
    """Whether one holds a cancellation of an order whose lines are in the other."""
    return any(one.is_cancelled(order) and not other.is_cancelled(order) for order in one.orders.keys() & other.orders)
