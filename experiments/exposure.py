"""The event that says: this unit was now treated by its variant."""

from dataclasses import dataclass

from features.events import DEFAULT_BRAND, Event, EventType
from features.instant import Instant

SOURCE = "lagniappe"


@dataclass(frozen=True, slots=True)
class Exposure:
    experiment: str
    variant: str
    unit_id: str
    exposed_at: Instant
    brand: str = DEFAULT_BRAND
    decision_id: str | None = None
    channel: str | None = None

    @property
    def event_id(self) -> str:
        """Depends on experiment and unit alone, so that an exposure can stand in the log but once."""
        return f"exposure:{len(self.experiment)}:{self.experiment}:{self.unit_id}"

    def event(self) -> Event:
        return Event(
            event_id=self.event_id,
            source=SOURCE,
            brand=self.brand,
            type=EventType.EXPOSURE,
            occurred_at=self.exposed_at,
            customer_id=self.unit_id,
            experiment=self.experiment,
            variant=self.variant,
            decision_id=self.decision_id,
            channel=self.channel,
        )
