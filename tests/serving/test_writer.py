import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from features.store import Store, open_store
from serving.errors import OverloadedError, UnavailableError
from serving.writer import Writer


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "workspace")
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    yield writer
    writer.close()


def note(connection: Connection, names: Sequence[str]) -> list[str]:
    for name in names:
        if name == "bad":
            raise ValueError(name)
        if name == "store away":
            raise OperationalError("", {}, Exception("disk I/O error"))
        connection.execute(
            text("INSERT INTO brands (brand, settings, applied_at) VALUES (:name, '{}', 0)"), {"name": name}
        )
    return [f"{name} of {len(names)}" for name in names]


def noted(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.execute(text("SELECT brand FROM brands ORDER BY brand")).scalars())


def test_an_answer_comes_after_the_write_is_durable(store: Store, writer: Writer) -> None:
    async def submit() -> list[str]:
        await writer.submit(note, "a")
        return noted(store)

    assert asyncio.run(submit()) == ["a"]


def test_writes_that_wait_together_share_a_transaction(store: Store, writer: Writer) -> None:
    async def submit() -> list[str]:
        with store.writing():
            waiting = [writer.submit(note, name) for name in "abcd"]
            await asyncio.sleep(0.1)
        return list(await asyncio.gather(*waiting))

    answers = asyncio.run(submit())

    assert answers == ["a of 4", "b of 4", "c of 4", "d of 4"]


def test_a_bad_write_fails_alone(store: Store, writer: Writer) -> None:
    async def submit() -> list[object]:
        with store.writing():
            waiting = [writer.submit(note, name) for name in ("a", "b", "bad", "c")]
            await asyncio.sleep(0.1)
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    answers = asyncio.run(submit())

    assert isinstance(answers[2], ValueError)
    assert noted(store) == ["a", "b", "c"]


def test_a_failing_store_acknowledges_nothing(store: Store, writer: Writer) -> None:
    async def submit() -> None:
        await writer.submit(note, "store away")

    with pytest.raises(UnavailableError):
        asyncio.run(submit())
    assert noted(store) == []


def test_more_than_may_wait_is_refused(store: Store) -> None:
    async def submit(writer: Writer) -> None:
        with store.writing():
            waiting = [writer.submit(note, "a")]
            await asyncio.sleep(0.1)
            waiting += [writer.submit(note, name) for name in "bc"]
            with pytest.raises(OverloadedError):
                writer.submit(note, "d")
        await asyncio.gather(*waiting)

    writer = Writer(store, most_waiting=3)
    asyncio.run(submit(writer))
    writer.close()


def test_closing_writes_what_was_submitted_before(store: Store) -> None:
    async def submit() -> str:
        writer = Writer(store)
        waiting = writer.submit(note, "a")
        await asyncio.to_thread(writer.close)
        return await waiting

    assert asyncio.run(submit()) == "a of 1"
    assert noted(store) == ["a"]


def test_a_connection_lost_while_idle_costs_no_write(tmp_path: Path, postgresql: Callable[[], str]) -> None:
    store = open_store(tmp_path / "workspace", postgresql())
    writer = Writer(store)

    async def submit() -> list[str]:
        first = await writer.submit(note, "a")
        with store.reading() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname"
            connection.execute(text(f"{others} = current_database()"))
        return [first, await writer.submit(note, "b")]

    answers = asyncio.run(submit())

    writer.close()
    assert answers == ["a of 1", "b of 1"]
    assert noted(store) == ["a", "b"]
    store.close()
