"""Which identifiers belong to whom and who was merged into whom, while events of one brand are taken in."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_, update

from features.assignments import carry_over
from features.errors import FieldError
from features.events import Event, EventType
from features.identity import Merge, is_anonymous
from features.instant import Instant
from features.schema import identifiers, merges, reservations
from features.store import upsert

Identifier = tuple[str, str]
"""(kind, value)."""
_CHUNK = 400
_MOVE_RESERVATIONS = (
    update(reservations)
    .where(reservations.c.brand == bindparam("of_brand"), reservations.c.customer_id == bindparam("ends"))
    .values(customer_id=bindparam("stays"))
)


class CustomerLinks:
    """Reads what the store knows as it is needed; ``write`` puts there what was learnt since.

    A link of an identifier with a customer is known as of the event that says so. Who stays holds the offers of who
    ends: the caps of one person are counted together; and is treated in experiments as who ends was.
    """

    def __init__(self, connection: Connection, brand: str) -> None:
        self._connection = connection
        self._brand = brand
        self._owners: dict[Identifier, str | None] = {}
        self._parents: dict[str, str | None] = {}
        self._new_owners: dict[Identifier, str] = {}
        self.new_merges: list[Merge] = []

    def root(self, customer_id: str) -> str:
        """Who the customer is now."""
        while (parent := self._parent(customer_id)) is not None:
            customer_id = parent
        return customer_id

    def owner(self, identifier: Identifier) -> str | None:
        """Whose identifier it is."""
        if identifier not in self._owners:
            self.look_up([identifier])
        owner = self._owners[identifier]
        return None if owner is None else self.root(owner)

    def look_up(self, wanted: Iterable[Identifier]) -> None:
        """Read the owners of many identifiers at once."""
        remaining = iter({identifier for identifier in wanted if identifier not in self._owners})
        key = tuple_(identifiers.c.kind, identifiers.c.value)
        while chunk := list(islice(remaining, _CHUNK)):
            self._owners.update(dict.fromkeys(chunk))
            query = select(identifiers).where(identifiers.c.brand == self._brand, key.in_(chunk))
            for row in self._connection.execute(query):
                self._owners[row.kind, row.value] = row.customer_id

    def look_up_all_merges(self, customer_ids: Iterable[str]) -> None:
        """Read every merge of the brand, and that the given customers have none but these."""
        self._parents.update(dict.fromkeys(customer_ids))
        query = select(merges).where(merges.c.brand == self._brand)
        self._parents.update({row.merged_customer_id: row.customer_id for row in self._connection.execute(query)})

    def take(self, event: Event) -> None:
        """Learn from an event who its customer is.

        Raises
        ------
        FieldError
            If its identifiers belong to several customers who are known by name.
        """
        self.claim(event.customer_id, event.identifiers or {}, event.occurred_at)
        if event.type is EventType.CUSTOMER_MERGED and event.merged_customer_id is not None:
            self._merge(self.root(event.merged_customer_id), self.root(event.customer_id), event.occurred_at)

    def claim(self, customer_id: str, given: Mapping[str, str], occurred_at: Instant) -> None:
        """Link identifiers that stood on one event with its customer.

        Raises
        ------
        FieldError
        """
        owners = {identifier: self.owner(identifier) for identifier in given.items()}
        people = {self.root(customer_id), *(owner for owner in owners.values() if owner is not None)}
        named = sorted(person for person in people if not is_anonymous(person))
        if len(named) > 1:
            taken = {kind: value for (kind, value), owner in owners.items() if owner in named[1:] or owner == named[0]}
            raise FieldError("identifiers", taken, f"identifiers of {customer_id} alone", "identifiers")
        stays = named[0] if named else self.root(customer_id)
        for person in sorted(people - {stays}):
            self._merge(person, stays, occurred_at)
        for identifier, owner in owners.items():
            if owner is None:
                self._owners[identifier] = self._new_owners[identifier] = stays

    def write(self) -> None:
        """Put what was learnt into the store."""
        new_merges = [
            {"brand": self._brand, "merged_customer_id": merged, "customer_id": stays, "occurred_at": occurred_at}
            for merged, stays, occurred_at in self.new_merges
        ]
        new_owners = [
            {"brand": self._brand, "kind": kind, "value": value, "customer_id": customer_id}
            for (kind, value), customer_id in self._new_owners.items()
        ]
        if new_merges:
            self._connection.execute(upsert(self._connection, merges), new_merges)
            self._connection.execute(_MOVE_RESERVATIONS, self._moves())
            carry_over(self._connection, self._brand, self.new_merges)
        if new_owners:
            self._connection.execute(upsert(self._connection, identifiers), new_owners)
        self._new_owners = {}

    def _moves(self) -> list[dict[str, str]]:
        return [{"of_brand": self._brand, "ends": merged, "stays": stays} for merged, stays, _ in self.new_merges]

    def _parent(self, customer_id: str) -> str | None:
        if customer_id not in self._parents:
            mine = (merges.c.brand == self._brand) & (merges.c.merged_customer_id == customer_id)
            self._parents[customer_id] = self._connection.execute(select(merges.c.customer_id).where(mine)).scalar()
        return self._parents[customer_id]

    def _merge(self, merged: str, stays: str, occurred_at: Instant) -> None:
        if merged != stays:
            self._parents[merged] = stays
            self.new_merges.append((merged, stays, occurred_at))


def members(connection: Connection, brand: str, customer_ids: Iterable[str]) -> dict[str, str]:
    """Every customer that was merged into one of these, and these themselves: each with the one it is now."""
    found = {customer_id: customer_id for customer_id in customer_ids}
    fresh = list(found)
    while fresh:
        rows: list[Any] = []
        for start in range(0, len(fresh), _CHUNK):
            mine = (merges.c.brand == brand) & merges.c.customer_id.in_(fresh[start : start + _CHUNK])
            rows += connection.execute(select(merges).where(mine)).all()
        new = {row.merged_customer_id: found[row.customer_id] for row in rows if row.merged_customer_id not in found}
        found |= new
        fresh = list(new)
    return found


def present_ids(connection: Connection, brand: str, customer_ids: Iterable[str]) -> dict[str, str]:
    """Who each of these customers is now: the other way round than ``members``."""
    found = {customer_id: customer_id for customer_id in customer_ids}
    fresh = list(found)
    while fresh:
        stays: dict[str, str] = {}
        for start in range(0, len(fresh), _CHUNK):
            mine = (merges.c.brand == brand) & merges.c.merged_customer_id.in_(fresh[start : start + _CHUNK])
            stays |= dict(
                connection.execute(select(merges.c.merged_customer_id, merges.c.customer_id).where(mine)).all()
            )
        found = {customer_id: stays.get(present, present) for customer_id, present in found.items()}
        fresh = list(dict.fromkeys(stays.values()))
    return found
