"""A policy as the store keeps it: whole, under a digest of its content. Its own ``version`` is a name, which may stay
the same while a number changes."""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from serving.policy import Policy
from serving.policy_file import parse_policy, with_file

DIGEST_BYTES = 16
_FIELDS = {each.name: each.type for each in fields(Policy)}


@lru_cache(maxsize=256)
def policy_version(policy: Policy) -> str:
    """The digest of everything that the policy says."""
    return blake2b(policy_body(policy).encode(), digest_size=DIGEST_BYTES).hexdigest()


def policy_body(policy: Policy) -> str:
    return msgspec.json.encode(policy, order="deterministic").decode()


def policy_of(body: str | bytes) -> Policy:
    """The policy of a stored body; what it does not name, as it was not known then, has its default."""
    known: dict[str, Any] = {"edition": 1, **msgspec.json.decode(body)}
    plain = {name: getattr(Policy(), name) for name in _FIELDS}
    said = {name: value for name, value in known.items() if name in _FIELDS}
    return msgspec.convert({**msgspec.to_builtins(plain), **said}, Policy, strict=True)


def changed(policy: Policy, document: Mapping[str, Any]) -> Policy:
    """The policy with what a policy file, or anything that says it likewise, says otherwise.

    Raises
    ------
    FieldError
        If there is nothing of that name, or it must not say that.
    """
    return with_file(policy, parse_policy(document))
