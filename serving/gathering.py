"""What comes in together is handled together: one act for all that arrived in one turn of the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Waiting = tuple[Item, asyncio.Future[Result]]
Act = Callable[[Sequence[Waiting[Item, Result]]], None]
"""Sees to it that every future is settled some time; none may be left out."""


class Gathering(Generic[Item, Result]):
    """Nobody waits for others to come: what arrived alone is handled alone, at once."""

    def __init__(self, act: Act[Item, Result], most_at_once: int) -> None:
        self._act = act
        self._most = most_at_once
        self._waiting: list[Waiting[Item, Result]] = []

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._handle, loop)
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        return future

    def _handle(self, loop: asyncio.AbstractEventLoop) -> None:
        some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if self._waiting:
            loop.call_soon(self._handle, loop)  # after whatever else is due
        try:
            self._act(some)
        except Exception as error:  # each asker is told, and the loop goes on
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
