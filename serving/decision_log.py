"""The log of decisions: what was asked, what could have been answered and how likely, what was answered.

Written in the transaction that makes the reservations, so an answer that was given stands in the log.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select, update

from experiments import experiment_store
from experiments.exposure import Exposure
from features.customer_links import present_ids
from features.event_log import append
from features.events import NO_OFFER
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.schema import decisions
from serving.answer import Assigned, Targets, answer_of, with_targets, without_refused
from serving.decision import Decision, DecisionRequest, Predictions
from serving.errors import ConflictError
from serving.evidence import encoded, evidence_of
from serving.kept_contents import KeptContents
from serving.late_limits import refused_late
from serving.logged_decision import LOGGED_DECISION, NOT_SENT, LoggedDecision
from serving.offer_evaluation import Case
from serving.prepared import Prepared, Row
from serving.refusal import Refusal
from serving.reservations import Reservation, reserve

IDEMPOTENCY_WINDOW: Instant = MICROSECONDS_PER_DAY
_encode = msgspec.json.Encoder().encode


class Entry(Struct, frozen=True):
    """A decision to be kept, with all that led to it."""

    request: DecisionRequest
    decision: Decision
    predictions: Predictions
    policy_version: str
    currency: str | None = None
    targets: Targets = {}
    assigned: Assigned = ()
    exposures: Sequence[Exposure] = ()
    idempotency_key: str | None = None
    case: Case | None = None
    """What the decision was made of, where it is to be kept."""
    withheld: Mapping[str, Refusal] = {}
    """By offer that was decided on, why ``decision`` is without it."""

    def answer(self, decision: Decision, *, is_kept: bool = True) -> bytes:
        return self.with_targets(decision, self.answer_without_targets(decision, is_kept=is_kept))

    def answer_without_targets(self, decision: Decision, *, is_kept: bool = True) -> bytes:
        versions = self.predictions.model_versions
        return _encode(answer_of(decision, self.assigned, versions, self.currency, is_kept=is_kept))

    def with_targets(self, decision: Decision, answer: bytes) -> bytes:
        return with_targets(answer, [chosen.offer_id for chosen in decision.offers], self.targets)


class Kept(Struct, frozen=True):
    """What stands in the log: ``decision`` is ``None`` when an earlier one under the same key is answered again.

    ``conflict`` is told instead of the answer, of a key that was used for another customer.
    """

    answer: bytes
    decision: Decision | None
    logged_answer: bytes = b""
    """The answer without the targets."""
    has_lost_offers: bool = False
    """Whether offers that were decided on could not be reserved."""
    exposures: Sequence[Exposure] = ()
    conflict: ConflictError | None = None
    lost: Mapping[str, Refusal] = {}
    """By offer that was decided on and could not be had, why."""


def exposures_of(request: DecisionRequest, decision: Decision, assigned: Assigned) -> list[Exposure]:
    """That the customer of a decision is treated by these variants."""
    return [
        Exposure(
            experiment=experiment.name,
            variant=variant.name,
            unit_id=request.customer_id,
            exposed_at=request.decided_at,
            brand=request.brand,
            decision_id=request.decision_id,
            channel=decision.channel,
        )
        for experiment, variant in assigned
    ]


def record(
    connection: Connection,
    entries: Sequence[Entry],
    *,
    lake: Path,
    now: Instant | None = None,
    contents: KeptContents | None = None,
) -> list[Kept]:
    """Keep decisions with their reservations and exposures: of each what can be had, or what its key was given before.

    ``now`` is the present where that is not when the decisions are made for; ``contents`` spares who calls this over
    and over looking for what is kept already.
    """
    answered = _answers_by_key(connection, entries)
    entries = _blocks_first(entries, answered)
    fresh = _first_of_each_key(entries, answered)
    contents = contents or KeptContents()
    kept = dict(zip(fresh, _record_fresh(connection, [entries[index] for index in fresh], now, contents), strict=True))
    _expose(connection, [entries[index] for index in fresh], lake)
    for index, one in kept.items():
        _note(answered, entries[index], one.answer)
    return [kept.get(index) or _again(connection, entry, answered) for index, entry in enumerate(entries)]


_INSERT = Prepared(insert(decisions), decisions.c.keys())


class _Answered(NamedTuple):
    customer_id: str
    answer: bytes


_OF_BLOCK = b'"no_offer_reason":"%b"' % Refusal.CONTACT_BLOCKED.word.encode()
"""As the answer to a blocked customer has it, and no text of an answer: quotes in texts are escaped."""
_Key = tuple[str, str]
"""Brand and idempotency key."""


def _answers_by_key(connection: Connection, entries: Sequence[Entry]) -> dict[_Key, _Answered]:
    """The answers that the keys were given; a key whose time is over is free again."""
    answered: dict[_Key, _Answered] = {}
    for entry in entries:
        if entry.idempotency_key is None:
            continue
        mine = (decisions.c.brand == entry.request.brand) & (decisions.c.idempotency_key == entry.idempotency_key)
        row = connection.execute(select(decisions).where(mine)).first()
        if row is None:
            continue
        if row.decided_at <= entry.request.decided_at - IDEMPOTENCY_WINDOW:
            connection.execute(update(decisions).where(mine).values(idempotency_key=None))
        else:
            answered[row.brand, row.idempotency_key] = _Answered(row.customer_id, _answer_in(row.body))
    return answered


def _blocks_first(entries: Sequence[Entry], answered: Mapping[_Key, _Answered]) -> Sequence[Entry]:
    """A block goes before everything: what was answered before it is not answered again, whatever the key."""
    if not any(entry.decision.is_of_block for entry in entries):
        return entries
    before = {key for key, one in answered.items() if _OF_BLOCK not in one.answer}
    before |= {(one.request.brand, one.idempotency_key or "") for one in entries if not one.decision.is_of_block}
    return [
        replace(one, idempotency_key=None)
        if one.decision.is_of_block and (one.request.brand, one.idempotency_key) in before
        else one
        for one in entries
    ]


def _first_of_each_key(entries: Sequence[Entry], answered: Mapping[_Key, _Answered]) -> list[int]:
    """Positions of the entries that need a decision of their own."""
    seen = set(answered)
    fresh = []
    for index, entry in enumerate(entries):
        key = (entry.request.brand, entry.idempotency_key)
        if entry.idempotency_key is None or key not in seen:
            fresh.append(index)
            seen.add((entry.request.brand, entry.idempotency_key or ""))
    return fresh


def _note(answered: dict[_Key, _Answered], entry: Entry, answer: bytes) -> None:
    if entry.idempotency_key is not None:
        answered[entry.request.brand, entry.idempotency_key] = _Answered(entry.request.customer_id, answer)


def _again(connection: Connection, entry: Entry, answered: Mapping[_Key, _Answered]) -> Kept:
    brand, customer_id = entry.request.brand, entry.request.customer_id
    former_customer_id, answer = answered[brand, entry.idempotency_key or ""]
    if customer_id in (former_customer_id, present_ids(connection, brand, [former_customer_id])[former_customer_id]):
        return Kept(answer, None)
    told = "the key was used for another customer within 24 hours"
    return Kept(b"", None, conflict=ConflictError(told, field="idempotency_key"))


def _answer_in(body: str) -> bytes:
    logged = LOGGED_DECISION.decode(body)
    return bytes(logged.sent) or bytes(logged.answer)


def _record_fresh(
    connection: Connection, entries: Sequence[Entry], now: Instant | None, contents: KeptContents
) -> list[Kept]:
    if not entries:
        return []
    refused = refused_late(connection, [(one.case, one.decision) for one in entries if one.case is not None])
    wanted = [
        one
        for entry in entries
        for one in _reservations(entry)
        if one.offer.offer_id not in refused.get(one.decision_id, {})
    ]
    present = entries[0].decision.decided_at if now is None else now
    for one, refusal in zip(wanted, reserve(connection, wanted, present), strict=True):
        if refusal is not None:
            refused.setdefault(one.decision_id, {})[one.offer.offer_id] = refusal
    kept = [_kept(entry, refused.get(entry.decision.decision_id)) for entry in entries]
    contents.keep(connection, [entry.case for entry in entries if entry.case is not None], present)
    _INSERT.execute(connection, [_row(entry, one) for entry, one in zip(entries, kept, strict=True)])
    return kept


def _expose(connection: Connection, entries: Sequence[Entry], lake: Path) -> None:
    """Log who was now treated by a variant, once for each experiment."""
    exposures = [exposure for entry in entries for exposure in entry.exposures]
    if exposures:
        events = experiment_store.expose(connection, exposures)
        append(connection, events, exposures[0].exposed_at, lake=lake)


def _reservations(entry: Entry) -> list[Reservation]:
    request, decision = entry.request, entry.decision
    return [
        Reservation(
            decision.decision_id,
            chosen.offer,
            request.brand,
            request.customer_id,
            decision.decided_at,
            decision.expires_at,
            chosen.reserved_cost,
            chosen.expected_cost,
            () if entry.case is None else entry.case.offers.limits.of(chosen.offer, decision.decided_at),
        )
        for chosen in decision.offers
    ]


def _kept(entry: Entry, refused: Mapping[str, Refusal] | None) -> Kept:
    decision = without_refused(entry.decision, refused) if refused else entry.decision
    answer = entry.answer_without_targets(decision)
    lost = {**entry.withheld, **(refused or {})}
    return Kept(entry.with_targets(decision, answer), decision, answer, bool(refused), entry.exposures, lost=lost)


def _row(entry: Entry, kept: Kept) -> Row:
    """In the order of the table's columns."""
    request, decision = entry.request, kept.decision or entry.decision
    return (
        decision.decision_id,
        request.brand,
        request.customer_id,
        decision.decided_at,
        decision.expires_at,
        decision.offers[0].offer_id if decision.offers else NO_OFFER,
        decision.channel,
        entry.idempotency_key,
        _encode(_logged(entry, decision, kept)).decode(),
        None if entry.case is None else encoded(evidence_of(entry.case, decision, kept.lost)),
    )


def _logged(entry: Entry, decision: Decision, kept: Kept) -> LoggedDecision:
    predictions = entry.predictions
    return LoggedDecision(
        request=entry.request,
        answer=msgspec.Raw(kept.logged_answer),
        sent=NOT_SENT if entry.idempotency_key is None else msgspec.Raw(kept.answer),
        propensities={one.offer_id: one.propensity for one in decision.offers} or {NO_OFFER: decision.none_probability},
        none_probability=decision.none_probability,
        candidates=decision.candidates,
        policy_version=entry.policy_version,
        churn_probability=predictions.churn_probability,
        lifetime_value=predictions.lifetime_value,
        horizon_days=predictions.horizon_days,
        fallbacks=dict(predictions.fallbacks),
        account=decision.account,
    )
