"""``/explain``: the whole decision again."""

import asyncio

import msgspec

from features.errors import FieldError
from serving.application import Application, naming_what_is_missing
from serving.errors import BadRequestError, NotFoundError
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
    try:
        with naming_what_is_missing():
            return explained(application.store, asked.decision_id, asked.brand, version=asked.version)
    except FieldError as error:
        raise BadRequestError(str(error), field=error.field) from None
