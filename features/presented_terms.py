"""What counts as a response to an offer, and for how long after it was presented."""

from dataclasses import dataclass
from enum import StrEnum

from features.instant import MICROSECONDS_PER_DAY


class Outcome(StrEnum):
    """What counts as the response: an acceptance, any purchase, any view (yes or no), or what was spent in all."""

    ACCEPTED = "accepted"
    PURCHASE = "purchase"
    VIEW = "view"
    SPEND = "spend"


class Attribution(StrEnum):
    """Which presentations an event speaks for: all whose window it falls into, or only the last one before it.

    Acceptances always speak for the decision that they name, else for the last presentation of their offer.
    """

    ANY = "any"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class ResponseTerms:
    """What counts as the response, and within how many days after the presentation."""

    outcome: Outcome = Outcome.ACCEPTED
    window_days: int = 14
    attribution: Attribution = Attribution.ANY

    @property
    def window(self) -> int:
        """Microseconds."""
        return self.window_days * MICROSECONDS_PER_DAY
