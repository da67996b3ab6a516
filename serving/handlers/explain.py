"""``/explain``: the whole decision again."""

import asyncio

import msgspec

from serving.application import Application
from serving.errors import NotFoundError
from serving.explanation import Explanation
from serving.explanation import explain as explained
from serving.schemas import ExplainRequest, decoded

_DECODER = msgspec.json.Decoder(ExplainRequest)


async def explain(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    found = await asyncio.to_thread(_explained, application, asked)
    if found is None:
        raise NotFoundError("there is no such decision in the log", field="decision_id")
    return msgspec.json.encode(found)


def _explained(application: Application, asked: ExplainRequest) -> Explanation | None:
    with application.store.reading() as connection:
        return explained(connection, asked.decision_id, asked.brand)
