"""Who is who: anonymous customers named by an identifier, and customers that turned out to be one."""

from collections.abc import Iterable, Mapping
from hashlib import sha256

from features.events import IDENTIFIER_KINDS
from features.instant import Instant

ANONYMOUS = "anonymous:"
_SEPARATOR = "\x1f"

Merge = tuple[str, str, Instant]
"""(the customer that ends, the customer that stays, when)."""


def is_anonymous(customer_id: str) -> bool:
    return customer_id.startswith(ANONYMOUS)


def anonymous_id(identifiers: Mapping[str, str]) -> str:
    """The name of a customer of whom only identifiers are known: that of the first kind which is there.

    >>> anonymous_id({"device": "d-1", "card": "7"}) == anonymous_id({"card": "7"})
    True
    """
    kind = next(kind for kind in IDENTIFIER_KINDS if kind in identifiers)
    digest = sha256(f"{kind}{_SEPARATOR}{identifiers[kind]}".encode()).hexdigest()
    return f"{ANONYMOUS}{digest[:16]}"


def anonymous_id_sql(kind: str, value: str) -> str:
    """``anonymous_id`` of one kind, of an SQL expression of its value, for DuckDB."""
    return f"'{ANONYMOUS}' || left(sha256('{kind}' || chr({ord(_SEPARATOR)}) || {value}), 16)"


def roots(merges: Iterable[Merge], before: Instant | None = None) -> dict[str, str]:
    """Who each merged customer is now: the one that stays at the end of its chain.

    Merges at or after ``before`` are not yet known. Where merges go round in a circle the earlier ones hold.

    >>> roots([("a", "b", 10), ("b", "c", 20)])
    {'a': 'c', 'b': 'c'}
    >>> roots([("a", "b", 10), ("b", "c", 20)], before=20)
    {'a': 'b'}
    """
    parents: dict[str, str] = {}
    for merged, stays, occurred_at in sorted(merges, key=lambda merge: (merge[2], merge[:2])):
        if before is not None and occurred_at >= before:
            break
        ends, root = find(parents, merged), find(parents, stays)
        if ends != root:
            parents[ends] = root
    return {customer_id: find(parents, customer_id) for customer_id in list(parents)}


def find(parents: dict[str, str], customer_id: str) -> str:
    """The end of a chain; the chain is shortened on the way."""
    root = customer_id
    while root in parents:
        root = parents[root]
    while customer_id != root:
        parents[customer_id], customer_id = root, parents[customer_id]
    return root
