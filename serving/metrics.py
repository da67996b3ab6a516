"""What the service counts, added to BentoML's own on ``/metrics``; no customer is ever a label."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.drift_metrics import DriftGauges

LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counters that the workers share, through the files of BentoML's multi-process folder.

    To be called in an event loop. What is counted in one turn of it is added together after that turn: of requests
    that are answered together most are counted alike, and each addition is a lock and a write into a file. Seconds
    differ, and are observed at once. With a workspace, what the last look at drift found is shown too.
    """

    def __init__(self, workspace: Path | None = None) -> None:
        # Not sooner: BentoML names the folder that its workers share before it makes the service.
        from prometheus_client import Counter, Histogram

        self._requests = Counter("lagniappe_requests", "Calls answered.", ["path", "status"], registry=None)
        self._seconds = Histogram(
            "lagniappe_request_seconds",
            "From the first byte of a call to its answer.",
            ["path"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=None,
        )
        self._decisions = Counter("lagniappe_decisions", "Decisions by what came of them.", ["outcome"], registry=None)
        self._refusals = Counter("lagniappe_refusals", "Offers refused, by reason.", ["reason"], registry=None)
        self._fallbacks = Counter("lagniappe_fallbacks", "Decisions made without something.", ["reason"], registry=None)
        self._children: dict[tuple[Any, ...], Any] = {}
        self._counted: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        """By metric and labels, in this turn of the loop."""
        self._drift = None if workspace is None else DriftGauges(workspace)
        if self._drift is not None:
            self._drift.start()

    def request(self, path: str, status: int, seconds: float) -> None:
        self._add_up_soon()
        self._counted[self._requests, path, status] += 1
        self._child(self._seconds, path).observe(seconds)

    def decision(self, no_offer_reason: str | None, excluded: Mapping[str, int], fallback: str | None) -> None:
        self._add_up_soon()
        self._counted[self._decisions, no_offer_reason or "offer"] += 1
        for reason, count in excluded.items():
            self._counted[self._refusals, reason] += count
        for reason in fallback.split("; ") if fallback else ():
            self._counted[self._fallbacks, reason] += 1

    def _add_up_soon(self) -> None:
        if not self._counted:
            asyncio.get_running_loop().call_soon(self._add_up)

    def _add_up(self) -> None:
        counted, self._counted = self._counted, defaultdict(int)  # first: a failure must not end all counting
        for (metric, *labels), count in counted.items():
            self._child(metric, *labels).inc(count)

    def _child(self, metric: Any, *labels: object) -> Any:
        """``metric.labels(...)``, remembered: the lookup there takes a lock."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child
