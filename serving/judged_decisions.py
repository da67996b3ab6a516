"""Decisions of the log as off-policy evaluation reads them: the action, its probability, and what came of it.

How likely another policy would have taken the action is found by making each decision again under that policy.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from features.brand import read_brand
from features.decision_rewards import Decided, rewards_of
from features.events import NO_OFFER
from features.instant import Instant, parse
from features.money import from_money
from features.presented_terms import Outcome, ResponseTerms
from features.schema import decisions, reservations
from features.store import Store
from serving.answer import without_lost
from serving.applied_policy import holding_policy
from serving.catalogue_content import Content
from serving.decision import Candidate
from serving.evidence import decoded
from serving.instead import by_policy
from serving.kept_contents import read_catalogue, read_policy
from serving.logged_decision import LOGGED_DECISION, FoundDecision
from serving.policy import Policy
from serving.replay import logged_answer, rebuilt
from serving.verbs import Report

Otherwise = Callable[[Policy], Policy]
_AT_ONCE = 1_000


class Reward(StrEnum):
    """What is made of a decision: a response, as training reads it, or the margin on what was spent less what the
    accepted offers cost."""

    ACCEPTED = "accepted"
    PURCHASE = "purchase"
    VIEW = "view"
    SPEND = "spend"
    MARGIN = "margin"

    @property
    def has_model(self) -> bool:
        """Whether candidates carry a prediction of it."""
        return self in (Reward.ACCEPTED, Reward.MARGIN)


class JudgedDecision(Struct, frozen=True):
    """A row of an export.

    ``candidates`` are what was drawn among, with their probabilities to stand first; ``target`` are those of the policy
    that is judged, ``None`` where none is.
    """

    decision_id: str
    customer_id: str
    decided_at: Instant
    channel: str | None
    policy: str
    action: str
    propensity: float
    candidates: tuple[Candidate, ...]
    target: tuple[Candidate, ...] | None
    moment: Instant

    @property
    def target_probability(self) -> float:
        """Of the logged action under the policy that is judged."""
        return sum(one.probability for one in self.target or () if one.offer_id == self.action)

    def expected(self, reward: Reward) -> dict[str, float]:
        """What was predicted of each action, in the unit of the reward or near it; of one that only the judged policy
        would have considered, what that one predicts."""
        among = {one.offer_id: one for one in (*(self.target or ()), *self.candidates)}
        if reward is Reward.MARGIN:
            return {name: one.expected_value for name, one in among.items()}
        return {name: one.accept_probability for name, one in among.items()}


class Judged(NamedTuple):
    """Decisions whose windows were over, and the reward of each; how many were left out, by why."""

    rows: list[JudgedDecision]
    rewards: NDArray[np.float64]
    left_out: dict[str, int]


MENU, NOT_MADE_AGAIN, TOO_YOUNG = "several_offers", "cannot_be_made_again", "window_not_over"


def judged_decisions(
    store: Store,
    brand: str,
    since: Instant,
    as_of: Instant,
    reward: Reward,
    window_days: int,
    report: Report,
    policy: Otherwise | None = None,
    most: int | None = None,
) -> Judged:
    """The decisions of a brand from ``since`` on and before ``as_of``, judged by what happened before ``as_of``.

    ``policy`` makes of the policy that a decision was made by the one under which it is made again. Of more
    decisions than ``most`` the newest are taken.
    """
    left_out: dict[str, int] = {}
    rows: list[JudgedDecision] = []
    with store.reading() as connection:
        contents = _Contents(connection, brand)
        for done, found in enumerate(_found(connection, brand, since, as_of, most)):
            row = _judged(found, contents, policy)
            if isinstance(row, str):
                left_out[row] = left_out.get(row, 0) + 1
            else:
                rows.append(row)
            if done % _AT_ONCE == 0:
                report("decisions", done, 0)
    report("outcomes", len(rows), len(rows))
    rewards = _rewards(store, brand, rows, as_of, reward, window_days)
    is_over = ~np.isnan(rewards)
    if not is_over.all():
        left_out[TOO_YOUNG] = int((~is_over).sum())
    kept = [row for row, over in zip(rows, is_over.tolist(), strict=True) if over]
    return Judged(kept, rewards[is_over], left_out)


class _Contents:
    """Catalogues and policies that decisions name, each read once."""

    def __init__(self, connection: Connection, brand: str) -> None:
        self._connection, self._brand = connection, brand
        self._catalogues: dict[str, Content | None] = {}
        self._policies: dict[str, Policy | None] = {}

    def of(self, catalogue: str, policy: str) -> tuple[Content | None, Policy | None]:
        if catalogue not in self._catalogues:
            self._catalogues[catalogue] = read_catalogue(self._connection, self._brand, catalogue)
        if policy not in self._policies:
            self._policies[policy] = read_policy(self._connection, self._brand, policy)
        return self._catalogues[catalogue], self._policies[policy]


def _rewards(
    store: Store, brand: str, rows: Sequence[JudgedDecision], as_of: Instant, reward: Reward, window_days: int
) -> NDArray[np.float64]:
    outcome = Outcome.SPEND if reward is Reward.MARGIN else Outcome(reward)
    asked = [Decided(row.decision_id, row.customer_id, row.action, row.moment) for row in rows]
    found = rewards_of(store, brand, asked, as_of, ResponseTerms(outcome, window_days))
    if reward is not Reward.MARGIN:
        return found
    with store.reading() as connection:
        own_rate = read_brand(connection, brand).default_margin_rate
        rate = holding_policy(connection, brand).margin_rate if own_rate is None else own_rate
        charged = {
            row.decision_id: from_money(int(row.cost))
            for row in connection.execute(_CHARGED.where(reservations.c.brand == brand))
        }
    costs: NDArray[np.float64] = np.array([charged.get(row.decision_id, 0.0) for row in rows])
    return np.asarray(found * rate - costs, dtype=np.float64)


_CHARGED = (
    select(reservations.c.decision_id, func.sum(reservations.c.charged).label("cost"))
    .where(reservations.c.charged > 0)
    .group_by(reservations.c.decision_id)
)


def _found(
    connection: Connection, brand: str, since: Instant, as_of: Instant, most: int | None
) -> Iterator[FoundDecision]:
    of = decisions.c
    mine = (of.brand == brand) & (of.decided_at >= since) & (of.decided_at < as_of)
    query = select(decisions).where(mine).order_by(of.decided_at.desc(), of.decision_id).limit(most)
    for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        evidence = None if row.evidence is None else decoded(row.evidence)
        yield FoundDecision(row.brand, row.customer_id, row.decided_at, LOGGED_DECISION.decode(row.body), evidence)


def _judged(found: FoundDecision, contents: _Contents, policy: Otherwise | None) -> JudgedDecision | str:
    """The row, or why there is none."""
    logged, answer = found.logged, logged_answer(found)
    if logged.request.limit > 1:
        return MENU
    target = None
    if policy is not None:
        if found.evidence is None:
            return NOT_MADE_AGAIN
        content, former = contents.of(found.evidence.catalogue, found.evidence.policy)
        if content is None or former is None:
            return NOT_MADE_AGAIN
        case = rebuilt(found, found.evidence, content, former)
        target = by_policy(found, case, policy(former)).candidates
        # Whatever is drawn now: an offer that could not be had then could not have been had by this policy either.
        target = without_lost(target, found.evidence.lost) if found.evidence.lost else target
    action = answer.offers[0].offer_id if answer.offers else NO_OFFER
    return JudgedDecision(
        decision_id=logged.request.decision_id,
        customer_id=found.customer_id,
        decided_at=found.decided_at,
        channel=answer.channel,
        policy=logged.policy_version,
        action=action,
        propensity=answer.offers[0].propensity if answer.offers else logged.none_probability,
        candidates=logged.candidates,
        target=target,
        moment=found.decided_at if answer.send_at is None else parse(answer.send_at),
    )
