"""Rows of customers taken in: kept, their identifiers linked, and whose profile a new time zone makes stale."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, select

from features.brand import read_brand
from features.catalogue import upsert_customers
from features.customer_links import CustomerLinks
from features.entities import Customer
from features.errors import FieldError
from features.instant import Instant
from features.schema import customers

_CHUNK = 400


@dataclass(slots=True)
class Intake:
    """``stale`` customers have to be folded anew; ``refused`` is by position in what was given."""

    accepted: int = 0
    duplicates: int = 0
    refused: dict[int, FieldError] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)


def take_customers(connection: Connection, brand: str, given: Sequence[Customer], now: Instant) -> Intake:
    """Keep rows of one brand; a row that is there as it is already counts as a duplicate."""
    intake = Intake()
    links = CustomerLinks(connection, brand)
    links.look_up(item for customer in given for item in (customer.identifiers or {}).items())
    known = _known(connection, brand, [customer.customer_id for customer in given])
    default_zone = read_brand(connection, brand).timezone
    kept: list[Customer] = []
    for position, customer in enumerate(given):
        before = known.get(customer.customer_id)
        if before == customer:
            intake.duplicates += 1
            continue
        try:
            links.claim(customer.customer_id, customer.identifiers or {}, now)
        except FieldError as error:
            intake.refused[position] = error
            continue
        zone_before = default_zone if before is None else before.timezone or default_zone
        if zone_before != (customer.timezone or default_zone):
            intake.stale.add(links.root(customer.customer_id))
        known[customer.customer_id] = customer
        kept.append(customer)
    intake.accepted = len(kept)
    upsert_customers(connection, kept, now)
    links.write()
    intake.stale |= {links.root(stays) for _, stays, _ in links.new_merges}
    return intake


def _known(connection: Connection, brand: str, customer_ids: Sequence[str]) -> dict[str, Customer]:
    known = {}
    for start in range(0, len(customer_ids), _CHUNK):
        mine = (customers.c.brand == brand) & customers.c.customer_id.in_(customer_ids[start : start + _CHUNK])
        for row in connection.execute(select(customers.c.customer_id, customers.c.body).where(mine)):
            known[row.customer_id] = msgspec.json.decode(row.body, type=Customer)
    return known
