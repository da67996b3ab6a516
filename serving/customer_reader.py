"""What the store knows of customers, read afresh for every request: what was just posted counts at once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from features.entities import Customer
from features.events import IDENTIFIER_KINDS
from features.identity import anonymous_id
from features.packing import unpack_all
from features.point_query import Questions
from features.store import Store
from serving.decision import HOLDING, CustomerState, OfferUse

_Id = tuple[str, str]
"""Brand and customer."""
_decode_customer = msgspec.json.Decoder(Customer).decode
_decode_uses = msgspec.json.Decoder(list[OfferUse]).decode
_KNOWN = """
WITH asked (brand, customer_id) AS (VALUES {asked})
SELECT asked.brand, asked.customer_id,
    (SELECT m.customer_id FROM merges m WHERE m.brand = asked.brand AND m.merged_customer_id = asked.customer_id),
    (SELECT p.body FROM profiles p WHERE p.brand = asked.brand AND p.customer_id = asked.customer_id),
    (SELECT c.body FROM customers c WHERE c.brand = asked.brand AND c.customer_id = asked.customer_id),
    (SELECT {uses} FROM reservations r
        WHERE r.brand = asked.brand AND r.customer_id = asked.customer_id AND r.state IN ({holding}))
FROM asked
"""
"""All at once, as JSON where there are several: after a commit each further question costs as much as the first."""
_USES_SQLITE = "json_group_array(json_array(r.offer_id, r.decided_at, r.state, r.expires_at{channel}))"
_USES_POSTGRESQL = "json_agg(json_build_array(r.offer_id, r.decided_at, r.state, r.expires_at{channel}))::text"
_CHANNEL = ", (SELECT d.channel FROM decisions d WHERE d.decision_id = r.decision_id)"
MOST_AT_ONCE = 16
"""Customers of one question; each number of them is a statement of its own."""
_Statements = Sequence[Callable[..., Sequence[Any]]]
_LONGEST_CHAIN = 64
"""Of merges; a longer one is followed no further."""


class _Row(NamedTuple):
    """What the store holds of one customer; ``stays`` is the id that the customer was merged into."""

    brand: str
    customer_id: str
    stays: str | None
    profile: bytes | None
    customer: str | None
    uses: str | None


class Named(NamedTuple):
    """A person as a caller names them: by id, or else by identifiers."""

    brand: str
    customer_id: str | None
    identifiers: Mapping[str, str]


class CustomerReader:
    """Not to be shared by threads."""

    def __init__(self, store: Store) -> None:
        questions = Questions(store)
        self._known = _statements(questions, store.is_sqlite, "")
        self._known_with_channels = _statements(questions, store.is_sqlite, _CHANNEL)
        self._merged_into = questions.value("SELECT customer_id FROM merges WHERE brand = ? AND merged_customer_id = ?")
        self._identified = questions.value(
            "SELECT customer_id FROM identifiers WHERE brand = ? AND kind = ? AND value = ?"
        )
        self._variants = questions.rows("SELECT experiment, variant FROM assignments WHERE brand = ? AND unit_id = ?")

    def person(self, named: Named) -> tuple[str, CustomerState]:
        """:meth:`people` of one."""
        return self.people([named])[0]

    def people(self, named: Sequence[Named], *, with_channels: bool = False) -> list[tuple[str, CustomerState]]:
        """The id that stands for each person now, merges followed, and what is known under it, as last committed.

        A profile that is not there is ``None``; so is everything of a person never heard of. By which channels offers
        went before is told where it is asked for: it costs a look at each decision.
        """
        ids = [(one.brand, one.customer_id or self._of_identifiers(one)) for one in named]
        statements = self._known_with_channels if with_channels else self._known
        known = self._read(list(dict.fromkeys(ids)), statements)
        return [known[one] for one in ids]

    def _read(
        self, ids: Sequence[_Id], statements: _Statements, *, is_resolved: bool = False
    ) -> dict[_Id, tuple[str, CustomerState]]:
        known: dict[_Id, tuple[str, CustomerState]] = {}
        merged: dict[_Id, str] = {}
        for start in range(0, len(ids), MOST_AT_ONCE):
            some = ids[start : start + MOST_AT_ONCE]
            rows = [_Row(*row) for row in statements[len(some) - 1](*chain.from_iterable(some))]
            known |= _states([row for row in rows if row.stays is None or is_resolved])
            merged |= {(row.brand, row.customer_id): row.stays for row in rows if row.stays is not None}
        if merged and not is_resolved:
            stay = {(brand, one): (brand, self.resolve(brand, stays)) for (brand, one), stays in merged.items()}
            those = self._read(list(dict.fromkeys(stay.values())), statements, is_resolved=True)
            known |= {one: those[stays] for one, stays in stay.items()}
        return known

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

    def _of_identifiers(self, named: Named) -> str:
        for kind in (kind for kind in IDENTIFIER_KINDS if kind in named.identifiers):
            found = self._identified(named.brand, kind, named.identifiers[kind])
            if found is not None:
                return str(found)
        return anonymous_id(dict(named.identifiers))


def _statements(questions: Questions, is_sqlite: bool, channel: str) -> _Statements:
    """By the number of customers asked for, less one."""
    holding = ", ".join(f"'{state}'" for state in HOLDING)
    uses = (_USES_SQLITE if is_sqlite else _USES_POSTGRESQL).format(channel=channel)
    return [
        questions.rows(_KNOWN.format(asked=", ".join(["(?, ?)"] * count), uses=uses, holding=holding))
        for count in range(1, MOST_AT_ONCE + 1)
    ]


def _states(rows: Sequence[_Row]) -> dict[_Id, tuple[str, CustomerState]]:
    packed = [(row, row.profile) for row in rows if row.profile is not None]
    batch = unpack_all([row.customer_id for row, _ in packed], [profile for _, profile in packed])
    profiles = {(row.brand, row.customer_id): one for (row, _), one in zip(packed, batch.apart(), strict=True)}
    states: dict[_Id, tuple[str, CustomerState]] = {}
    for row in rows:
        one, customer = (row.brand, row.customer_id), None if row.customer is None else _decode_customer(row.customer)
        states[one] = (
            row.customer_id,
            CustomerState(
                profile=profiles.get(one),
                customer=customer,
                uses=_decode_uses(row.uses) if row.uses else (),
                timezone=(customer.timezone if customer else None) or "",
            ),
        )
    return states
