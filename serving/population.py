"""Everyone of a brand as of an instant, in batches, for work that goes over all customers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from features.catalogue import read_customers
from features.entities import Customer
from features.instant import Instant
from features.profiles import Profiles
from features.schema import decisions, reservations
from serving.decision import RELEASED, CustomerState, OfferUse

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Population:
    """``uses`` are each customer's reservations that were made before the instant and not released by then."""

    profiles: Profiles
    customers: Mapping[str, Customer]
    uses: Mapping[str, Sequence[OfferUse]]

    def __len__(self) -> int:
        return len(self.profiles)

    def batches(self, size: int = BATCH) -> Iterator[Profiles]:
        for start in range(0, len(self.profiles), size):
            yield self.profiles.take(np.arange(start, min(start + size, len(self.profiles))))

    def states(self, batch: Profiles) -> Iterator[CustomerState]:
        """What is known of each customer of a batch, in its order."""
        for row, customer_id in enumerate(batch.customer_ids):
            yield CustomerState(
                profile=batch.take([row]),
                customer=self.customers.get(customer_id),
                uses=self.uses.get(customer_id, ()),
            )


def read_population(connection: Connection, brand: str, profiles: Profiles, as_of: Instant) -> Population:
    """The customers of the profiles with what the store holds of each."""
    customers = {customer.customer_id: customer for customer in read_customers(connection, brand)}
    return Population(profiles, customers, _uses(connection, brand, as_of))


def _uses(connection: Connection, brand: str, as_of: Instant) -> dict[str, list[OfferUse]]:
    of = reservations.c
    decided = reservations.outerjoin(decisions, decisions.c.decision_id == of.decision_id)
    query = select(of.customer_id, of.offer_id, of.decided_at, of.state, of.expires_at, decisions.c.channel)
    query = query.select_from(decided).where(of.brand == brand, of.decided_at < as_of, of.state != RELEASED)
    uses: dict[str, list[OfferUse]] = {}
    for row in connection.execute(query):
        use = OfferUse(row.offer_id, row.decided_at, row.state, row.expires_at, row.channel)
        if use.is_held_at(as_of):
            uses.setdefault(row.customer_id, []).append(use)
    return uses
