"""Delivery, in a thread and an event loop of its own: no request waits for a receiver.

Each worker has one and they share the outbox: whoever claims a message has some seconds for it, and what a killed
worker had claimed is claimed again by another.
"""

import asyncio
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from features.instant import MICROSECONDS_PER_SECOND
from features.store import Store
from serving.environment import Clock, system_clock
from serving.errors import UnavailableError
from serving.listeners import Listeners
from serving.subscriptions import Subscription
from serving.webhook_address import LOCALHOST, Allowed, literal, require_reachable
from serving.webhook_outbox import Attempted, Message, claim, finish, sweep_dead, whose_turn
from serving.webhook_signature import SIGNATURE_HEADER, print_of, secret_of, signature

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from aiohttp.abc import AbstractResolver

LOOK_EVERY_SECONDS = 0.25
AT_ONCE_EACH = 4
"""Attempts under way at once for one subscription, so that a slow receiver holds up no other."""
AT_ONCE = 32
TIMEOUT_SECONDS = 10.0
"""For all of an attempt: below ``webhook_outbox.LEASE``."""
GRACE_SECONDS = 2.0
RETRY_SECONDS = 2.0
"""After a failure of the store."""
SWEEP_EVERY_LOOKS = 14_400
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
Count = Callable[[str, str], None]
"""Takes the type of a message and what came of an attempt."""

log = logging.getLogger(__name__)


class Courier:
    """``key`` gives the key that secrets follow from; it is asked when there is something to sign."""

    def __init__(
        self,
        store: Store,
        listeners: Listeners,
        allowed: Allowed,
        key: Callable[[], bytes],
        count: Count,
        clock: Clock = system_clock,
    ) -> None:
        self._store = store
        self._listeners = listeners
        self._allowed = allowed
        self._key = key
        self._count = count
        self._clock = clock
        self._closing = False
        self._under_way: dict[asyncio.Task[Attempted], Message] = {}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End; what is under way is claimed again by whoever comes next."""
        self._closing = True
        if self._thread.is_alive():
            self._thread.join()

    async def _run(self) -> None:
        looks = 0
        while not self._closing:
            try:
                await asyncio.to_thread(self._listeners.refresh)
                if self._listeners.any():
                    await self._deliver_for_a_while()
                if looks % SWEEP_EVERY_LOOKS == 0:
                    await asyncio.to_thread(self._sweep)
                looks += 1
            except Exception as error:  # the store may be back at the next look
                log.warning("webhooks wait: %s", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _deliver_for_a_while(self) -> None:
        """Until there is nothing more whose time has come."""
        if not await asyncio.to_thread(self._turns):
            return
        async with session(self._allowed) as http:
            try:
                while not self._closing and (await self._take_more(http) or self._under_way):
                    await self._settle_some()
            finally:
                await self._give_up()

    async def _take_more(self, http: "ClientSession") -> bool:
        taken = await asyncio.to_thread(self._claim)
        for message in taken:
            self._under_way[asyncio.create_task(self._attempt(http, message))] = message
        return bool(taken)

    async def _settle_some(self) -> None:
        if not self._under_way:
            return
        done, _ = await asyncio.wait(self._under_way, timeout=LOOK_EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        attempted = [task.result() for task in done]
        for task in done:
            del self._under_way[task]
        if attempted:
            await asyncio.to_thread(self._finish, attempted)

    async def _give_up(self) -> None:
        """What is under way is given a moment more; what has not ended then is claimed again by somebody."""
        if self._under_way:
            done, late = await asyncio.wait(self._under_way, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            self._under_way.clear()
            await asyncio.to_thread(self._finish, [task.result() for task in done])

    async def _attempt(self, http: "ClientSession", message: Message) -> Attempted:
        try:
            return Attempted(message, await self._post(http, message))
        except Exception as error:  # whatever it was, the message is tried again
            return Attempted(message, f"{type(error).__name__}: {error}".rstrip(": "))

    async def _post(self, http: "ClientSession", message: Message) -> str | None:
        """What went wrong, if anything did."""
        subscription = message.subscription
        secret = secret_of(self._key(), subscription.subscription_id)
        if print_of(secret) != subscription.secret_print:
            raise UnavailableError("the key of webhooks is another now: put the former back, or subscribe anew")
        body = message.body.encode()
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": "lagniappe",
            SIGNATURE_HEADER: signature(secret, self._clock() // MICROSECONDS_PER_SECOND, body),
        }
        require_literal(subscription.url, self._allowed)
        async with http.post(subscription.url, data=body, headers=headers, allow_redirects=False) as response:
            return None if 200 <= response.status < 300 else f"answered with status {response.status}"

    def _turns(self) -> list[Subscription]:
        with self._store.reading() as connection:
            return whose_turn(connection, self._clock())

    def _claim(self) -> list[Message]:
        busy = Counter(message.subscription.subscription_id for message in self._under_way.values())
        left = AT_ONCE - len(self._under_way)
        room: dict[Subscription, int] = {}
        for one in self._turns():
            room[one] = min(AT_ONCE_EACH - busy[one.subscription_id], left)
            left -= room[one]
        room = {one: most for one, most in room.items() if most > 0}
        if not room:
            return []
        with self._store.writing() as connection:
            return claim(connection, room, self._clock())

    def _finish(self, attempted: list[Attempted]) -> None:
        with self._store.writing() as connection:
            outcomes = finish(connection, attempted, self._clock(), str(self._store.workspace))
        for one, outcome in zip(attempted, outcomes, strict=True):
            self._count(one.message.type, outcome)

    def _sweep(self) -> None:
        with self._store.writing() as connection:
            sweep_dead(connection, self._clock())


def require_literal(url: str, allowed: Allowed) -> None:
    """A host that is an address is connected to as it stands, without any resolver being asked.

    Raises
    ------
    AddressRefusedError
    """
    from yarl import URL  # what aiohttp reads it by

    read = URL(url)
    host = read.raw_host or ""
    if literal(host) is not None:
        require_reachable(host, [host], allowed, is_plain=read.scheme == "http")


def session(allowed: Allowed) -> "ClientSession":
    """A client that connects only to where webhooks may go, keeps no cookie and no connection."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    connector = TCPConnector(resolver=_resolver(allowed), use_dns_cache=False, limit=AT_ONCE, force_close=True)
    timeout = ClientTimeout(total=TIMEOUT_SECONDS)
    return ClientSession(connector=connector, timeout=timeout, cookie_jar=DummyCookieJar(), trust_env=False)


def _resolver(allowed: Allowed) -> "AbstractResolver":
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Checked(AbstractResolver):
        """Gives the addresses of a name if webhooks may go to every one of them."""

        def __init__(self) -> None:
            self._found = ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await self._found.resolve(host, port, family)
            addresses = [one["host"] for one in found]
            require_reachable(host, addresses, allowed, is_plain=host == LOCALHOST)
            return found

        async def close(self) -> None:
            await self._found.close()

    return Checked()
