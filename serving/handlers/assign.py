"""``/assign``: the variant of a unit, for experiments that are carried out elsewhere. It exposes nobody."""

import msgspec

from serving.application import Application
from serving.customer_reader import Named
from serving.errors import NotFoundError
from serving.experiment_facts import facts_of
from serving.schemas import AssignAnswer, AssignRequest, decoded

_DECODER = msgspec.json.Decoder(AssignRequest)


async def assign(application: Application, body: bytes) -> bytes:
    asked = decoded(_DECODER, body)
    brand, now = asked.brand or application.brand, application.clock()
    state = application.loader.state(brand)
    if all(one.name != asked.experiment for one in state.experiments):
        raise NotFoundError(f"no experiment {asked.experiment!r} is running", field="experiment")
    person, customer = application.reader.person(Named(brand, asked.unit_id, {}))
    stored = application.reader.variants(brand, person)
    facts = facts_of(state.experiments, customer, None, now)
    dealt = {one.name: variant.name for one, variant in state.assign(person, stored, now, facts)}
    return msgspec.json.encode(AssignAnswer(dealt.get(asked.experiment)))
