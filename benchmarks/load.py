"""A closed loop of requests over a few connections, and what the answers took: for comparing servers on one machine."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import cast

import httptools
import numpy as np
import uvloop

PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Measured:
    """Latencies are of whole requests, as the caller waits for them."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def measure(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> Measured:
    """Every connection sends its next request when it has the answer to the last."""
    return uvloop.run(_measure(port, requests, concurrency, seconds))


async def _measure(port: int, requests: Sequence[bytes], concurrency: int, seconds: float) -> Measured:
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    source = cycle(requests)
    callers = [
        (await loop.create_connection(lambda: _Caller(source, until), "127.0.0.1", port))[1] for _ in range(concurrency)
    ]
    began = time.perf_counter()
    await asyncio.wait_for(asyncio.gather(*(caller.finished for caller in callers)), seconds + PATIENCE_SECONDS)
    took = time.perf_counter() - began
    latencies = np.array([latency for caller in callers for latency in caller.latencies]) * 1_000
    p50, p99 = np.percentile(latencies, [50, 99]).tolist()
    return Measured(len(latencies) / took, p50, p99, sum(caller.errors for caller in callers))


class _Caller(asyncio.Protocol):
    def __init__(self, source: Iterator[bytes], until: float) -> None:
        self._source = source
        self._until = until
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.errors = 0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._sent_at)
        self.errors += self._parser.get_status_code() != 200
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._source))
