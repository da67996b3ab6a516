"""What the world is told: the names of events that can be subscribed to, and their form as CloudEvents 1.0.

A body says whom it is about and what was decided, nothing of what is known about them: ``/explain`` tells more.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from features.instant import Instant, to_iso
from features.trigger_settings import TriggerKind
from serving.decision import Decision

PREFIX = "lagniappe."
"""Of the CloudEvents type."""
EVERYTHING = "*"
DECISION_MADE = "decision.made"
OF_TRIGGERS = "trigger."


def trigger_name(kind: TriggerKind) -> str:
    return OF_TRIGGERS + kind.value


NAMES: tuple[str, ...] = (DECISION_MADE, *map(trigger_name, TriggerKind))


class Told(Struct, frozen=True):
    """``message_id`` is the same for the same happening, however often and to whomever it is sent."""

    name: str
    message_id: str
    brand: str
    customer_id: str
    happened_at: Instant
    data: Mapping[str, Any]

    def body(self) -> str:
        """The event in CloudEvents' JSON format."""
        event = {
            "specversion": "1.0",
            "id": self.message_id,
            "source": f"/lagniappe/{quote(self.brand, safe='')}",
            "type": PREFIX + self.name,
            "time": to_iso(self.happened_at),
            "datacontenttype": "application/json",
            "data": self.data,
        }
        return msgspec.json.encode(event).decode()


def decision_data(decision: Decision, customer_id: str) -> dict[str, Any]:
    """Of a decision what is needed to carry it out."""
    return {
        "customer_id": customer_id,
        "decision_id": decision.decision_id,
        "offers": [
            {
                "offer_id": offer.offer_id,
                "rank": offer.rank,
                "words": offer.words,
                "valid_until": None if offer.valid_until is None else to_iso(offer.valid_until),
            }
            for offer in decision.offers
        ],
        "no_offer_reason": decision.no_offer_reason,
        "channel": decision.channel,
        "send_at": None if decision.send_at is None else to_iso(decision.send_at),
        "expires_at": to_iso(decision.expires_at),
    }


def decision_made(decision: Decision, brand: str, customer_id: str) -> Told:
    data = decision_data(decision, customer_id)
    return Told(DECISION_MADE, decision.decision_id, brand, customer_id, decision.decided_at, data)
