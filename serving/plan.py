"""A plan: decisions for everyone of a brand as of one instant, kept under a name.

Its decisions lie in the log like all others. The id of each follows from the plan's name and the customer, so that the
same name gives the same decisions, and one that was interrupted is known from what it left behind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from features.errors import FieldError
from features.events import NO_OFFER
from features.instant import Instant, parse
from features.money import Money
from features.schema import decisions, plans, reservations
from serving.logged_decision import LOGGED_DECISION
from serving.schemas import NextBestOfferAnswer

RUNNING, DONE = "running", "done"
_answer = msgspec.json.Decoder(NextBestOfferAnswer)


class PlanTerms(msgspec.Struct, frozen=True):
    """What a plan was asked for; under one name it stays the same."""

    brand: str
    name: str
    as_of: Instant
    channels: tuple[str, ...]
    budget: Money | None = None
    """The most that all offers of the plan together may cost; ``None`` for no limit."""

    @property
    def prefix(self) -> str:
        """Of the ids of its decisions."""
        return f"plan-{_digest(self.brand, self.name)}-"

    def decision_id(self, customer_id: str) -> str:
        return self.prefix + _digest(customer_id)


@dataclass(frozen=True, slots=True)
class PlannedDecision:
    """One customer's row; ``offer_id`` may be ``none``, and times are instants."""

    decision_id: str
    customer_id: str
    offer_id: str
    propensity: float
    channel: str | None
    send_at: Instant | None
    expected_value: float
    words: dict[str, str] | None


def _digest(*parts: str) -> str:
    told_apart = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(told_apart.encode(), digest_size=12).hexdigest()


def begin(connection: Connection, terms: PlanTerms, now: Instant) -> bool:
    """Whether there is still something to decide: False for a plan that was finished before.

    Raises
    ------
    FieldError
        If the name belongs to a plan of other terms.
    """
    mine = (plans.c.brand == terms.brand) & (plans.c.name == terms.name)
    known = connection.execute(select(plans.c.state, plans.c.body).where(mine)).first()
    if known is None:
        body = msgspec.json.encode(terms).decode()
        row = {"brand": terms.brand, "name": terms.name, "state": RUNNING, "path": None, "body": body}
        connection.execute(insert(plans).values(row | {"created_at": now}))
        return True
    if msgspec.json.decode(known.body, type=PlanTerms) != terms:
        raise FieldError("name", terms.name, f"another one: there is a plan of that name with the terms {known.body}")
    return bool(known.state == RUNNING)


def finish(connection: Connection, terms: PlanTerms, path: str) -> None:
    mine = (plans.c.brand == terms.brand) & (plans.c.name == terms.name)
    connection.execute(update(plans).where(mine).values(state=DONE, path=path))


def planned(connection: Connection, terms: PlanTerms) -> Iterator[PlannedDecision]:
    """The decisions of a plan as they stand in the log, by customer id; the connection must stay open meanwhile."""
    of = decisions.c
    query = select(of.decision_id, of.customer_id, of.body).where(of.decision_id.startswith(terms.prefix))
    query = query.order_by(of.customer_id).execution_options(yield_per=1_000)
    for row in connection.execute(query).mappings():
        yield _planned(row)


def _planned(row: RowMapping) -> PlannedDecision:
    logged = LOGGED_DECISION.decode(row["body"])
    answer = _answer.decode(logged.answer)
    offer = answer.offers[0] if answer.offers else None
    return PlannedDecision(
        decision_id=row["decision_id"],
        customer_id=row["customer_id"],
        offer_id=NO_OFFER if offer is None else offer.offer_id,
        propensity=logged.none_probability if offer is None else offer.propensity,
        channel=answer.channel,
        send_at=None if answer.send_at is None else parse(answer.send_at),
        expected_value=0.0 if offer is None else offer.expected_value,
        words=None if offer is None else offer.words,
    )


def decided_customers(connection: Connection, terms: PlanTerms) -> set[str]:
    """Who has a decision of this plan already."""
    query = select(decisions.c.customer_id).where(decisions.c.decision_id.startswith(terms.prefix))
    return set(connection.execute(query).scalars())


def reserved_cost(connection: Connection, terms: PlanTerms) -> Money:
    """The most that the offers made by this plan so far may cost."""
    total = func.coalesce(func.sum(reservations.c.cost), 0)
    query = select(total).where(reservations.c.decision_id.startswith(terms.prefix))
    return int(connection.execute(query).scalar_one())
