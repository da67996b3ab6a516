"""Everything that answering calls needs, put together once per worker; and the calls by path."""

import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from features.errors import FieldError
from features.event_log import AppendResult, append
from features.events import Event
from features.fields import identifier
from features.instant import Instant
from features.settings import Settings
from features.store import Store, open_store
from serving.customer_reader import MOST_AT_ONCE, CustomerReader
from serving.decision_batch import Question, decide_together
from serving.decision_log import Entry, Kept
from serving.environment import Clock, system_clock
from serving.errors import BadRequestError, ServiceError, UnavailableError
from serving.front import Handler
from serving.gathering import Gathering
from serving.kept_contents import KeptContents
from serving.listeners import Listeners
from serving.loading import Loader
from serving.metrics import Metrics
from serving.outgoing_metrics import OutgoingMetrics
from serving.profiles_as_of import ProfilesAsOf
from serving.told_decisions import record_and_tell
from serving.trigger_arming import arm_for_events
from serving.trigger_book import TriggerBook
from serving.webhook_address import read_allowed
from serving.webhook_delivery import Courier
from serving.webhook_signature import webhook_key
from serving.writer import Write, Writer, is_of_store

THREAD_SWITCH_SECONDS = 0.001
"""How long the writer may wait for a request's computation to let it run; Python's default of 5 ms shows at p99."""
GARBAGE_THRESHOLDS = (10_000, 20, 20)
"""A request makes hundreds of objects and no cycles: Python's default has the collector look after every other one."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventBatch:
    events: Sequence[Event]
    received_at: Instant


@dataclass(frozen=True, slots=True)
class Application:
    brand: str
    """Of requests that name none."""
    store: Store
    clock: Clock
    reader: CustomerReader
    profiles_as_of: ProfilesAsOf
    writer: Writer
    loader: Loader
    metrics: Metrics
    listeners: Listeners
    courier: Courier
    triggers: TriggerBook
    record: Write[Entry, Kept]
    append: Write[EventBatch, AppendResult]
    exposed: set[tuple[str, str]] = field(default_factory=set)
    """(brand, event id) of exposures known to be logged, so that they need not be looked up for every decision."""
    deciding: Gathering[Question, Kept | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "deciding", Gathering(partial(decide_together, self), MOST_AT_ONCE))

    def brand_of(self, named: str | None) -> str:
        """The brand of a request.

        Raises
        ------
        BadRequestError
            If no brand could have that name.
        """
        try:
            return self.brand if named is None else identifier("brand", named)
        except FieldError as error:
            raise BadRequestError(str(error), field="brand") from None

    def close(self) -> None:
        self.courier.close()
        self.loader.close()
        self.writer.close()
        self.store.close()


Call = Callable[[Application, bytes], Awaitable[bytes]]


def open_application(settings: Settings, clock: Clock, brand: str, *, is_serving: bool = True) -> Application:
    """``is_serving``: that requests are answered, so that what goes out by itself does so meanwhile.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    store = open_store(settings.workspace.absolute(), settings.database_url)
    loader = Loader(store, clock=clock)
    loader.start()
    profiles_as_of = ProfilesAsOf(store, stands_still=clock is not system_clock)
    if clock is not system_clock:
        profiles_as_of.warm(brand)
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the worker: the collector need not walk it again and again
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    listeners, outgoing = Listeners(store), OutgoingMetrics()
    courier = Courier(store, listeners, read_allowed(), partial(webhook_key, store.workspace), outgoing.webhook)
    triggers = TriggerBook(store)
    triggers.refresh()
    application = Application(
        brand=brand,
        store=store,
        clock=clock,
        reader=CustomerReader(store),
        profiles_as_of=profiles_as_of,
        writer=Writer(store),
        loader=loader,
        metrics=Metrics(store.workspace),
        listeners=listeners,
        courier=courier,
        triggers=triggers,
        record=partial(record_and_tell, lake=store.lake, contents=KeptContents(), listeners=listeners),
        append=partial(_append, lake=store.lake, triggers=triggers),
    )
    if is_serving:
        _start_what_goes_out(application, outgoing)
    return application


def _start_what_goes_out(application: Application, outgoing: OutgoingMetrics) -> None:
    from serving.trigger_watch import Watch  # which is of applications, and not known to them

    watch = Watch(application, outgoing.trigger)
    application.store.at_close(watch.close)
    application.courier.start()
    watch.start()


@contextmanager
def naming_what_is_missing() -> Iterator[None]:
    """Have the caller told what to install, where bulk history must be read and what reads it is not there.

    Raises
    ------
    UnavailableError
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if not is_of_store(error):
            raise
        raise _told(error) from error


def _append(
    connection: Connection, batches: Sequence[EventBatch], *, lake: Path, triggers: TriggerBook
) -> list[AppendResult]:
    with naming_what_is_missing():
        results = [append(connection, batch.events, batch.received_at, lake=lake) for batch in batches]
    if triggers.brands:
        for batch, result in zip(batches, results, strict=True):
            arm_for_events(connection, triggers, batch.events, result, batch.received_at)
    return results


def handlers_of(application: Application, calls: dict[str, Call]) -> dict[str, Handler]:
    return {path: partial(_answer, application, call) for path, call in calls.items()}


async def _answer(application: Application, call: Call, body: bytes) -> bytes:
    try:
        return await call(application, body)
    except ServiceError:
        raise
    except Exception as error:
        if not is_of_store(error):
            raise
        raise _told(error) from error


def _told(error: Exception) -> UnavailableError:
    """What the caller is told of a failure of the store; whoever runs the service finds in the log which it was."""
    if isinstance(error, ModuleNotFoundError):
        return UnavailableError(f"bulk history has to be read, which needs {error.name}: install lagniappe[train]")
    log.error("the store cannot be read: %s", type(error).__name__)
    return UnavailableError("the store cannot be read")
