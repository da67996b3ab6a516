"""Whom a caller means."""

from features.events import IDENTIFIER_KINDS
from serving.customer_reader import Named
from serving.errors import BadRequestError


def named(brand: str, customer_id: str | None, identifiers: dict[str, str] | None) -> Named:
    """
    Raises
    ------
    BadRequestError
        If the caller names nobody, or by a kind of identifier that there is not.
    """
    if customer_id is None and not identifiers:
        raise BadRequestError("got neither customer_id nor identifiers, expected one of them", field="customer_id")
    if not identifiers:
        return Named(brand, customer_id, {})
    unknown = set(identifiers) - set(IDENTIFIER_KINDS)
    if unknown:
        expected = f"one of {', '.join(IDENTIFIER_KINDS)}"
        raise BadRequestError(f"identifiers: got kind {min(unknown)!r}, expected {expected}", field="identifiers")
    return Named(brand, customer_id, identifiers)
