import asyncio
from typing import Any

import pytest

from serving.metrics import Metrics


def counted(metric: Any) -> dict[tuple[str, ...], float]:
    (family,) = metric.collect()
    return {tuple(one.labels.values()): one.value for one in family.samples if one.name.endswith("_total")}


def after_a_turn(*calls: tuple[str, Any]) -> Metrics:
    async def scene() -> Metrics:
        metrics = Metrics()
        for name, arguments in calls:
            getattr(metrics, name)(*arguments)
        await asyncio.sleep(0)
        return metrics

    return asyncio.run(scene())


def test_requests_answered_together_are_all_counted() -> None:
    metrics = after_a_turn(
        ("request", ("/score", 200, 0.1)), ("request", ("/score", 429, 0.1)), ("request", ("/score", 200, 0.1))
    )

    assert counted(metrics._requests) == {("/score", "200"): 2.0, ("/score", "429"): 1.0}


def test_decisions_are_counted_with_their_refusals_and_fallbacks() -> None:
    metrics = after_a_turn(
        ("decision", (None, {"budget": 2}, None)), ("decision", ("no_consent", {"budget": 1, "tier": 4}, "a; b"))
    )

    assert counted(metrics._decisions) == {("offer",): 1.0, ("no_consent",): 1.0}
    assert counted(metrics._refusals) == {("budget",): 3.0, ("tier",): 4.0}
    assert counted(metrics._fallbacks) == {("a",): 1.0, ("b",): 1.0}


def test_what_cannot_be_counted_once_does_not_end_the_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    async def scene() -> Metrics:
        metrics = Metrics()
        with monkeypatch.context() as full_disk:
            full_disk.setattr(metrics._requests, "labels", fail)
            metrics.request("/score", 200, 0.1)
            await asyncio.sleep(0)
        metrics.request("/score", 200, 0.1)
        await asyncio.sleep(0)
        return metrics

    assert counted(asyncio.run(scene())._requests) == {("/score", "200"): 1.0}


def test_what_comes_in_later_turns_is_counted_too() -> None:
    async def scene() -> Metrics:
        metrics = Metrics()
        for _ in range(3):
            metrics.request("/score", 200, 0.1)
            await asyncio.sleep(0)
        return metrics

    assert counted(asyncio.run(scene())._requests) == {("/score", "200"): 3.0}
