"""What policies gave up to learn, to be diverse, or to imitate a rule: summed over the decisions of the log."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from features.instant import Instant
from features.schema import decisions
from serving.decision import Account

_SOME = 10_000


class PolicyCost(Struct, kw_only=True):
    """Of the decisions by one policy; amounts are sums of expected value, in currency units.

    ``accounted`` are those that say what they gave up: an earlier version did not. ``agreed`` are those of the imitated
    ones in which the rule said what would have been answered first anyway.
    """

    policy: str
    decisions: int = 0
    accounted: int = 0
    expected_value: float = 0.0
    exploration_cost: float = 0.0
    exploration_cost_per_decision: float = 0.0
    diversity_price: float = 0.0
    imitated: int = 0
    agreed: int = 0
    value_instead: float = 0.0
    """Of what would have been answered where a rule was imitated."""


class _Offer(Struct):
    offer_id: str
    expected_value: float


class _Answer(Struct):
    offers: list[_Offer]


class _Logged(Struct):
    policy_version: str
    answer: _Answer
    account: Account | None = None


_decode = msgspec.json.Decoder(_Logged).decode


def costs(connection: Connection, brand: str, since: Instant, until: Instant) -> list[PolicyCost]:
    """By policy, the one with most decisions first; of what was decided from ``since`` on and before ``until``."""
    of = decisions.c
    query = select(of.body).where(of.brand == brand, of.decided_at >= since, of.decided_at < until)
    rows = connection.execute(query, execution_options={"yield_per": _SOME}).scalars()
    return sorted(_summed(rows), key=lambda one: (-one.decisions, one.policy))


def _summed(bodies: Iterable[str]) -> Iterable[PolicyCost]:
    found: dict[str, PolicyCost] = {}
    for body in bodies:
        logged = _decode(body)
        one = found.setdefault(logged.policy_version, PolicyCost(policy=logged.policy_version))
        one.decisions += 1
        one.expected_value += sum(offer.expected_value for offer in logged.answer.offers)
        if logged.account is not None:
            _add(one, logged.account, logged.answer)
    for one in found.values():
        one.exploration_cost_per_decision = one.exploration_cost / one.accounted if one.accounted else 0.0
    return found.values()


def _add(one: PolicyCost, account: Account, answer: _Answer) -> None:
    one.accounted += 1
    one.exploration_cost += account.exploration_cost
    one.diversity_price += account.diversity_price
    if account.imitation is not None:
        one.imitated += 1
        said, instead = answer.offers[:1], account.imitation.offers[:1]
        one.agreed += [offer.offer_id for offer in said] == [offer.offer_id for offer in instead]
        one.value_instead += sum(offer.expected_value for offer in account.imitation.offers)
