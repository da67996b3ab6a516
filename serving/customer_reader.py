"""What the store knows of one customer, read afresh for every request: what was just posted counts at once."""

from features.catalogue import customer_reader
from features.events import IDENTIFIER_KINDS
from features.identity import anonymous_id
from features.instant import Instant
from features.packing import unpack
from features.point_query import point_query, rows_query
from features.profile_store import point_reader
from features.store import Store
from serving.decision import CustomerState, OfferUse
from serving.reservations import RELEASED, RESERVED

_LONGEST_CHAIN = 64
"""Of merges; a longer one is followed no further."""


class CustomerReader:
    """Not to be shared by threads."""

    def __init__(self, store: Store) -> None:
        self._profile = point_reader(store)
        self._customer = customer_reader(store)
        self._merged_into = point_query(
            store, "SELECT customer_id FROM merges WHERE brand = ? AND merged_customer_id = ?"
        )
        self._identified = point_query(
            store, "SELECT customer_id FROM identifiers WHERE brand = ? AND kind = ? AND value = ?"
        )
        self._uses = rows_query(
            store,
            "SELECT offer_id, decided_at, state, expires_at FROM reservations "
            "WHERE brand = ? AND customer_id = ? AND state <> ?",
        )
        self._variants = rows_query(
            store, "SELECT experiment, variant FROM assignments WHERE brand = ? AND unit_id = ?"
        )

    def resolve(self, brand: str, customer_id: str | None, identifiers: dict[str, str]) -> str:
        """The id that stands for the person now, merges followed: of ``customer_id``, else of the identifiers."""
        named = customer_id or self._of_identifiers(brand, identifiers)
        for _ in range(_LONGEST_CHAIN):
            stays = self._merged_into(brand, named)
            if stays is None:
                break
            named = stays
        return named

    def read(self, brand: str, customer_id: str, now: Instant) -> CustomerState:
        """The customer as last committed; a profile that is not there is ``None``."""
        packed = self._profile(brand, customer_id)
        customer = self._customer(brand, customer_id)
        return CustomerState(
            profile=None if packed is None else unpack(customer_id, packed),
            customer=customer,
            uses=[_use(now, *row) for row in self._uses(brand, customer_id, RELEASED)],
            timezone=(customer.timezone if customer else None) or "",
        )

    def variants(self, brand: str, customer_id: str) -> dict[str, str]:
        """The variant by experiment that the customer was dealt before."""
        return dict(self._variants(brand, customer_id))

    def _of_identifiers(self, brand: str, identifiers: dict[str, str]) -> str:
        for kind in (kind for kind in IDENTIFIER_KINDS if kind in identifiers):
            found = self._identified(brand, kind, identifiers[kind])
            if found is not None:
                return str(found)
        return anonymous_id(identifiers)


def _use(now: Instant, offer_id: str, decided_at: Instant, state: str, expires_at: Instant) -> OfferUse:
    """A reservation that nobody saw in time is released, though no sweep came by yet."""
    is_over = state == RESERVED and expires_at <= now
    return OfferUse(offer_id, decided_at, RELEASED if is_over else state)
