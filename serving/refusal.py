"""Why an offer is not made, by name and by number."""

from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]
"""Of each offer the number of its refusal, 0 where it may be made."""


class Refusal(IntEnum):
    """Why an offer is not made. Their numbers are logged, so a new one comes last.

    Where several hold, the last in this order up to ``CONTACT_BLOCKED`` is told; those after it are told only of offers
    that nothing else refuses.
    """

    COST_UNKNOWN = auto()
    CONDITION_UNKNOWN = auto()
    EXCLUSIVE_GROUP = auto()
    BUDGET = auto()
    STOCK = auto()
    CAP_TOTAL = auto()
    CAP_PER_CUSTOMER = auto()
    DECLINED_RECENTLY = auto()
    MINIMUM_SPEND = auto()
    SCORE = auto()
    ATTRIBUTE = auto()
    SEGMENT = auto()
    TIER = auto()
    NOT_PERSONALISED = auto()
    PLACEMENT = auto()
    NO_CONSENT = auto()
    CHANNEL = auto()
    SCHEDULE = auto()
    NO_SENDING_HOUR = auto()
    NOT_YET_VALID = auto()
    EXPIRED = auto()
    CONTACT_BLOCKED = auto()
    UNSUBSCRIBED_RECENTLY = auto()
    """Of messages, for as long as the policy says after a channel was unsubscribed from."""
    EXCLUDED_BY_POLICY = auto()
    YIELDS_TO_ANOTHER = auto()
    TOO_SOON = auto()
    """Within the policy's gap after the last offer."""
    OFFERED_ENOUGH = auto()
    """As many as the policy allows in its window."""
    SIMILAR_DECLINED = auto()
    DIVERSITY = auto()
    """A menu holds enough of its category."""
    FIRST_PASS = auto()
    """It could be made, but others are worth more: it was not on the shortlist that is drawn from."""
    CAMPAIGN_BUDGET = auto()
    BRAND_BUDGET = auto()
    OFFER_COST_SHARE = auto()
    """All offers together have cost as much of the revenue as the brand allows."""

    @property
    def word(self) -> str:
        return self.name.lower()


WORDS = ("", *(refusal.word for refusal in Refusal))
"""By code; 0 is eligible."""


def count_refusals(codes: Codes) -> dict[str, int]:
    """How many offers each reason refused."""
    listed = codes.tobytes()  # a byte each, sooner counted than by arrays
    return {WORDS[code]: listed.count(code) for code in sorted(set(listed)) if code}
