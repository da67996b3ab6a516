"""What of that which goes out by itself is counted, on ``/metrics``; may be called from any thread."""


class OutgoingMetrics:
    """Counters that the workers share, as those of :mod:`serving.metrics`; no customer is ever a label."""

    def __init__(self) -> None:
        # Not sooner: BentoML names the folder that its workers share before it makes the service.
        from prometheus_client import Counter

        self._webhooks = Counter(
            "lagniappe_webhooks", "Attempts to deliver, by what came of them.", ["type", "outcome"], registry=None
        )

        self._triggers = Counter(
            "lagniappe_triggers", "Occasions of triggers: fired, or why not.", ["trigger", "outcome"], registry=None
        )

    def trigger(self, name: str, outcome: str) -> None:
        self._triggers.labels(name, outcome).inc()

    def webhook(self, name: str, outcome: str) -> None:
        """``outcome`` is one of ``serving.webhook_outbox``."""
        self._webhooks.labels(name, outcome).inc()
