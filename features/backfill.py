"""Profiles of everybody by aggregation over a table of events, on any engine that Ibis speaks to.

The expressions come from the declarations in :mod:`features.statistics`; the engine only filters, joins, groups and
sums. Local hours and the layout are finished in numpy.

A table of events has the columns of :class:`features.events.Event`, ``occurred_at`` in microseconds UTC and money in
ten-thousandths. Whoever hands it over has cut it before the cutoff.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ibis
import numpy as np
import pyarrow
from numpy.typing import NDArray

from features.events import NO_OFFER, EventType
from features.facts import CONTROL, MACHINE_OPENED, UNHEARD, order_key
from features.instant import MICROSECONDS_PER_DAY
from features.latest_states import states_by_row
from features.profile_tables import (
    CONTACT_FACETS,
    Channels,
    Contacts,
    Hours,
    Integers,
    Orders,
    Products,
    Remnants,
    offsets_of,
)
from features.profiles import Profiles
from features.profiles import empty as empty_profiles
from features.sent_messages import messages_by_row
from features.statistics import (
    DECAYED_OF_CUSTOMER,
    DECAYED_OF_PRODUCT,
    ENGAGEMENT,
    HALF_LIVES_DAYS,
    OF_CHANNEL,
    OF_CUSTOMER,
    OF_HOUR,
    OF_ORDER,
    OF_PRODUCT,
    OFFER_CONTACTS,
    PURCHASES,
    SENT,
    Decayed,
    Statistic,
)
from features.zones import local_hours

Table = Any
"""An Ibis table (Ibis ships no types)."""

_QUARTER_HOUR = 900_000_000
"""Microseconds; no zone is off UTC by less."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Who is who, and where: what has to be known of customers before their events can be added up.

    ``roots`` maps a customer id that was merged away to the one that stays.
    """

    roots: Mapping[str, str] = field(default_factory=dict)
    timezones: Mapping[str, str] = field(default_factory=dict)
    default_timezone: str = "UTC"

    def timezone_of(self, customer_id: str) -> str:
        return self.timezones.get(customer_id, self.default_timezone)


def aggregate(events: Table, whereabouts: Whereabouts | None = None) -> Profiles:
    """The profile of every customer with an event in the table, by customer id."""
    known = whereabouts or Whereabouts()
    facts, customer_ids = _facts(events, known.roots)
    if not customer_ids:
        return empty_profiles()
    n = len(customer_ids)
    zones = [known.timezone_of(customer_id) for customer_id in customer_ids]
    fixed = _of_customer(facts)
    orders, remnants = _orders(facts, n, zones)
    return Profiles(
        customer_ids,
        np.stack([_present(fixed, s.name, s.identity, n) for s in OF_CUSTOMER], axis=1).astype(np.int64),
        np.stack([_present(fixed, s.name, 0.0, n) for s in DECAYED_OF_CUSTOMER], axis=1).astype(np.float64),
        orders,
        remnants,
        _products(facts, n, fixed),
        _hours(facts, n, zones),
        messages_by_row(facts, n, zones),
        _channels(facts, n),
        _contacts(facts, n),
        states_by_row(facts, n),
    )


def _facts(events: Table, roots: Mapping[str, str]) -> tuple[Table, list[str]]:
    """Events as the statistics hear them, numbered by customer, and the customers' ids in that order."""
    heard = _heard(_rooted(events, roots))
    persons = heard.group_by("customer_id").aggregate(reference=heard.at.max())
    persons = persons.mutate(row=ibis.row_number().over(order_by=persons.customer_id)).cache()
    facts = heard.join(persons, "customer_id").drop("customer_id")
    age_days = (facts.reference - facts.at).cast("float64") / MICROSECONDS_PER_DAY
    weights = {f"weight_{half_life}": _power_of_half(age_days / half_life) for half_life in HALF_LIVES_DAYS}
    ids = _fetch(persons.select("row", "customer_id"), "row")
    return facts.mutate(**weights).cache(), ids["customer_id"].to_pylist()


def _power_of_half(exponent: Any) -> Any:
    return ibis.literal(2.0).pow(-ibis.least(exponent, 1_100.0))


def _rooted(events: Table, roots: Mapping[str, str]) -> Table:
    if not roots:
        return events
    merged = ibis.memtable(pyarrow.table({"merged_id": list(roots), "root": list(roots.values())}))
    events.get_backend().to_pyarrow(merged.count())  # tells Spark of it, which Ibis's cache() does not (Ibis 12)
    joined = events.left_join(merged, events.customer_id == merged.merged_id)
    return joined.mutate(customer_id=ibis.coalesce(joined.root, joined.customer_id)).drop("merged_id", "root")


def _heard(events: Table) -> Table:
    """One row a fact; lines of cancelled orders are nothing that happened."""
    is_purchase = events.type == EventType.PURCHASE.value
    facet = ibis.cases(
        ((events.type == EventType.MESSAGE_OPENED.value) & events.machine_open.fill_null(False), MACHINE_OPENED),
        ((events.type == EventType.OFFER_PRESENTED.value) & (events.offer_id == NO_OFFER), CONTROL),
        else_=events.type,
    )
    own_order = ibis.ifelse(is_purchase, "event:" + events.source + ":" + events.event_id, ibis.null("string"))
    facts = events.filter(events.type.notin([kind.value for kind in UNHEARD])).select(
        "customer_id",
        "product_id",
        "offer_id",
        "channel",
        "message_id",
        "purpose",
        "granted",
        "score",
        "points_balance",
        "points_expire_at",
        "properties",
        facet=facet,
        at=events.occurred_at,
        amount=events.amount.fill_null(0),
        discount=events.discount_amount.fill_null(0),
        order_text=ibis.coalesce("order:" + events.order_id, own_order),
        own=events.decision_id.notnull(),
    )
    cancelled = facts.filter(facts.facet == EventType.ORDER_CANCELLED.value).select("customer_id", "order_text")
    cancelled = cancelled.distinct().mutate(is_cancelled=True)
    joined = facts.left_join(cancelled, ["customer_id", "order_text"])
    stands = (joined.facet != EventType.PURCHASE.value) | joined.is_cancelled.isnull()
    return joined.filter(stands).drop("customer_id_right", "order_text_right", "is_cancelled")


def standing_purchases(events: Table, roots: Mapping[str, str]) -> Table:
    """Order lines (``customer_id, at, order_text, amount, product_id``) whose orders are not cancelled in the table."""
    heard = _heard(_rooted(events, roots))
    return heard.filter(heard.facet.isin(PURCHASES))


def _expressions(statistics: Sequence[Statistic], facts: Table) -> dict[str, Any]:
    return {statistic.name: statistic.aggregate(facts) for statistic in statistics}


def _of_customer(facts: Table) -> Any:
    """Of the statistics only those that hear a facet which occurs: the others stay at their identity."""
    facets = set(facts.select("facet").distinct().to_pyarrow()["facet"].to_pylist())
    declared: tuple[Statistic | Decayed, ...] = (*OF_CUSTOMER, *DECAYED_OF_CUSTOMER)
    heard = [s for s in declared if facets.intersection(s.facets)]
    return _fetch(facts.group_by("row").aggregate(**{s.name: s.aggregate(facts) for s in heard}), "row")


def _present(table: Any, name: str, identity: float, n: int) -> NDArray[Any]:
    return table[name].to_numpy() if name in table.column_names else np.full(n, identity)


def _fetch(table: Table, *keys: str) -> Any:
    return table.order_by(*keys).to_pyarrow()


def _int(table: Any, name: str) -> Integers:
    values: Integers = table[name].to_numpy().astype(np.int64)
    return values


def _float(table: Any, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table[name].to_numpy().astype(np.float64)
    return values


def _offsets(rows: Integers, n: int) -> Integers:
    return offsets_of(np.bincount(rows, minlength=n).astype(np.int64))


def _coded(table: Any, name: str) -> tuple[NDArray[np.int32], list[str]]:
    encoded = table[name].combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist()


def _orders(facts: Table, n: int, zones: Sequence[str]) -> tuple[Orders, Remnants]:
    named = facts.filter(facts.order_text.notnull())
    table = _fetch(named.group_by("row", "order_text").aggregate(**_expressions(OF_ORDER, named)), "row", "first_at")
    table = table.filter(
        (_int(table, "lines") > 0) | (_int(table, "refunded") > 0) | (_int(table, "cancellations") > 0)
    )
    rows, first_at, lines = _int(table, "row"), _int(table, "first_at"), _int(table, "lines")
    key = np.array([order_key(text) for text in table["order_text"].to_pylist()], dtype=np.uint64)
    order = np.lexsort((key, first_at, rows))
    standing, rest = order[lines[order] > 0], order[lines[order] == 0]
    refunded = _int(table, "refunded")
    return (
        Orders(
            _offsets(rows[standing], n),
            key[standing],
            first_at[standing],
            _int(table, "amount")[standing],
            lines[standing],
            refunded[standing],
            local_hours(first_at[standing], rows[standing], zones),
        ),
        Remnants(_offsets(rows[rest], n), key[rest], refunded[rest], _int(table, "cancellations")[rest]),
    )


def _products(facts: Table, n: int, fixed: Any) -> Products:
    bought = facts.filter(facts.facet.isin(PURCHASES) & facts.product_id.notnull())
    grouped = bought.group_by("row", "product_id").aggregate(
        **_expressions(OF_PRODUCT, bought), decayed=DECAYED_OF_PRODUCT.aggregate(bought)
    )
    table = _fetch(grouped, "row", "product_id")
    rows, last_at = _int(table, "row"), _int(table, "last_at")
    code, vocabulary = _coded(table, "product_id")
    age = (_int(fixed, "last_event_at")[rows] - last_at) / (DECAYED_OF_PRODUCT.half_life_days * MICROSECONDS_PER_DAY)
    decayed = _float(table, "decayed") * np.exp2(age)
    return Products(_offsets(rows, n), code, _int(table, "lines"), _int(table, "amount"), last_at, decayed, vocabulary)


def _hours(facts: Table, n: int, zones: Sequence[str]) -> Hours:
    """Quarter hours are counted by the engine and become local hours here."""
    active = facts.filter(facts.facet.isin((*ENGAGEMENT, *SENT)))
    active = active.mutate(quarter=active.at // _QUARTER_HOUR)
    table = _fetch(active.group_by("row", "quarter").aggregate(**_expressions(OF_HOUR, active)), "row", "quarter")
    rows = _int(table, "row")
    hours = local_hours(_int(table, "quarter") * _QUARTER_HOUR, rows, zones)
    cells, where = np.unique(rows * 256 + hours, return_inverse=True)
    counts = [np.bincount(where, weights=_float(table, s.name), minlength=cells.size) for s in OF_HOUR]
    engaged, sent = (count.astype(np.int64) for count in counts)
    return Hours(_offsets(cells // 256, n), (cells % 256).astype(np.uint8), engaged, sent)


def _channels(facts: Table, n: int) -> Channels:
    facets = sorted({facet for statistic in OF_CHANNEL for facet in statistic.facets})
    named = facts.filter(facts.channel.notnull() & facts.facet.isin(facets))
    grouped = named.group_by("row", "channel").aggregate(**_expressions(OF_CHANNEL, named))
    table = _fetch(grouped, "row", "channel")
    code, vocabulary = _coded(table, "channel")
    sent, responses, lines = (_int(table, statistic.name) for statistic in OF_CHANNEL)
    return Channels(_offsets(_int(table, "row"), n), code, sent, responses, lines, vocabulary)


def _contacts(facts: Table, n: int) -> Contacts:
    named = facts.filter(facts.offer_id.notnull() & facts.facet.isin(OFFER_CONTACTS))
    grouped = named.group_by("row", "offer_id", "facet", "at", "own").aggregate(times=named.count())
    table = _fetch(grouped, "row", "at", "offer_id", "facet", "own")
    code, vocabulary = _coded(table, "offer_id")
    facet, names = _coded(table, "facet")
    numbers = np.array([CONTACT_FACETS.index(name) for name in names], dtype=np.uint8)
    return Contacts(
        _offsets(_int(table, "row"), n),
        code,
        numbers[facet] if names else facet.astype(np.uint8),
        _int(table, "at"),
        table["own"].to_numpy().astype(np.bool_),
        _int(table, "times"),
        vocabulary,
    )
