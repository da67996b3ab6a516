import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from features.settings import Settings
from serving.application import Application, open_application
from serving.customer_reader import Named
from serving.decision_batch import Question, decide_together
from serving.decision_log import Kept
from serving.schemas import NextBestOfferRequest


def question(customer_id: str) -> Question:
    return Question(NextBestOfferRequest(customer_id=customer_id), Named("default", customer_id, {}))


async def told_of_three(tmp_path: Path, spoil: Callable[[Application], None] = lambda _: None) -> list[Any]:
    """What three who ask together are told, of whom the second has gone."""
    application = open_application(Settings(workspace=tmp_path), lambda: 1_500_000_000_000_000, "default")
    spoil(application)
    futures: list[asyncio.Future[Kept | None]] = [asyncio.get_running_loop().create_future() for _ in range(3)]
    futures[1].cancel()
    decide_together(application, [(question(str(number)), one) for number, one in enumerate(futures)])
    told = await asyncio.gather(*futures, return_exceptions=True)
    application.close()
    return told


def test_who_has_gone_takes_nobody_along(tmp_path: Path) -> None:
    first, gone, last = asyncio.run(told_of_three(tmp_path))

    assert isinstance(gone, asyncio.CancelledError)
    assert [one.decision.no_offer_reason for one in (first, last)] == ["no_offers", "no_offers"]


def test_where_the_store_fails_each_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(application: Application) -> None:
        monkeypatch.setattr(application.reader, "people", lambda *_: 1 / 0)

    first, gone, last = asyncio.run(told_of_three(tmp_path, spoil))

    assert [type(one) for one in (first, gone, last)] == [ZeroDivisionError, asyncio.CancelledError, ZeroDivisionError]
