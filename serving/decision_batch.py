"""From questions to entries of the log, several at once.

One look into the store, one pass of each model and warm caches cost little more for eight customers than for one, and
each is answered as they would have been alone.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from experiments.exposure import Exposure
from features.instant import Instant
from features.money import to_money
from serving.customer_history import CustomerHistory, histories
from serving.customer_reader import Named
from serving.decide import decide
from serving.decision import BasketLine, CustomerState, Decision, DecisionRequest, Predictions
from serving.decision_log import Entry, Kept, exposures_of
from serving.errors import OverloadedError
from serving.experiment_facts import facts_of
from serving.loading import Assigned, BrandState
from serving.offer_evaluation import Case
from serving.policy import Policy
from serving.predictions import Models, predict_together
from serving.schemas import NextBestOfferRequest

if TYPE_CHECKING:
    from serving.application import Application


class Question(NamedTuple):
    """A request that is well formed, and whom it is about."""

    asked: NextBestOfferRequest
    named: Named


class Inquiry(NamedTuple):
    """A question with what is known of the customer."""

    question: Question
    request: DecisionRequest
    customer: CustomerState


class _Treatment(NamedTuple):
    """The variants that a customer is treated by, and the models and policy that follow from them."""

    brand: BrandState
    assigned: Assigned
    models: Models
    policy: Policy


WaitingQuestion = tuple[Question, "asyncio.Future[Kept | None]"]


def decide_together(application: "Application", waiting: Sequence[WaitingQuestion]) -> None:
    """Decide, and have the decisions kept: each future gives what was kept once it is durable.

    It gives ``None`` where the profile is ahead of the clock of the service: the past must be asked for the customer.
    Where one question fails, the others are decided without it.
    """
    try:
        now = application.clock()
        inquiries = inquiries_of(application, [question for question, _ in waiting], now)
        is_ahead = [application.profiles_as_of.is_ahead(inquiry.customer.profile, now) for inquiry in inquiries]
        present = [inquiry for inquiry, ahead in zip(inquiries, is_ahead, strict=True) if not ahead]
        entries = iter(entries_of(application, present))
    except Exception as error:
        _decide_one_by_one(application, waiting, error)
        return
    for (_, future), ahead in zip(waiting, is_ahead, strict=True):
        if not ahead:
            _keep(application, next(entries), future)
        elif not future.done():
            future.set_result(None)


def _keep(application: "Application", entry: Entry, future: "asyncio.Future[Kept | None]") -> None:
    try:
        application.writer.submit(application.record, entry, future)
    except OverloadedError as error:
        _fail(future, error)


def _fail(future: "asyncio.Future[Kept | None]", error: Exception) -> None:
    if not future.done():  # else whoever asked has gone
        future.set_exception(error)


def _decide_one_by_one(application: "Application", waiting: Sequence[WaitingQuestion], error: Exception) -> None:
    if len(waiting) == 1:
        _fail(waiting[0][1], error)
        return
    for one in waiting:
        decide_together(application, [one])


def inquiries_of(application: "Application", questions: Sequence[Question], now: Instant) -> list[Inquiry]:
    named, reader = [question.named for question in questions], application.reader
    asks = application.loader.asks_for_channels
    people = reader.people(named, with_channels=True) if asks else reader.people(named)
    return [
        Inquiry(question, _request(question, person, now), customer)
        for question, (person, customer) in zip(questions, people, strict=True)
    ]


def entries_of(application: "Application", inquiries: Sequence[Inquiry]) -> list[Entry]:
    """One each, in order; all of the inquiries are of one instant."""
    treated = [_treatment(application, inquiry) for inquiry in inquiries]
    known: dict[int, tuple[Predictions, CustomerHistory]] = {}
    for rows in _treated_alike(treated):
        profiles = [inquiries[row].customer.profile for row in rows]
        models, offers = treated[rows[0]].models, treated[rows[0]].brand.offers
        customers = [inquiries[row].customer.customer for row in rows]
        predicted = predict_together(models, profiles, inquiries[rows[0]].request.decided_at, offers, customers)
        known.update(zip(rows, zip(predicted, histories(profiles, offers), strict=True), strict=True))
    return [_entry(application, inquiry, treated[row], *known[row]) for row, inquiry in enumerate(inquiries)]


def _treated_alike(treated: Sequence[_Treatment]) -> Iterable[list[int]]:
    """The positions of those who see the same models and the same offers."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for row, (brand, _, models, _) in enumerate(treated):
        # Not by their versions: another brand's model may have the same number.
        loaded = (
            models.churn,
            models.lifetime_value,
            models.favourite_product,
            models.send_time,
            models.offer_response,
        )
        missing = frozenset(models.missing_versions.items())
        alike.setdefault((id(brand), *map(id, loaded), missing), []).append(row)
    return alike.values()


def _treatment(application: "Application", inquiry: Inquiry) -> _Treatment:
    brand = application.loader.state(inquiry.request.brand)
    assigned = _assigned(application, brand, inquiry.request, inquiry.customer)
    return _Treatment(brand, assigned, *brand.treated(assigned))


def _assigned(
    application: "Application", brand: BrandState, request: DecisionRequest, customer: CustomerState
) -> Assigned:
    if not brand.experiments:
        return ()
    stored = application.reader.variants(request.brand, request.customer_id)
    facts = facts_of(brand.experiments, customer, request.channels[0] if request.channels else None, request.decided_at)
    return brand.assign(request.customer_id, stored, request.decided_at, facts)


def _request(question: Question, person: str, decided_at: Instant) -> DecisionRequest:
    asked = question.asked
    named = [asked.channel] if asked.channel else []
    return DecisionRequest(
        customer_id=person,
        decided_at=decided_at,
        decision_id=_new_decision_id(decided_at),
        brand=question.named.brand,
        channels=tuple(dict.fromkeys([*named, *(asked.channels or ())])),
        placement=asked.placement,
        language=asked.language,
        limit=asked.limit or 1,
        basket=_basket(asked),
        context=asked.context or {},
        is_dry_run=asked.dry_run or False,
    )


def _basket(asked: NextBestOfferRequest) -> tuple[BasketLine, ...] | None:
    if asked.basket is None:
        return None
    return tuple(
        BasketLine(line.product_id, 1.0 if line.quantity is None else line.quantity, to_money(line.amount or 0))
        for line in asked.basket
    )


def _new_decision_id(at: Instant) -> str:
    """A name that nobody else gives; those of one time lie together in the store's index."""
    return f"{max(at, 0):014x}{os.urandom(9).hex()}"


def _entry(
    application: "Application",
    inquiry: Inquiry,
    treatment: _Treatment,
    predictions: Predictions,
    history: CustomerHistory,
) -> Entry:
    request, brand = inquiry.request, treatment.brand
    decision = decide(request, inquiry.customer, history, brand.offers, predictions, treatment.policy)
    is_exposed = not (decision.is_of_block or request.is_dry_run)
    return Entry(
        request=request,
        decision=decision,
        predictions=predictions,
        policy_version=treatment.policy.version,
        currency=brand.offers.terms.currency,
        targets=brand.targets,
        assigned=treatment.assigned,
        exposures=_first_exposures(application, request, treatment.assigned, decision) if is_exposed else (),
        idempotency_key=None if request.is_dry_run else inquiry.question.asked.idempotency_key,
        case=Case(request, inquiry.customer, history, brand.offers, predictions, treatment.policy),
    )


def _first_exposures(
    application: "Application", request: DecisionRequest, assigned: Assigned, decision: Decision
) -> list[Exposure]:
    """The variants by which the customer is treated here for the first time, as far as this worker knows."""
    exposures = exposures_of(request, decision, assigned)
    return [one for one in exposures if (one.brand, one.event_id) not in application.exposed]
