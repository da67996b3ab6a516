"""A policy as the store keeps it: whole, under a digest of its content. Its own ``version`` is a name, which may stay
the same while a number changes."""

from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from features.errors import FieldError
from serving.policy import Policy

DIGEST_BYTES = 16
_FIELDS = {each.name: each.type for each in fields(Policy)}


@lru_cache(maxsize=256)
def policy_version(policy: Policy) -> str:
    """The digest of everything that the policy says."""
    return blake2b(policy_body(policy).encode(), digest_size=DIGEST_BYTES).hexdigest()


def policy_body(policy: Policy) -> str:
    return msgspec.json.encode(asdict(policy), order="deterministic").decode()


def policy_of(body: str | bytes) -> Policy:
    """The policy of a stored body; what it does not name, as it was not known then, has its default."""
    known: dict[str, Any] = msgspec.json.decode(body)
    return changed(Policy(), {name: value for name, value in known.items() if name in _FIELDS})


def changed(policy: Policy, numbers: dict[str, Any]) -> Policy:
    """The policy with some of what it says said otherwise.

    Raises
    ------
    FieldError
        If a policy has nothing of that name, or not of that type.
    """
    for name in numbers:
        if name not in _FIELDS:
            raise FieldError(name, numbers[name], f"one of {', '.join(_FIELDS)}")
    try:
        return msgspec.convert({**asdict(policy), **numbers}, Policy, strict=True)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        field = where.rstrip("`").partition("[")[0] or "policy"
        raise FieldError(field, numbers.get(field), what.removeprefix("Expected ").partition(",")[0]) from error
