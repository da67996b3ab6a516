"""An event as the JSON text that the log keeps."""

import msgspec

from features.events import Event

_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def body_of(event: Event) -> str:
    return _encoder.encode(event).decode()


def event_of(body: str) -> Event:
    return _decoder.decode(body)
