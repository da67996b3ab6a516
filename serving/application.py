"""Everything that answering calls needs, put together once per worker; and the calls by path."""

import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from features.settings import Settings
from features.store import Store, open_store
from serving.clock import Clock
from serving.customer_reader import CustomerReader
from serving.errors import ServiceError, UnavailableError
from serving.front import Handler
from serving.loading import Loader
from serving.metrics import Metrics
from serving.writer import Writer, is_of_store

THREAD_SWITCH_SECONDS = 0.001
"""How long the writer may wait for a request's computation to let it run; Python's default of 5 ms shows at p99."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    store: Store
    clock: Clock
    reader: CustomerReader
    writer: Writer
    loader: Loader
    metrics: Metrics

    def close(self) -> None:
        self.loader.close()
        self.writer.close()
        self.store.close()


Call = Callable[[Application, bytes], Awaitable[bytes]]


def open_application(settings: Settings, clock: Clock) -> Application:
    """
    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    store = open_store(settings.workspace.absolute(), settings.database_url)
    loader = Loader(store)
    loader.start()
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the worker: the collector need not walk it again and again
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    return Application(store, clock, CustomerReader(store), Writer(store), loader, Metrics())


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
        log.error("the store cannot be read: %s", type(error).__name__)
        raise UnavailableError("the store cannot be read") from error
