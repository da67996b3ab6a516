import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from serving import gathering
from serving.errors import OverloadedError
from serving.gathering import Gathering, Waiting

Acts = list[list[str]]


class Acting:
    """Remembers who was handled together, and settles them when told to."""

    def __init__(self) -> None:
        self.acts: Acts = []
        self._open: list[Waiting[str, str]] = []

    def __call__(self, some: Sequence[Waiting[str, str]]) -> None:
        self.acts.append([item for item, _ in some])
        if "bad" in self.acts[-1]:
            raise ValueError("bad")
        self._open += some

    def settle(self) -> None:
        for item, future in self._open:
            future.set_result(item.upper())
        self._open.clear()


def run(scene: Callable[[Acting, Gathering[str, str]], Coroutine[Any, Any, None]], **options: Any) -> Acts:
    acting = Acting()

    async def play() -> None:
        await scene(acting, Gathering(acting, 3, **options))

    asyncio.run(play())
    return acting.acts


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_who_comes_alone_is_handled_at_once() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        answer = gathered.submit("a")
        await turns(2)
        acting.settle()
        assert await answer == "A"

    assert run(scene, patience_seconds=1e9) == [["a"]]


def test_who_comes_in_one_turn_is_handled_together() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        answers = [gathered.submit(name) for name in "ab"]
        await turns()
        acting.settle()
        assert await asyncio.gather(*answers) == ["A", "B"]

    assert run(scene) == [["a", "b"]]


def test_who_comes_while_others_are_under_way_waits_for_them() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        gathered.submit("a")
        await turns()
        gathered.submit("b")
        await turns()
        gathered.submit("c")
        await turns()
        assert acting.acts == [["a"]]
        acting.settle()
        await turns()

    assert run(scene, patience_seconds=0.0) == [["a"], ["b", "c"]]


async def one_after_two(acting: Acting, gathered: Gathering[str, str]) -> None:
    gathered.submit("a")
    gathered.submit("b")
    await turns()
    acting.settle()
    await turns()
    gathered.submit("c")
    await turns()


def test_as_many_as_were_about_are_waited_for() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        await one_after_two(acting, gathered)
        gathered.submit("d")
        await turns()

    assert run(scene, patience_seconds=1e9) == [["a", "b"], ["c", "d"]]


def test_nobody_is_waited_for_longer_than_the_patience_lasts() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        await one_after_two(acting, gathered)

    assert run(scene, patience_seconds=0.0) == [["a", "b"], ["c"]]


def test_no_more_are_handled_at_once_than_allowed() -> None:
    async def scene(_: Acting, gathered: Gathering[str, str]) -> None:
        for name in "abcdefg":
            gathered.submit(name)
        await turns()

    assert run(scene) == [["a", "b", "c"], ["d", "e", "f"]]


def test_a_failure_is_told_to_each_and_the_next_are_handled() -> None:
    async def scene(_: Acting, gathered: Gathering[str, str]) -> None:
        answers = [gathered.submit(name) for name in ("a", "bad")]
        told = await asyncio.gather(*answers, return_exceptions=True)
        assert [type(error) for error in told] == [ValueError, ValueError]
        gathered.submit("c")
        await turns()

    assert run(scene, patience_seconds=0.0) == [["a", "bad"], ["c"]]


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_WAITING", 2)

    async def scene(_: Acting, gathered: Gathering[str, str]) -> None:
        gathered.submit("a")
        gathered.submit("b")
        with pytest.raises(OverloadedError, match="2 requests are waiting"):
            gathered.submit("c")

    run(scene)


def test_who_waits_is_handled_only_when_all_under_way_are_answered() -> None:
    async def scene(acting: Acting, gathered: Gathering[str, str]) -> None:
        answers = [gathered.submit(name) for name in "ab"]
        await turns()
        gathered.submit("c")
        for answer in reversed(answers):
            assert len(acting.acts) == 1
            answer.set_result("early")
            await turns()

    assert run(scene, patience_seconds=0.0) == [["a", "b"], ["c"]]
