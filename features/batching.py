"""A profile that is being folded, as a batch of length one, and back."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.facts import hour_of_week
from features.profile import Profile
from features.profile_tables import (
    CONTACT_FACETS,
    Channels,
    Contacts,
    Hours,
    Integers,
    Messages,
    Orders,
    Products,
    Remnants,
)
from features.profiles import Profiles
from features.statistics import NEVER_FIRST, OF_ORDER

_ORDER = {statistic.name: index for index, statistic in enumerate(OF_ORDER)}


def _offsets(size: int) -> Integers:
    return np.array([0, size], dtype=np.int64)


def to_batch(customer_id: str, profile: Profile, timezone: str) -> Profiles:
    """A profile that was being folded, as a batch of length one."""
    standing = sorted(
        ((key, values) for key, values in profile.orders.items() if values[_ORDER["lines"]]),
        key=lambda order: (order[1][_ORDER["first_at"]], order[0]),
    )
    rest = sorted((key, values) for key, values in profile.orders.items() if not values[_ORDER["lines"]])
    return Profiles(
        [customer_id],
        np.array([profile.customer], dtype=np.int64),
        np.array([profile.decayed], dtype=np.float64),
        _orders(standing, timezone),
        Remnants(
            _offsets(len(rest)),
            np.array([key for key, _ in rest], dtype=np.uint64),
            np.array([values[_ORDER["refunded"]] for _, values in rest], dtype=np.int64),
            np.array([values[_ORDER["cancellations"]] for _, values in rest], dtype=np.int64),
        ),
        _products(profile),
        _hours(profile),
        _messages(profile, timezone),
        _channels(profile),
        _contacts(profile),
        [profile.states],
    )


def _orders(standing: list[tuple[int, list[int]]], timezone: str) -> Orders:
    def column(name: str) -> Integers:
        return np.array([values[_ORDER[name]] for _, values in standing], dtype=np.int64)

    first_at = column("first_at")
    return Orders(
        _offsets(len(standing)),
        np.array([key for key, _ in standing], dtype=np.uint64),
        first_at,
        column("amount"),
        column("lines"),
        column("refunded"),
        np.array([hour_of_week(int(at), timezone) for at in first_at], dtype=np.uint8),
    )


def _products(profile: Profile) -> Products:
    ids = sorted(profile.products)
    values = np.array([profile.products[i][0] for i in ids], dtype=np.int64).reshape(len(ids), 3)
    decayed = np.array([profile.products[i][1] for i in ids], dtype=np.float64)
    codes = np.arange(len(ids), dtype=np.int32)
    return Products(_offsets(len(ids)), codes, values[:, 0], values[:, 1], values[:, 2], decayed, ids)


def _hours(profile: Profile) -> Hours:
    hours = sorted(profile.hours)
    values = np.array([profile.hours[hour] for hour in hours], dtype=np.int64).reshape(len(hours), 2)
    return Hours(_offsets(len(hours)), np.array(hours, dtype=np.uint8), values[:, 0], values[:, 1])


def _messages(profile: Profile, timezone: str) -> Messages:
    rows = sorted((times[0], times[1], key, channel) for key, (times, channel) in profile.messages.items())
    names = sorted({row[3] for row in rows})
    return Messages(
        _offsets(len(rows)),
        np.array([row[2] for row in rows], dtype=np.uint64),
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([0 if row[0] == NEVER_FIRST else hour_of_week(row[0], timezone) for row in rows], dtype=np.uint8),
        np.array([names.index(row[3]) for row in rows], dtype=np.int32),
        names,
    )


def _channels(profile: Profile) -> Channels:
    names = sorted(profile.channels)
    values = np.array([profile.channels[name] for name in names], dtype=np.int64).reshape(len(names), 3)
    codes = np.arange(len(names), dtype=np.int32)
    return Channels(_offsets(len(names)), codes, values[:, 0], values[:, 1], values[:, 2], names)


def _contacts(profile: Profile) -> Contacts:
    names = sorted({offer_id for offer_id, *_ in profile.contacts})
    number = {name: index for index, name in enumerate(names)}
    rows = sorted(
        (at, number[offer_id], CONTACT_FACETS.index(facet), own, count)
        for (offer_id, facet, at, own), count in profile.contacts.items()
    )
    return Contacts(
        _offsets(len(rows)),
        np.array([code for _, code, *_ in rows], dtype=np.int32),
        np.array([facet for _, _, facet, *_ in rows], dtype=np.uint8),
        np.array([at for at, *_ in rows], dtype=np.int64),
        np.array([own for *_, own, _ in rows], dtype=np.bool_),
        np.array([count for *_, count in rows], dtype=np.int64),
        names,
    )


def to_profile(batch: Profiles) -> Profile:
    """The one profile of a batch of length one, ready to be folded on."""
    products, channels, contacts, messages = batch.products, batch.channels, batch.contacts, batch.messages
    bought = _rows(products.code, products.lines, products.amount, products.last_at, products.decayed)
    active = _rows(batch.hours.hour, batch.hours.engaged, batch.hours.sent)
    written = _rows(messages.key, messages.sent_at, messages.answered_at, messages.code)
    heard = _rows(channels.code, channels.sent, channels.responses, channels.purchase_lines)
    met = _rows(contacts.code, contacts.facet, contacts.at, contacts.is_own_decision, contacts.count)
    return Profile(
        customer=batch.integers[0].tolist(),
        decayed=batch.decayed[0].tolist(),
        orders=_order_statistics(batch.orders, batch.remnants),
        products={products.vocabulary[c]: ([lines, amount, last], d) for c, lines, amount, last, d in bought},
        hours={hour: [engaged, sent] for hour, engaged, sent in active},
        messages={key: ([sent, answered], messages.vocabulary[c]) for key, sent, answered, c in written},
        channels={channels.vocabulary[c]: list(counts) for c, *counts in heard},
        contacts={(contacts.vocabulary[c], CONTACT_FACETS[f], at, own): count for c, f, at, own, count in met},
        states=dict(batch.states[0]),
    )


def _order_statistics(orders: Orders, remnants: Remnants) -> dict[int, list[int]]:
    """By order key, as declared in ``OF_ORDER``; of a remnant no line stands."""
    known = _rows(orders.key, orders.first_at, orders.amount, orders.lines, orders.refunded)
    rest = _rows(remnants.key, remnants.refunded, remnants.cancellations)
    standing = {key: [first, amount, lines, refunded, 0] for key, first, amount, lines, refunded in known}
    return standing | {key: [NEVER_FIRST, 0, 0, refunded, cancelled] for key, refunded, cancelled in rest}


def _rows(*columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """The columns row by row, as Python's own numbers."""
    return zip(*(column.tolist() for column in columns), strict=True)
