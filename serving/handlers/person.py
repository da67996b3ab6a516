"""Whom a caller means."""

from features.events import IDENTIFIER_KINDS
from features.instant import Instant
from serving.customer_reader import CustomerReader
from serving.decision import CustomerState
from serving.errors import BadRequestError


def known_person(
    reader: CustomerReader, brand: str, customer_id: str | None, identifiers: dict[str, str] | None, now: Instant
) -> tuple[str, CustomerState]:
    """The id that stands for the person now, and what is known; a person never heard of has an id too.

    Raises
    ------
    BadRequestError
        If the caller names nobody, or by a kind of identifier that there is not.
    """
    if customer_id is None and not identifiers:
        raise BadRequestError("got neither customer_id nor identifiers, expected one of them", field="customer_id")
    unknown = set(identifiers or ()) - set(IDENTIFIER_KINDS)
    if unknown:
        expected = f"one of {', '.join(IDENTIFIER_KINDS)}"
        raise BadRequestError(f"identifiers: got kind {min(unknown)!r}, expected {expected}", field="identifiers")
    return reader.person(brand, customer_id, identifiers or {}, now)
