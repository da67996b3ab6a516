"""The profile of one customer while events are added to it.

A profile is a commutative sum: events may come in any order, and the profiles of parts of a history merge to that
of the whole. What is not a sum cannot be added, only folded anew from the log: :func:`needs_refold` says when.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from features.events import Event, EventType
from features.facts import UNHEARD, Fact, fact_of, hour_of_week
from features.instant import Instant
from features.statistics import (
    DECAYED_OF_CUSTOMER,
    DECAYED_OF_PRODUCT,
    ENGAGEMENT,
    NEVER_LAST,
    OF_CHANNEL,
    OF_CUSTOMER,
    OF_HOUR,
    OF_MESSAGE,
    OF_ORDER,
    OF_PRODUCT,
    OFFER_CONTACTS,
    PURCHASES,
    SENT,
    Statistic,
    by_facet,
    decay,
    identities,
    merge_all,
)

Key = TypeVar("Key")
State = str | float
Contact = tuple[str, str, Instant, bool]
"""(offer_id, facet, when, whether the decision was ours)."""

_CUSTOMER = by_facet(OF_CUSTOMER)
_ORDER = by_facet(OF_ORDER)
_PRODUCT = by_facet(OF_PRODUCT)
_HOUR = by_facet(OF_HOUR)
_MESSAGE = by_facet(OF_MESSAGE)
_CHANNEL = by_facet(OF_CHANNEL)
_DECAYED = {facet: tuple((i, s) for i, s in enumerate(DECAYED_OF_CUSTOMER) if facet in s.facets) for facet in _CUSTOMER}
_HOURLY = frozenset((*ENGAGEMENT, EventType.MESSAGE_SENT.value))
_LAST_EVENT = [statistic.name for statistic in OF_CUSTOMER].index("last_event_at")
_LINES = [statistic.name for statistic in OF_ORDER].index("lines")
_NO_ORDER = identities(OF_ORDER)
_CANCELLATIONS = [statistic.name for statistic in OF_ORDER].index("cancellations")
_LAST_OF_PRODUCT = [statistic.name for statistic in OF_PRODUCT].index("last_at")


@dataclass(slots=True)
class Profile:
    """Statistics by position as declared in :mod:`features.statistics`; ``decayed`` stands at the last event's time.

    ``products`` holds, behind the statistics, the decayed count at the product's own last time; ``messages``, by key,
    the channel of the sending (of several the first by name, "" where none was named). ``states`` are registers in
    which the latest word wins (of two at one instant, the greater).
    """

    customer: list[int] = field(default_factory=lambda: identities(OF_CUSTOMER))
    decayed: list[float] = field(default_factory=lambda: [0.0] * len(DECAYED_OF_CUSTOMER))
    orders: dict[int, list[int]] = field(default_factory=dict)
    products: dict[str, tuple[list[int], float]] = field(default_factory=dict)
    hours: dict[int, list[int]] = field(default_factory=dict)
    messages: dict[int, tuple[list[int], str]] = field(default_factory=dict)
    channels: dict[str, list[int]] = field(default_factory=dict)
    contacts: dict[Contact, int] = field(default_factory=dict)
    states: dict[str, tuple[Instant, State]] = field(default_factory=dict)

    @property
    def last_event_at(self) -> Instant:
        """``NEVER_LAST`` while nothing has happened."""
        return self.customer[_LAST_EVENT]

    def is_cancelled(self, order: int | None) -> bool:
        return order is not None and order in self.orders and self.orders[order][_CANCELLATIONS] > 0


def fold(events: Iterable[Event], timezone: str) -> Profile:
    """The profile of one customer's whole history; ``timezone`` is the customer's."""
    heard = [fact_of(event) for event in events if event.type not in UNHEARD]
    profile = Profile()
    for fact in sorted(heard, key=lambda fact: fact.facet != EventType.ORDER_CANCELLED):
        add(profile, fact, timezone)
    return profile


def needs_refold(profile: Profile, event: Event) -> bool:
    """Whether the event takes back what is already in the sum: an order that has lines is cancelled."""
    if event.type is not EventType.ORDER_CANCELLED:
        return False
    order = fact_of(event).order_key
    return order is not None and order in profile.orders and profile.orders[order][_LINES] > 0


def add(profile: Profile, fact: Fact, timezone: str) -> None:
    """Add one fact in place; a line of a cancelled order is nothing that happened."""
    if fact.facet in PURCHASES and profile.is_cancelled(fact.order_key):
        return
    _add_decayed(profile, fact)
    for index, statistic in _CUSTOMER[fact.facet]:
        profile.customer[index] = statistic.update(profile.customer[index], fact)
    _add_keyed(profile, fact, timezone)
    _add_states(profile, fact.event)


def _add_decayed(profile: Profile, fact: Fact) -> None:
    if profile.last_event_at < fact.at:
        bring_forward(profile, fact.at)
    reference = max(profile.last_event_at, fact.at)
    for index, statistic in _DECAYED[fact.facet]:
        profile.decayed[index] += statistic.contribution(fact, reference)


def bring_forward(profile: Profile, reference: Instant) -> None:
    """Bring the decayed values from the last event's time to a later one."""
    if profile.last_event_at == NEVER_LAST:
        return
    age = reference - profile.last_event_at
    profile.decayed = [
        value and value * decay(age, statistic.half_life_days)
        for value, statistic in zip(profile.decayed, DECAYED_OF_CUSTOMER, strict=True)
    ]


def _add_keyed(profile: Profile, fact: Fact, timezone: str) -> None:
    facet = fact.facet
    if fact.order_key is not None and _ORDER[facet]:
        order = profile.orders.get(fact.order_key) or identities(OF_ORDER)
        for index, statistic in _ORDER[facet]:
            order[index] = statistic.update(order[index], fact)
        if order != _NO_ORDER:  # a refund of nothing tells of none
            profile.orders[fact.order_key] = order
    if fact.product_id is not None and _PRODUCT[facet]:
        _add_product(profile, fact.product_id, fact)
    if facet in _HOURLY:
        hour = profile.hours.setdefault(hour_of_week(fact.at, timezone), identities(OF_HOUR))
        for index, statistic in _HOUR[facet]:
            hour[index] = statistic.update(hour[index], fact)
    if fact.message_key is not None and _MESSAGE[facet]:
        _add_message(profile, fact.message_key, fact)
    if fact.channel is not None and _CHANNEL[facet]:
        channel = profile.channels.setdefault(fact.channel, identities(OF_CHANNEL))
        for index, statistic in _CHANNEL[facet]:
            channel[index] = statistic.update(channel[index], fact)
    if fact.offer_id is not None and facet in OFFER_CONTACTS:
        contact = (fact.offer_id, facet, fact.at, fact.is_own_decision)
        profile.contacts[contact] = profile.contacts.get(contact, 0) + 1


def _add_product(profile: Profile, product_id: str, fact: Fact) -> None:
    so_far, decayed = profile.products.get(product_id, (identities(OF_PRODUCT), 0.0))
    last = so_far[_LAST_OF_PRODUCT]
    reference = max(last, fact.at)
    if last != NEVER_LAST:
        decayed *= decay(reference - last, DECAYED_OF_PRODUCT.half_life_days)
    for index, statistic in _PRODUCT[fact.facet]:
        so_far[index] = statistic.update(so_far[index], fact)
    profile.products[product_id] = so_far, decayed + DECAYED_OF_PRODUCT.contribution(fact, reference)


def _add_message(profile: Profile, key: int, fact: Fact) -> None:
    so_far, channel = profile.messages.get(key, (identities(OF_MESSAGE), ""))
    for index, statistic in _MESSAGE[fact.facet]:
        so_far[index] = statistic.update(so_far[index], fact)
    said = fact.channel or "" if fact.facet in SENT else ""
    profile.messages[key] = so_far, _first_name(channel, said)


def _first_name(one: str, other: str) -> str:
    return min(one, other) if one and other else one or other


def states_of(event: Event) -> list[tuple[str, State]]:
    """What the event says of how things stand, by name."""
    said: list[tuple[str, State]] = []
    if event.type in (EventType.CONTACT_BLOCKED, EventType.CONTACT_UNBLOCKED):
        said.append(("blocked", "yes" if event.type is EventType.CONTACT_BLOCKED else "no"))
    if event.type is EventType.CONSENT_CHANGED and event.purpose is not None:
        said.append((f"consent:{event.purpose}", "granted" if event.granted else "refused"))
    if event.type is EventType.UNSUBSCRIBED:
        said.append((f"consent:{event.channel or 'messages'}", "refused"))
    if event.type is EventType.SURVEY_ANSWERED and event.score is not None:
        said.append(("survey_score", event.score))
    if event.points_balance is not None:
        said.append(("points_balance", event.points_balance))
    if event.points_expire_at is not None:
        said.append(("points_expire_at", float(event.points_expire_at)))
    tier = (event.properties or {}).get("tier") if event.type is EventType.TIER_CHANGED else None
    if isinstance(tier, str):
        said.append(("tier", tier))
    return said


def _add_states(profile: Profile, event: Event) -> None:
    for name, value in states_of(event):
        word = (event.occurred_at, value)
        profile.states[name] = max(profile.states.get(name, word), word)


def merge(one: Profile, other: Profile) -> Profile:
    """The profile of both histories together.

    Neither may hold a cancellation of an order whose lines are in the other: see :func:`needs_refold`.
    """
    reference = max(one.last_event_at, other.last_event_at)
    one, other = _at(one, reference), _at(other, reference)
    return Profile(
        customer=merge_all(OF_CUSTOMER, one.customer, other.customer),
        decayed=[a + b for a, b in zip(one.decayed, other.decayed, strict=True)],
        orders=_merge_keyed(OF_ORDER, one.orders, other.orders),
        products=_merge_products(one.products, other.products),
        hours=_merge_keyed(OF_HOUR, one.hours, other.hours),
        messages=_merge_messages(one.messages, other.messages),
        channels=_merge_keyed(OF_CHANNEL, one.channels, other.channels),
        contacts={key: one.contacts.get(key, 0) + other.contacts.get(key, 0) for key in one.contacts | other.contacts},
        states={
            name: max(word for word in (one.states.get(name), other.states.get(name)) if word)
            for name in one.states | other.states
        },
    )


def _at(profile: Profile, reference: Instant) -> Profile:
    """A copy whose decayed values stand at the reference (its ``last_event_at`` no longer says where)."""
    copy = Profile(
        list(profile.customer),
        list(profile.decayed),
        profile.orders,
        profile.products,
        profile.hours,
        profile.messages,
        profile.channels,
        profile.contacts,
        profile.states,
    )
    bring_forward(copy, reference)
    return copy


def _merge_keyed(
    statistics: tuple[Statistic, ...], one: dict[Key, list[int]], other: dict[Key, list[int]]
) -> dict[Key, list[int]]:
    merged = {key: list(values) for key, values in one.items()}
    for key, values in other.items():
        merged[key] = merge_all(statistics, merged[key], values) if key in merged else list(values)
    return merged


def _merge_messages(
    one: dict[int, tuple[list[int], str]], other: dict[int, tuple[list[int], str]]
) -> dict[int, tuple[list[int], str]]:
    nothing = identities(OF_MESSAGE), ""
    pairs = {key: (one.get(key, nothing), other.get(key, nothing)) for key in one | other}
    return {
        key: (merge_all(OF_MESSAGE, mine, theirs), _first_name(my_channel, their_channel))
        for key, ((mine, my_channel), (theirs, their_channel)) in pairs.items()
    }


def _merge_products(
    one: dict[str, tuple[list[int], float]], other: dict[str, tuple[list[int], float]]
) -> dict[str, tuple[list[int], float]]:
    merged = {key: (list(values), decayed) for key, (values, decayed) in one.items()}
    for key, (values, decayed) in other.items():
        if key not in merged:
            merged[key] = list(values), decayed
            continue
        mine, my_decayed = merged[key]
        both = merge_all(OF_PRODUCT, mine, values)
        last = both[_LAST_OF_PRODUCT]
        merged[key] = (
            both,
            my_decayed * decay(last - mine[_LAST_OF_PRODUCT], DECAYED_OF_PRODUCT.half_life_days)
            + decayed * decay(last - values[_LAST_OF_PRODUCT], DECAYED_OF_PRODUCT.half_life_days),
        )
    return merged
