"""``/next_best_offer``: from a request to the decision, its log and its answer."""

import os
from dataclasses import replace

import msgspec

from experiments.exposure import Exposure
from features.instant import Instant
from features.money import to_money
from serving.application import Application
from serving.decide import BasketLine, CustomerState, Decision, DecisionRequest, Predictions, decide
from serving.decision_log import Entry, exposures_of
from serving.eligibility import Refusal
from serving.errors import BadRequestError
from serving.experiment_facts import facts_of
from serving.handlers.person import known_person
from serving.loading import Assigned, BrandState
from serving.predictions import Models, horizon_days, predict
from serving.schemas import NextBestOfferRequest, decoded, parsed_instant

MOST_EXPOSURES_KNOWN = 1_000_000
_DECODER = msgspec.json.Decoder(NextBestOfferRequest)


async def next_best_offer(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    if asked.dry_run:
        return await _without_trace(application, asked)
    if asked.as_of is not None:
        raise BadRequestError("as_of is for dry runs only: set dry_run", field="as_of")
    now = application.clock()
    request, customer = _asked(application, asked, now)
    if application.past.is_ahead(customer.profile, now):
        customer = await application.past.present(request.brand, request.customer_id, customer, now)
    entry = _decided(application, request, customer, asked.idempotency_key)
    kept = await application.writer.submit(application.record, entry)
    if kept.decision is not None:
        _follow_up(application, entry, kept.decision)
    return kept.answer


async def _without_trace(application: Application, asked: NextBestOfferRequest) -> bytes:
    """The answer of a dry run; the same question gets the same answer."""
    now = application.clock()
    as_of = parsed_instant(asked.as_of, "as_of")
    decided_at = now if as_of is None else as_of
    request, customer = _asked(application, asked, decided_at)
    request = replace(request, decision_id=f"dry-run:{request.customer_id}:{decided_at}")
    if as_of is not None:
        customer = await application.past.customer(request.brand, request.customer_id, customer, decided_at)
    else:
        customer = await application.past.present(request.brand, request.customer_id, customer, now)
    entry = _decided(application, request, customer, None)
    return entry.answer(entry.decision, is_kept=False)


def _asked(
    application: Application, asked: NextBestOfferRequest, decided_at: Instant
) -> tuple[DecisionRequest, CustomerState]:
    """What is to be decided, and for whom."""
    brand = asked.brand or application.brand
    person, customer = known_person(application.reader, brand, asked.customer_id, asked.identifiers, decided_at)
    named = [asked.channel] if asked.channel else []
    request = DecisionRequest(
        customer_id=person,
        decided_at=decided_at,
        decision_id=_new_decision_id(decided_at),
        brand=brand,
        channels=tuple(dict.fromkeys([*named, *(asked.channels or ())])),
        placement=asked.placement,
        language=asked.language,
        limit=asked.limit or 1,
        basket=_basket(asked),
        context=asked.context or {},
        is_dry_run=asked.dry_run or False,
    )
    return request, customer


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


def _decided(
    application: Application, request: DecisionRequest, customer: CustomerState, idempotency_key: str | None
) -> Entry:
    brand = application.loader.state(request.brand)
    assigned = _assigned(application, brand, request, customer)
    models, policy = brand.treated(assigned)
    predictions = _predictions(models, request, customer, brand)
    decision = decide(request, customer, brand.offers, predictions, policy)
    is_blocked = decision.no_offer_reason == Refusal.CONTACT_BLOCKED.word
    return Entry(
        request=request,
        decision=decision,
        predictions=predictions,
        policy_version=policy.version,
        currency=brand.offers.terms.currency,
        targets=brand.targets,
        assigned=assigned,
        exposures=() if is_blocked else _first_exposures(application, request, assigned, decision),
        # A block goes before everything, also before the answer that the key was given earlier.
        idempotency_key=None if is_blocked else idempotency_key,
    )


def _assigned(
    application: Application, brand: BrandState, request: DecisionRequest, customer: CustomerState
) -> Assigned:
    if not brand.experiments:
        return ()
    stored = application.reader.variants(request.brand, request.customer_id)
    facts = facts_of(brand.experiments, customer, request.channels[0] if request.channels else None, request.decided_at)
    return brand.assign(request.customer_id, stored, request.decided_at, facts)


def _predictions(models: Models, request: DecisionRequest, customer: CustomerState, brand: BrandState) -> Predictions:
    if customer.profile is not None:
        return predict(models, customer.profile, request.decided_at, brand.offers)
    return Predictions(horizon_days=horizon_days(models), model_versions=models.versions, fallbacks=models.missing)


def _first_exposures(
    application: Application, request: DecisionRequest, assigned: Assigned, decision: Decision
) -> list[Exposure]:
    """The variants by which the customer is treated here for the first time, as far as this worker knows."""
    exposures = exposures_of(request, decision, assigned)
    return [one for one in exposures if (one.brand, one.event_id) not in application.exposed]


def _follow_up(application: Application, entry: Entry, kept: Decision) -> None:
    application.metrics.decision(kept.no_offer_reason, kept.excluded, kept.fallback)
    if len(kept.offers) < len(entry.decision.offers):
        application.loader.look_now()  # an offer has run out: those who ask next should be told of another
    if len(application.exposed) > MOST_EXPOSURES_KNOWN:
        application.exposed.clear()
    application.exposed.update((one.brand, one.event_id) for one in entry.exposures)
