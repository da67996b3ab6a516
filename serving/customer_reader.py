"""What the store knows of one customer, read afresh for every request: what was just posted counts at once."""

import msgspec

from features.entities import Customer
from features.events import IDENTIFIER_KINDS
from features.identity import anonymous_id
from features.instant import Instant
from features.packing import unpack
from features.point_query import Questions
from features.store import Store
from serving.decision import CustomerState, OfferUse
from serving.reservations import RELEASED, RESERVED

_decode_customer = msgspec.json.Decoder(Customer).decode
_decode_uses = msgspec.json.Decoder(list[tuple[str, int, str, int]]).decode
_KNOWN = """
SELECT (SELECT customer_id FROM merges WHERE brand = ? AND merged_customer_id = ?),
    (SELECT body FROM profiles WHERE brand = ? AND customer_id = ?),
    (SELECT body FROM customers WHERE brand = ? AND customer_id = ?),
    (SELECT {uses} FROM reservations WHERE brand = ? AND customer_id = ? AND state <> ?)
"""
"""All at once, as JSON where there are several: after a commit each further question costs as much as the first."""
_KNOWN_SQLITE = _KNOWN.format(uses="json_group_array(json_array(offer_id, decided_at, state, expires_at))")
_KNOWN_POSTGRESQL = _KNOWN.format(uses="json_agg(json_build_array(offer_id, decided_at, state, expires_at))::text")
_LONGEST_CHAIN = 64
"""Of merges; a longer one is followed no further."""


class CustomerReader:
    """Not to be shared by threads."""

    def __init__(self, store: Store) -> None:
        questions = Questions(store)
        self._known = questions.rows(_KNOWN_SQLITE if store.is_sqlite else _KNOWN_POSTGRESQL)
        self._merged_into = questions.value("SELECT customer_id FROM merges WHERE brand = ? AND merged_customer_id = ?")
        self._identified = questions.value(
            "SELECT customer_id FROM identifiers WHERE brand = ? AND kind = ? AND value = ?"
        )
        self._variants = questions.rows("SELECT experiment, variant FROM assignments WHERE brand = ? AND unit_id = ?")

    def person(
        self, brand: str, customer_id: str | None, identifiers: dict[str, str], now: Instant
    ) -> tuple[str, CustomerState]:
        """The id that stands for the person now, merges followed, and what is known under it, as last committed.

        A profile that is not there is ``None``; so is everything of a person never heard of.
        """
        named = customer_id or self._of_identifiers(brand, identifiers)
        for _ in range(_LONGEST_CHAIN):
            stays, packed, body, uses = self._known(*(brand, named) * 4, RELEASED)[0]
            if stays is None:
                break
            named = stays
        customer = None if body is None else _decode_customer(body)
        return named, CustomerState(
            profile=None if packed is None else unpack(named, packed),
            customer=customer,
            uses=[_use(now, *row) for row in _decode_uses(uses)] if uses else (),
            timezone=(customer.timezone if customer else None) or "",
        )

    def resolve(self, brand: str, customer_id: str) -> str:
        """The id that stands for the customer now, merges followed."""
        for _ in range(_LONGEST_CHAIN):
            stays = self._merged_into(brand, customer_id)
            if stays is None:
                break
            customer_id = stays
        return customer_id

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
