"""The event that says: this unit was now treated by its variant."""

from experiments.design import Experiment, Variant
from features.events import DEFAULT_BRAND, Event, EventType
from features.instant import Instant

SOURCE = "lagniappe"


def exposure_event(
    experiment: Experiment,
    variant: Variant,
    unit_id: str,
    exposed_at: Instant,
    *,
    brand: str = DEFAULT_BRAND,
    decision_id: str | None = None,
    channel: str | None = None,
) -> Event:
    """The exposure of a customer; the id depends on experiment and unit alone, so it can stand in the log once."""
    return Event(
        event_id=exposure_id(experiment.name, unit_id),
        source=SOURCE,
        brand=brand,
        type=EventType.EXPOSURE,
        occurred_at=exposed_at,
        customer_id=unit_id,
        experiment=experiment.name,
        variant=variant.name,
        decision_id=decision_id,
        channel=channel,
    )


def exposure_id(experiment: str, unit_id: str) -> str:
    return f"exposure:{len(experiment)}:{experiment}:{unit_id}"
