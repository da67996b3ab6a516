"""What comes in together is handled together: one act for several requests costs little more than for one.

Nobody waits where nobody else is about. Where several are, they are answered by one transaction, and whoever comes
while that is under way can be answered by the next one at best: until then those who come are gathered. When it is done
its callers may come back at once, so they are waited for, though no longer than ``PATIENCE_SECONDS``.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Generic, TypeVar

from serving.errors import OverloadedError

Item = TypeVar("Item")
Result = TypeVar("Result")
Waiting = tuple[Item, asyncio.Future[Result]]
Act = Callable[[Sequence[Waiting[Item, Result]]], None]
"""Sees to it that every future is settled some time; none may be left out."""

PATIENCE_SECONDS = 0.0004
MOST_WAITING = 1024


class Gathering(Generic[Item, Result]):
    """For one event loop."""

    def __init__(
        self, act: Act[Item, Result], most_at_once: int, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._act = act
        self._most = most_at_once
        self._patience = patience_seconds
        self._waiting: list[Waiting[Item, Result]] = []
        self._under_way = 0
        """Of acts of which not all are answered yet."""
        self._about = 1
        """The most that were waiting or under way at once since the last act."""
        self._expected = 1
        """What that came to before the last act: as many may come again."""
        self._is_looking = False
        self._since = 0.0

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        """
        Raises
        ------
        OverloadedError
            If too many are waiting already.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise OverloadedError(f"{MOST_WAITING} requests are waiting")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._since = perf_counter()
        self._waiting.append((item, future))
        self._about = max(self._about, len(self._waiting) + self._under_way)
        if not self._under_way or len(self._waiting) >= self._most:
            self._look_soon()
        return future

    def _look_soon(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._is_looking = False
        count = len(self._waiting)
        if count == 0 or (self._under_way and count < self._most):
            return
        if count < min(self._expected, self._most) and perf_counter() - self._since < self._patience:
            self._look_soon()  # after the loop has read what came in meanwhile
            return
        self._handle()

    def _handle(self) -> None:
        some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        self._under_way += len(some)
        self._expected, self._about = self._about, self._under_way + len(self._waiting)
        try:
            self._act(some)
        except Exception as error:  # each asker is told, and the loop goes on
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
        self._end_when_answered(some)
        if self._waiting:
            self._look_soon()

    def _end_when_answered(self, some: Sequence[Waiting[Item, Result]]) -> None:
        """They are under way no longer once all are answered.

        Most acts answer all in one turn of the loop, from first to last: then one callback in all does, not one each.
        """
        for _, future in reversed(some):
            if not future.done():
                future.add_done_callback(lambda _: self._end_when_answered(some))
                return
        self._under_way -= len(some)
        if self._under_way == 0 and self._waiting:
            self._since = perf_counter()
            self._look_soon()
