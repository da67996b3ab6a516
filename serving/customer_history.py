"""What customers did that bears on the offers of a table: what they bought of each target, what they declined."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from features.consent import with_consent
from features.events import EventType
from features.money import MONEY_SCALE
from features.profile_tables import CONTACT_FACETS, Contacts, Orders, offsets_of
from features.profiles import Profiles, concatenate
from serving.decision import Floats
from serving.eligibility import Declines
from serving.offer_table import OfferTable
from serving.targets import bought

_DECLINED = CONTACT_FACETS.index(EventType.OFFER_DECLINED)


class CustomerHistory(Struct, frozen=True):
    """Of one customer; per offer where an array.

    Lines tell of orders only so far: an order is taken to hold one line of the target, as long as there are orders.
    """

    orders: int
    mean_order: float | None
    """Currency units; ``None`` before the first order."""
    target_lines: Floats
    """Lines that were bought of the target."""
    target_spend: Floats
    """Currency units on the target in an order that holds it; NaN where there was none."""
    declines: Declines = ()

    @property
    def target_share(self) -> Floats:
        """The share of orders that held something of the target; one order is little evidence."""
        share: Floats = np.minimum(self.target_lines, self.orders) / (self.orders + 1.0)
        return share


def histories(profiles: Sequence[Profiles | None], offers: OfferTable) -> list[CustomerHistory]:
    """Of each customer, without what must not be used of their purchases; a profile may not be there."""
    present = [profile for profile in profiles if profile is not None]
    found = iter(histories_of(concatenate(present), offers))
    return [nothing_known(offers) if profile is None else next(found) for profile in profiles]


def nothing_known(offers: OfferTable) -> CustomerHistory:
    count = len(offers.offers)
    return CustomerHistory(0, None, np.zeros(count), np.full(count, np.nan))


def histories_of(profiles: Profiles, offers: OfferTable) -> list[CustomerHistory]:
    """:func:`histories` of a batch."""
    usable = with_consent(profiles)
    counts = np.diff(usable.orders.offsets)
    bought_of = bought(offers.targets, usable.products, counts)
    columns = counts.tolist(), _mean_orders(usable.orders), bought_of.lines, bought_of.spend, _declines(usable.contacts)
    return [CustomerHistory(*row) for row in zip(*columns, strict=True)]


def _mean_orders(orders: Orders) -> list[float | None]:
    sums = offsets_of(orders.amount)[orders.offsets].tolist()
    ends = orders.offsets.tolist()
    return [
        (sums[row + 1] - sums[row]) / (ends[row + 1] - ends[row]) / MONEY_SCALE if ends[row + 1] > ends[row] else None
        for row in range(len(ends) - 1)
    ]


def _declines(contacts: Contacts) -> list[Declines]:
    declines: list[Declines] = [()] * (len(contacts.offsets) - 1)
    if _DECLINED not in contacts.facet.tobytes():  # of few bytes this is told sooner than of an array
        return declines
    for at in np.flatnonzero(contacts.facet == _DECLINED).tolist():
        row = int(np.searchsorted(contacts.offsets, at, side="right")) - 1
        declines[row] = [*declines[row], (contacts.vocabulary[contacts.code[at]], int(contacts.at[at]))]
    return declines
