"""Batches of profiles merged: the profiles of two parts of a history are, merged, those of the whole.

As :func:`features.profile.merge`, for many customers at once. Neither part may hold a cancellation of an order whose
lines are in the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.instant import MICROSECONDS_PER_DAY
from features.profile_tables import (
    Channels,
    Contacts,
    Hours,
    Integers,
    Messages,
    Orders,
    Products,
    Remnants,
    offsets_of,
)
from features.profiles import Profiles
from features.statistics import (
    DECAYED_OF_CUSTOMER,
    NEVER_LAST,
    OF_CUSTOMER,
    OF_ORDER,
    OF_PRODUCT,
    PRODUCT_HALF_LIFE_DAYS,
    Count,
    First,
    Last,
    Statistic,
    Sum,
    identities,
)

_OPERATION: dict[type[Statistic], np.ufunc] = {Count: np.add, Sum: np.add, First: np.minimum, Last: np.maximum}


def merge_batches(one: Profiles, other: Profiles) -> Profiles:
    """The profiles of all customers of both, by customer id."""
    ids = sorted({*one.customer_ids, *other.customer_ids})
    number = {customer_id: row for row, customer_id in enumerate(ids)}
    parts = [_Part(p, np.array([number[c] for c in p.customer_ids], dtype=np.int64)) for p in (one, other)]
    integers = _merge_integers(parts, len(ids))
    orders, remnants = _merge_orders(parts, len(ids))
    return Profiles(
        ids,
        integers,
        _merge_decayed(parts, integers),
        orders,
        remnants,
        _merge_products(parts, len(ids)),
        _merge_hours(parts, len(ids)),
        _merge_messages(parts, len(ids)),
        _merge_channels(parts, len(ids)),
        _merge_contacts(parts, len(ids)),
        _merge_states(parts, len(ids)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Profiles and the rows that they get in the merged batch."""

    profiles: Profiles
    rows: Integers

    def rows_of(self, table: Any) -> Integers:
        """The merged row of each entry of a ragged table."""
        return np.repeat(self.rows, np.diff(table.offsets))


@dataclass(frozen=True, slots=True)
class _Groups:
    """Entries sorted by (row, keys), and where each distinct one starts."""

    order: Integers
    starts: Integers

    def combine(self, operation: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        ordered = values[self.order]
        return operation.reduceat(ordered, self.starts) if ordered.size else ordered

    def first(self, values: NDArray[Any]) -> NDArray[Any]:
        ordered: NDArray[Any] = values[self.order][self.starts]
        return ordered


def _group(*keys: NDArray[Any]) -> _Groups:
    """Group by the keys, the first of them foremost."""
    order = np.lexsort(keys[::-1])
    changes = np.zeros(order.size, dtype=np.bool_)
    for key in keys:
        ordered = key[order]
        changes[1:] |= ordered[1:] != ordered[:-1]
    changes[:1] = True
    return _Groups(order, np.flatnonzero(changes))


def _merge_integers(parts: Sequence[_Part], n: int) -> Integers:
    merged = np.tile(np.array(identities(OF_CUSTOMER), dtype=np.int64), (n, 1))
    for part in parts:
        for column, statistic in enumerate(OF_CUSTOMER):
            operation = _OPERATION[type(statistic)]
            merged[part.rows, column] = operation(merged[part.rows, column], part.profiles.integers[:, column])
    return merged


def _merge_decayed(parts: Sequence[_Part], integers: Integers) -> NDArray[np.float64]:
    last = [statistic.name for statistic in OF_CUSTOMER].index("last_event_at")
    half_lives = np.array([statistic.half_life_days for statistic in DECAYED_OF_CUSTOMER], dtype=np.float64)
    merged = np.zeros((len(integers), half_lives.size))
    for part in parts:
        own = part.profiles.last_event_at
        age_days = np.where(own == NEVER_LAST, 0, integers[part.rows, last] - own) / MICROSECONDS_PER_DAY
        merged[part.rows] += part.profiles.decayed * np.exp2(-age_days[:, None] / half_lives)
    return merged


def _joined(parts: Sequence[_Part], table: str, column: str) -> NDArray[Any]:
    return np.concatenate([getattr(getattr(part.profiles, table), column) for part in parts])


def _joined_rows(parts: Sequence[_Part], table: str) -> Integers:
    return np.concatenate([part.rows_of(getattr(part.profiles, table)) for part in parts])


def _joined_codes(parts: Sequence[_Part], table: str) -> tuple[NDArray[np.int32], list[str]]:
    """Codes into the vocabulary of both, which is sorted so that codes order as words do."""
    tables = [getattr(part.profiles, table) for part in parts]
    words = sorted({word for t in tables for word in t.vocabulary})
    number = {word: code for code, word in enumerate(words)}
    codes = [np.array([number[word] for word in t.vocabulary], dtype=np.int32)[t.code] for t in tables]
    return np.concatenate(codes), words


def _offsets(rows: Integers, n: int) -> Integers:
    return offsets_of(np.bincount(rows, minlength=n).astype(np.int64))


def _merge_orders(parts: Sequence[_Part], n: int) -> tuple[Orders, Remnants]:
    standing, rest = _joined_rows(parts, "orders"), _joined_rows(parts, "remnants")
    nothing = {s.name: np.full(rest.size, s.identity, dtype=np.int64) for s in OF_ORDER}
    known = {s.name: np.full(standing.size, s.identity, dtype=np.int64) for s in OF_ORDER}
    known |= {name: _joined(parts, "orders", name) for name in ("first_at", "amount", "lines", "refunded")}
    nothing |= {name: _joined(parts, "remnants", name) for name in ("refunded", "cancellations")}
    values = {name: np.concatenate([known[name], nothing[name]]) for name in known}
    rows = np.concatenate([standing, rest])
    key = np.concatenate([_joined(parts, "orders", "key"), _joined(parts, "remnants", "key")])
    hour = np.concatenate([_joined(parts, "orders", "hour"), np.zeros(rest.size, dtype=np.uint8)])
    by_time = np.argsort(values["first_at"], kind="stable")
    groups = _group(rows[by_time], key[by_time])
    merged = {s.name: groups.combine(_OPERATION[type(s)], values[s.name][by_time]) for s in OF_ORDER}
    rows, key, hour = groups.first(rows[by_time]), groups.first(key[by_time]), groups.first(hour[by_time])
    order = np.lexsort((key, merged["first_at"], rows))
    kept, left = order[merged["lines"][order] > 0], order[merged["lines"][order] == 0]
    return (
        Orders(
            _offsets(rows[kept], n), key[kept], merged["first_at"][kept], merged["amount"][kept],
            merged["lines"][kept], merged["refunded"][kept], hour[kept],
        ),
        Remnants(_offsets(rows[left], n), key[left], merged["refunded"][left], merged["cancellations"][left]),
    )  # fmt: skip


def _merge_products(parts: Sequence[_Part], n: int) -> Products:
    codes, vocabulary = _joined_codes(parts, "products")
    rows = _joined_rows(parts, "products")
    groups = _group(rows, codes)
    values = {s.name: _joined(parts, "products", s.name) for s in OF_PRODUCT}
    merged = {s.name: groups.combine(_OPERATION[type(s)], values[s.name]) for s in OF_PRODUCT}
    lengths = np.diff(np.append(groups.starts, groups.order.size))
    last = np.empty(rows.size, dtype=np.int64)
    last[groups.order] = np.repeat(merged["last_at"], lengths)
    age_days = (last - values["last_at"]) / MICROSECONDS_PER_DAY
    decayed = _joined(parts, "products", "decayed") * np.exp2(-age_days / PRODUCT_HALF_LIFE_DAYS)
    return Products(
        _offsets(groups.first(rows), n), groups.first(codes), merged["lines"], merged["amount"], merged["last_at"],
        groups.combine(np.add, decayed), vocabulary,
    )  # fmt: skip


def _merge_hours(parts: Sequence[_Part], n: int) -> Hours:
    rows, hour = _joined_rows(parts, "hours"), _joined(parts, "hours", "hour")
    groups = _group(rows, hour)
    engaged, sent = (groups.combine(np.add, _joined(parts, "hours", name)) for name in ("engaged", "sent"))
    return Hours(_offsets(groups.first(rows), n), groups.first(hour), engaged, sent)


def _merge_messages(parts: Sequence[_Part], n: int) -> Messages:
    rows = _joined_rows(parts, "messages")
    codes, vocabulary = _joined_codes(parts, "messages")
    key, sent, answered, hour = (_joined(parts, "messages", name) for name in ("key", "sent_at", "answered_at", "hour"))
    # Of several sendings the channel is the first by name; none named comes after all names.
    place = np.array([len(vocabulary) if word == "" else code for code, word in enumerate(vocabulary)], dtype=np.int32)
    by_time = np.argsort(sent, kind="stable")
    groups = _group(rows[by_time], key[by_time])
    first_place = groups.combine(np.minimum, place[codes[by_time]])
    unnamed = vocabulary.index("") if "" in vocabulary else 0
    code = np.where(first_place == len(vocabulary), unnamed, first_place).astype(np.int32)
    rows, key, sent, hour = (groups.first(column[by_time]) for column in (rows, key, sent, hour))
    answered = groups.combine(np.minimum, answered[by_time])
    order = np.lexsort((key, answered, sent, rows))
    return Messages(
        _offsets(rows, n), key[order], sent[order], answered[order], hour[order], code[order], vocabulary,
    )  # fmt: skip


def _merge_channels(parts: Sequence[_Part], n: int) -> Channels:
    rows = _joined_rows(parts, "channels")
    codes, vocabulary = _joined_codes(parts, "channels")
    groups = _group(rows, codes)
    names = ("sent", "responses", "purchase_lines")
    sent, responses, lines = (groups.combine(np.add, _joined(parts, "channels", name)) for name in names)
    return Channels(_offsets(groups.first(rows), n), groups.first(codes), sent, responses, lines, vocabulary)


def _merge_contacts(parts: Sequence[_Part], n: int) -> Contacts:
    rows = _joined_rows(parts, "contacts")
    codes, vocabulary = _joined_codes(parts, "contacts")
    facet, at, own = (_joined(parts, "contacts", name) for name in ("facet", "at", "is_own_decision"))
    groups = _group(rows, at, codes, facet, own)
    return Contacts(
        _offsets(groups.first(rows), n), groups.first(codes), groups.first(facet), groups.first(at),
        groups.first(own), groups.combine(np.add, _joined(parts, "contacts", "count")), vocabulary,
    )  # fmt: skip


def _merge_states(parts: Sequence[_Part], n: int) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = [{} for _ in range(n)]
    for part in parts:
        for row, states in zip(part.rows.tolist(), part.profiles.states, strict=True):
            for name, word in states.items():
                merged[row][name] = max(merged[row].get(name, word), word)
    return merged
