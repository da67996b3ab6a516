"""Profiles of many customers as columns: what feature vectors, models and decisions read.

One customer is a batch of length one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.profile import State
from features.profile_tables import (
    Channels,
    Contacts,
    Hours,
    Integers,
    Messages,
    Orders,
    Products,
    Remnants,
    joined,
    rows_of_one,
    take_rows,
)
from features.statistics import DECAYED_OF_CUSTOMER, OF_CUSTOMER, identities

INTEGER_COLUMNS = {statistic.name: index for index, statistic in enumerate(OF_CUSTOMER)}
DECAYED_COLUMNS = {statistic.name: index for index, statistic in enumerate(DECAYED_OF_CUSTOMER)}


@dataclass(frozen=True, slots=True)
class Profiles:
    """``n`` profiles.

    ``integers`` is (n, len(OF_CUSTOMER)), ``decayed`` is (n, len(DECAYED_OF_CUSTOMER)) at each customer's own
    ``last_event_at``. ``states`` holds (when, value) by name; see :func:`features.profile.states_of`.
    """

    customer_ids: list[str]
    integers: Integers
    decayed: NDArray[np.float64]
    orders: Orders
    remnants: Remnants
    products: Products
    hours: Hours
    messages: Messages
    channels: Channels
    contacts: Contacts
    states: list[dict[str, tuple[Instant, State]]]
    lies_in: "tuple[Profiles, int] | None" = field(init=False, default=None, compare=False, repr=False)
    """The batch, and the position there, that this is a view of."""

    if not TYPE_CHECKING:  # else every name would pass for an attribute

        def __getattr__(self, name: str) -> Any:
            """A table that :meth:`apart` left where it lies: it is cut out when it is first asked for."""
            if name not in _TABLES:
                raise AttributeError(name)
            batch, row = self.lies_in
            table = rows_of_one(getattr(batch, name), row)
            object.__setattr__(self, name, table)
            return table

    def __len__(self) -> int:
        return len(self.customer_ids)

    def column(self, name: str) -> Integers:
        """The statistic of that name, one value a customer."""
        values: Integers = self.integers[:, INTEGER_COLUMNS[name]]
        return values

    @property
    def last_event_at(self) -> Integers:
        return self.column("last_event_at")

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> "Profiles":
        """The profiles at those positions, in that order; vocabularies stay whole."""
        index = np.asarray(rows, dtype=np.int64)
        return Profiles(
            [self.customer_ids[i] for i in index],
            self.integers[index],
            self.decayed[index],
            take_rows(self.orders, index),
            take_rows(self.remnants, index),
            take_rows(self.products, index),
            take_rows(self.hours, index),
            take_rows(self.messages, index),
            take_rows(self.channels, index),
            take_rows(self.contacts, index),
            [self.states[i] for i in index],
        )

    def apart(self) -> "list[Profiles]":
        """Each customer as a batch of length one: views, which all together are :func:`concatenate`-d for nothing."""
        return [self] if len(self) == 1 else [self._view(row) for row in range(len(self))]

    def _view(self, row: int) -> "Profiles":
        """Without its tables, of which a decision asks for few; past the constructor, which asks for all."""
        one = object.__new__(Profiles)
        keep = partial(object.__setattr__, one)
        keep("customer_ids", self.customer_ids[row : row + 1])
        keep("integers", self.integers[row : row + 1])
        keep("decayed", self.decayed[row : row + 1])
        keep("states", self.states[row : row + 1])
        keep("lies_in", (self, row))
        return one


_TABLES = frozenset(("orders", "remnants", "products", "hours", "messages", "channels", "contacts"))


def concatenate(parts: Sequence[Profiles]) -> Profiles:
    """All the profiles, with common vocabularies, in which one id may have several codes."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    if (batch := _of_one_batch(parts)) is not None:
        return batch
    return Profiles(
        [customer_id for part in parts for customer_id in part.customer_ids],
        np.concatenate([part.integers for part in parts]),
        np.concatenate([part.decayed for part in parts]),
        joined([part.orders for part in parts]),
        joined([part.remnants for part in parts]),
        joined([part.products for part in parts]),
        joined([part.hours for part in parts]),
        joined([part.messages for part in parts]),
        joined([part.channels for part in parts]),
        joined([part.contacts for part in parts]),
        [states for part in parts for states in part.states],
    )


def _of_one_batch(parts: Sequence[Profiles]) -> Profiles | None:
    """What lies in one batch anyway need not be put together; where it is all of the batch, not even be taken out."""
    places = [part.lies_in for part in parts]
    if places[0] is None:
        return None
    batch = places[0][0]
    rows = [place[1] for place in places if place is not None and place[0] is batch]
    if len(rows) < len(parts):
        return None
    return batch if rows == list(range(len(batch))) else batch.take(rows)


def empty(customer_ids: Sequence[str] = ()) -> Profiles:
    """Customers of whom nothing is known yet."""
    n = len(customer_ids)
    offsets = np.zeros(n + 1, dtype=np.int64)
    integers = np.tile(np.array(identities(OF_CUSTOMER), dtype=np.int64), (n, 1))
    numbers = np.zeros(0, dtype=np.int64)
    keys, codes, bytes_ = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    return Profiles(
        list(customer_ids),
        integers,
        np.zeros((n, len(DECAYED_OF_CUSTOMER))),
        Orders(offsets, keys, numbers, numbers, numbers, numbers, bytes_),
        Remnants(offsets, keys, numbers, numbers),
        Products(offsets, codes, numbers, numbers, numbers, np.zeros(0), []),
        Hours(offsets, bytes_, numbers, numbers),
        Messages(offsets, keys, numbers, numbers, bytes_, codes, []),
        Channels(offsets, codes, numbers, numbers, numbers, []),
        Contacts(offsets, codes, bytes_, numbers, np.zeros(0, dtype=np.bool_), numbers, []),
        [{} for _ in customer_ids],
    )
