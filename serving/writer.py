"""Group commit: one thread per worker turns many small writes into few transactions, and answers when they are durable.

A forced write to disk costs about as much for fifty decisions as for one. Whoever submits waits for the transaction
that holds their write, so what was answered cannot be lost. What is written is no concern of this file.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from msgspec import Struct
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from features.store import Store
from serving.errors import OverloadedError, UnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")
Write = Callable[[Connection, Sequence[Item]], Sequence[Result]]
"""Writes several items in the transaction of the connection and gives one result for each, in order."""

LARGEST_BATCH = 64
MOST_WAITING = 1024

_DRIVERS = ("psycopg", "duckdb", "_duckdb")
_OF_BULK_HISTORY = ("duckdb", "ibis", "pyarrow")

log = logging.getLogger(__name__)


class _Submitted(Struct, frozen=True, eq=False):
    write: Write[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


_Outcome = tuple[_Submitted, Any, BaseException | None]


class Writer:
    def __init__(self, store: Store, *, most_waiting: int = MOST_WAITING) -> None:
        self._store = store
        self._most_waiting = most_waiting
        self._queue: SimpleQueue[list[_Submitted] | None] = SimpleQueue()
        self._gathered: list[_Submitted] = []
        self._waiting = 0
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(
        self, write: Write[Item, Result], item: Item, future: "asyncio.Future[Any] | None" = None
    ) -> "asyncio.Future[Result]":
        """The result of ``write`` for ``item``, once it is durable; in a future of the caller's, if there is one.

        Raises
        ------
        OverloadedError
            If too much is waiting already.
        UnavailableError
            From the future, if the store cannot make it durable; then nothing of it was written.
        """
        if self._waiting >= self._most_waiting:
            raise OverloadedError(f"{self._most_waiting} writes are waiting")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        future = loop.create_future() if future is None else future
        if not self._gathered:
            loop.call_soon(self._hand_over)  # after the requests that came in together with this one
        self._gathered.append(_Submitted(cast("Write[Any, Any]", write), item, future, loop))
        return future

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._queue.put(gathered)

    def close(self) -> None:
        """Write what was submitted before, and end."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            outcomes = self._commit(first, self._waiting_too)
            for loop, of_loop in groupby(outcomes, key=lambda outcome: outcome[0].loop):
                self._tell(loop, list(of_loop))
        self._drop_connection()

    def _waiting_too(self) -> Iterator[_Submitted]:
        """What else is waiting, up to about a whole batch."""
        count = 0
        while count < LARGEST_BATCH:
            try:
                following = self._queue.get_nowait()
            except Empty:
                return
            if following is None:
                self._queue.put(None)  # for ``_run`` to meet
                return
            count += len(following)
            yield from following

    def _tell(self, loop: asyncio.AbstractEventLoop, outcomes: Sequence[_Outcome]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._complete, outcomes)

    def _complete(self, outcomes: Sequence[_Outcome]) -> None:
        self._waiting -= len(outcomes)
        for outcome in outcomes:
            _settle(*outcome)

    def _commit(
        self,
        batch: list[_Submitted],
        waiting_too: Callable[[], Iterator[_Submitted]] = lambda: iter(()),
        *,
        is_again: bool = False,
    ) -> list[_Outcome]:
        has_begun = False
        try:
            with self._store.writing_on(self._kept_connection()) as connection:
                has_begun = True
                batch.extend(waiting_too())  # only now: the turn to write may have been long in coming
                results = [result for group in _by_write(batch) for result in _written(connection, group)]
        except Exception as error:
            self._drop_connection()
            if not has_begun and not is_again and isinstance(error, DBAPIError) and error.connection_invalidated:
                return self._commit(batch, waiting_too, is_again=True)  # it was lost while nothing was written
            return self._after_failure(batch, error)
        return [(waiting, result, None) for waiting, result in zip(batch, results, strict=True)]

    def _kept_connection(self) -> Connection:
        if self._connection is None:
            self._connection = self._store.connect_for_writing()
        return self._connection

    def _drop_connection(self) -> None:
        """What failed may have left it useless, as a server that was started anew does."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _after_failure(self, batch: Sequence[_Submitted], error: Exception) -> list[_Outcome]:
        """One bad write may not take the others of its transaction with it, unless it is the store that fails."""
        if len(batch) > 1 and not isinstance(error, (OperationalError, sqlite3.OperationalError)):
            return [outcome for waiting in batch for outcome in self._commit([waiting])]
        log.error("a transaction of %d writes failed: %s", len(batch), type(error).__name__, exc_info=error)
        told = UnavailableError("the store cannot make it durable") if is_of_store(error) else error
        return [(waiting, None, told) for waiting in batch]


def _by_write(batch: Sequence[_Submitted]) -> Iterator[list[_Submitted]]:
    """Neighbours of the same kind together: the order of what was submitted is kept."""
    for _, group in groupby(batch, key=attrgetter("write")):
        yield list(group)


def _written(connection: Connection, group: Sequence[_Submitted]) -> Sequence[Any]:
    return group[0].write(connection, [waiting.item for waiting in group])


def is_of_store(error: Exception) -> bool:
    """Whether the store failed, or bulk history without what reads it: duckdb is imported where it is needed."""
    if isinstance(error, ModuleNotFoundError):
        return error.name in _OF_BULK_HISTORY
    return isinstance(error, (DBAPIError, sqlite3.Error, OSError)) or type(error).__module__.startswith(_DRIVERS)


def _settle(waiting: _Submitted, result: Any, error: BaseException | None) -> None:
    if waiting.future.done():
        return  # whoever waited has gone
    if error is None:
        waiting.future.set_result(result)
    else:
        waiting.future.set_exception(error)
