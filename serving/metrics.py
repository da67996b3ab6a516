"""What the service counts, added to BentoML's own on ``/metrics``; no customer is ever a label."""

from collections.abc import Mapping
from typing import Any

LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counters that the workers share, through the files of BentoML's multi-process folder."""

    def __init__(self) -> None:
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

    def request(self, path: str, status: int, seconds: float) -> None:
        self._child(self._requests, path, str(status)).inc()
        self._child(self._seconds, path).observe(seconds)

    def decision(self, no_offer_reason: str | None, excluded: Mapping[str, int], fallback: str | None) -> None:
        self._child(self._decisions, no_offer_reason or "offer").inc()
        for reason, count in excluded.items():
            self._child(self._refusals, reason).inc(count)
        for reason in fallback.split("; ") if fallback else ():
            self._child(self._fallbacks, reason).inc()

    def _child(self, metric: Any, *labels: str) -> Any:
        """``metric.labels(...)``, remembered: the lookup there takes a lock."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child
