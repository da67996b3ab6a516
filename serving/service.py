"""The BentoML service: which calls there are. Each is a file of ``handlers``; all lead to ``decide.py`` or the store.

The front (``front.py``) answers these calls before BentoML's own stack sees them; the endpoints below declare them for
``/docs.json`` and BentoML's clients, and answer the same bytes should the front ever not be there.
"""

import os
from typing import Any

import bentoml
import msgspec
from starlette.responses import Response

from features.events import DEFAULT_BRAND
from features.parent_death import end_with_parent
from features.settings import read_settings
from serving.application import Call, handlers_of, open_application
from serving.declared import endpoint
from serving.environment import BRAND_VARIABLE, CLOCK_VARIABLE, clock_at
from serving.errors import ServiceError
from serving.handlers.assign import assign
from serving.handlers.catalogue import customers, offers, products
from serving.handlers.customer import customer
from serving.handlers.events import events
from serving.handlers.explain import explain
from serving.handlers.next_best_offer import next_best_offer
from serving.handlers.person_rights import export, forget
from serving.handlers.plan import job, plan
from serving.handlers.score import score
from serving.handlers.subscribe import subscribe, subscriptions, unsubscribe
from serving.hook import FrontedService
from serving.http_server import leave_out_access_log
from serving.schemas import (
    AssignAnswer,
    AssignRequest,
    CustomerRequest,
    EventsAnswer,
    EventsRequest,
    ExplainRequest,
    JobAnswer,
    JobRequest,
    NextBestOfferAnswer,
    NextBestOfferRequest,
    PersonRequest,
    PlanAnswer,
    PlanRequest,
    RowsRequest,
    ScoreRequest,
    SubscribeAnswer,
    SubscribeRequest,
    SubscriptionsAnswer,
    SubscriptionsRequest,
    UnsubscribeAnswer,
    UnsubscribeRequest,
    UpsertAnswer,
)

CALLS: dict[str, Call] = {
    "/next_best_offer": next_best_offer,
    "/score": score,
    "/events": events,
    "/products": products,
    "/customers": customers,
    "/offers": offers,
    "/customer": customer,
    "/assign": assign,
    "/explain": explain,
    "/plan": plan,
    "/job": job,
    "/forget": forget,
    "/export": export,
    "/subscribe": subscribe,
    "/subscriptions": subscriptions,
    "/unsubscribe": unsubscribe,
}


@bentoml.service(service_class=FrontedService, name="lagniappe", traffic={"timeout": 10})
class Lagniappe:
    """The one offer worth making to each customer at request time, or none, and why."""

    def __init__(self) -> None:
        if bentoml.server_context.worker_index is not None:
            end_with_parent()
        leave_out_access_log()
        clock = clock_at(os.environ.get(CLOCK_VARIABLE))
        self._application = open_application(read_settings(), clock, os.environ.get(BRAND_VARIABLE) or DEFAULT_BRAND)
        self.handlers = handlers_of(self._application, CALLS)
        self.observe = self._application.metrics.request

    @endpoint(NextBestOfferRequest, NextBestOfferAnswer)
    async def next_best_offer(self, **fields: Any) -> Any:
        """The offer worth making to a customer now, or none, and why."""
        return await self._call("/next_best_offer", fields)

    @endpoint(ScoreRequest)
    async def score(self, **fields: Any) -> Any:
        """What the champions say of up to 1,000 customers, in order."""
        return await self._call("/score", fields)

    @endpoint(EventsRequest, EventsAnswer)
    async def events(self, **fields: Any) -> Any:
        """Take in up to 1,000 events: durable when answered, known to the next decision."""
        return await self._call("/events", fields)

    @endpoint(RowsRequest, UpsertAnswer)
    async def products(self, **fields: Any) -> Any:
        """Put up to 1,000 products into the catalogue."""
        return await self._call("/products", fields)

    @endpoint(RowsRequest, UpsertAnswer)
    async def customers(self, **fields: Any) -> Any:
        """Put up to 1,000 customers into the store."""
        return await self._call("/customers", fields)

    @endpoint(RowsRequest, UpsertAnswer)
    async def offers(self, **fields: Any) -> Any:
        """Put up to 1,000 offers into the catalogue."""
        return await self._call("/offers", fields)

    @endpoint(CustomerRequest)
    async def customer(self, **fields: Any) -> Any:
        """What is known of one customer, in words and numbers."""
        return await self._call("/customer", fields)

    @endpoint(AssignRequest, AssignAnswer)
    async def assign(self, **fields: Any) -> Any:
        """The variant of a unit in a running experiment, without exposure."""
        return await self._call("/assign", fields)

    @endpoint(ExplainRequest)
    async def explain(self, **fields: Any) -> Any:
        """A decision of the log made again: what it was made of, what was left out and why, how likely it was."""
        return await self._call("/explain", fields)

    @endpoint(PlanRequest, PlanAnswer)
    async def plan(self, **fields: Any) -> Any:
        """Begin to decide for every customer as of an instant; the answer is a job to ask after."""
        return await self._call("/plan", fields)

    @endpoint(PersonRequest)
    async def forget(self, **fields: Any) -> Any:
        """Erase a person for good; the answer is a signed receipt of what went."""
        return await self._call("/forget", fields)

    @endpoint(PersonRequest)
    async def export(self, **fields: Any) -> Any:
        """Everything that is held on one person, table by table."""
        return await self._call("/export", fields)

    @endpoint(JobRequest, JobAnswer)
    async def job(self, **fields: Any) -> Any:
        """How a job stands, and where its file is."""
        return await self._call("/job", fields)

    @endpoint(SubscribeRequest, SubscribeAnswer)
    async def subscribe(self, **fields: Any) -> Any:
        """Have a URL told of events, as signed CloudEvents; the secret is shown this once."""
        return await self._call("/subscribe", fields)

    @endpoint(SubscriptionsRequest, SubscriptionsAnswer)
    async def subscriptions(self, **fields: Any) -> Any:
        """The subscriptions of a brand that have not ended."""
        return await self._call("/subscriptions", fields)

    @endpoint(UnsubscribeRequest, UnsubscribeAnswer)
    async def unsubscribe(self, **fields: Any) -> Any:
        """End a subscription; what was still to be delivered to it is dropped."""
        return await self._call("/unsubscribe", fields)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML's decorators have no types
    def close(self) -> None:
        self._application.close()

    async def _call(self, path: str, fields: dict[str, Any]) -> Any:
        try:
            status, body = 200, await self.handlers[path](msgspec.json.encode(fields))
        except ServiceError as error:
            status, body = error.status, error.body()
        return Response(body, status_code=status, media_type="application/json")
