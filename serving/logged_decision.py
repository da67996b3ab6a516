"""A decision as it stands in the log: in words that any program can read, and the evidence that it was made of."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from features.instant import Instant
from features.schema import decisions
from serving.decision import Account, Candidate, DecisionRequest
from serving.evidence import Evidence, decoded

NOT_SENT = msgspec.Raw()


class LoggedDecision(Struct, kw_only=True, omit_defaults=True):
    """The body of a row. ``answer`` is what was answered, without the targets, which the catalogue has.

    ``sent`` is what was sent, to the byte, where an idempotency key may call for it again. ``candidates`` and
    ``none_probability`` are what any other policy is judged by. ``features`` is what the models saw
    (``features.vector.FEATURES``, ``null`` is missing), in rows of before :class:`Evidence`, which has it now.
    """

    request: DecisionRequest
    answer: msgspec.Raw
    sent: msgspec.Raw = NOT_SENT
    propensities: dict[str, float]
    """By offer of the answer; of ``none`` where it has no offer."""
    none_probability: float
    candidates: tuple[Candidate, ...]
    policy_version: str
    features: Sequence[float | None] | None = None
    churn_probability: float | None = None
    lifetime_value: float | None = None
    horizon_days: float | None = None
    fallbacks: dict[str, str] = {}
    account: Account | None = None
    """What the decision gave up, and what else would have been answered."""


class FoundDecision(Struct, frozen=True):
    brand: str
    customer_id: str
    decided_at: Instant
    logged: LoggedDecision
    evidence: Evidence | None
    """``None`` of decisions logged by an earlier version, and of customers who were erased."""


def find(connection: Connection, decision_id: str) -> FoundDecision | None:
    row = connection.execute(select(decisions).where(decisions.c.decision_id == decision_id)).first()
    if row is None:
        return None
    evidence = None if row.evidence is None else decoded(row.evidence)
    return FoundDecision(row.brand, row.customer_id, row.decided_at, LOGGED_DECISION.decode(row.body), evidence)


LOGGED_DECISION = msgspec.json.Decoder(LoggedDecision)
