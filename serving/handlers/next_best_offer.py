"""``/next_best_offer``: from a request to the decision, its log and its answer."""

import msgspec
from msgspec.structs import replace

from serving.application import Application
from serving.decision_batch import Inquiry, Question, entries_of, inquiries_of
from serving.decision_log import Kept
from serving.errors import BadRequestError
from serving.handlers.person import named
from serving.schemas import NextBestOfferRequest, decoded, parsed_instant

MOST_EXPOSURES_KNOWN = 1_000_000
_DECODER = msgspec.json.Decoder(NextBestOfferRequest)


async def next_best_offer(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    question = Question(asked, named(asked.brand or application.brand, asked.customer_id, asked.identifiers))
    if asked.dry_run:
        return await _without_trace(application, question)
    if asked.as_of is not None:
        raise BadRequestError("as_of is for dry runs only: set dry_run", field="as_of")
    kept = await application.deciding.submit(question)
    if kept is None:
        kept = await _decided_at_present(application, question)
    if kept.conflict is not None:
        raise kept.conflict
    _follow_up(application, kept)
    return kept.answer


async def _decided_at_present(application: Application, question: Question) -> Kept:
    """For a customer of whom more is known than the service's clock allows."""
    now = application.clock()
    (inquiry,) = inquiries_of(application, [question], now)
    request, customer = inquiry.request, inquiry.customer
    customer = await application.profiles_as_of.present(request.brand, request.customer_id, customer, now)
    (entry,) = entries_of(application, [inquiry._replace(customer=customer)])
    return await application.writer.submit(application.record, entry)


async def _without_trace(application: Application, question: Question) -> bytes:
    """The answer of a dry run; the same question gets the same answer."""
    now = application.clock()
    as_of = parsed_instant(question.asked.as_of, "as_of")
    decided_at = now if as_of is None else as_of
    (inquiry,) = inquiries_of(application, [question], decided_at)
    brand, person, customer = inquiry.request.brand, inquiry.request.customer_id, inquiry.customer
    if as_of is not None:
        customer = await application.profiles_as_of.customer(brand, person, customer, decided_at)
    else:
        customer = await application.profiles_as_of.present(brand, person, customer, now)
    request = replace(inquiry.request, decision_id=f"dry-run:{person}:{decided_at}")
    (entry,) = entries_of(application, [Inquiry(question, request, customer)])
    return entry.answer(entry.decision, is_kept=False)


def _follow_up(application: Application, kept: Kept) -> None:
    if kept.decision is None:
        return
    application.metrics.decision(kept.decision.no_offer_reason, kept.decision.excluded, kept.decision.fallback)
    if kept.has_lost_offers:
        application.loader.look_now()  # an offer has run out: those who ask next should be told of another
    if len(application.exposed) > MOST_EXPOSURES_KNOWN:
        application.exposed.clear()
    for one in kept.exposures:
        application.exposed.add((one.brand, one.event_id))
