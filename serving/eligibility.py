"""Which offers may be made to a customer now."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.compiled import compiled
from features.entities import CapPerCustomer, Offer
from features.instant import HOURS_PER_WEEK, MICROSECONDS_PER_DAY, Instant
from features.money import Money
from serving.conditions import Condition, Facts, Subject, is_met, parse_conditions
from serving.decision import DecisionRequest, OfferUse
from serving.policy import Policy
from serving.refusal import Codes, Refusal
from serving.send_slots import Slots

Bits = NDArray[np.int64]
Declines = Sequence[tuple[str, Instant]]
"""Offers, and when."""

LONG_AGO: Instant = -(2**62)
FAR_OFF: Instant = 2**62
UNNAMED = 1 << 62
"""The bit of channels, placements that no offer names; set in offers that name none at all."""
_ANY = -1
"""All bits."""
_EXPIRED, _NOT_YET_VALID = int(Refusal.EXPIRED), int(Refusal.NOT_YET_VALID)
_CHANNEL, _NO_CONSENT, _PLACEMENT = int(Refusal.CHANNEL), int(Refusal.NO_CONSENT), int(Refusal.PLACEMENT)
_NOT_PERSONALISED = int(Refusal.NOT_PERSONALISED)
_OF_SUBJECT = {
    Subject.SEGMENT: Refusal.SEGMENT,
    Subject.TIER: Refusal.TIER,
    Subject.ATTRIBUTE: Refusal.ATTRIBUTE,
    Subject.SCORE: Refusal.SCORE,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What each offer asks, one entry per offer; ``standing`` holds the refusals that no request can lift."""

    index: Mapping[str, int]
    standing: Codes
    valid_from: NDArray[np.int64]
    valid_to: NDArray[np.int64]
    hours: NDArray[np.bool_] | None
    """By local hour of the week, then by offer; ``None`` when no offer has a schedule."""
    channel_bits: Mapping[str, int]
    channels: Bits
    placement_bits: Mapping[str, int]
    placements: Bits
    minimum_spend: NDArray[np.int64]
    caps: Mapping[str, CapPerCustomer]
    """By offer, where there is one."""
    is_personalised: NDArray[np.bool_]
    conditions: tuple[tuple[Condition, NDArray[np.int64]], ...]
    """Each distinct condition with the positions of the offers that ask it."""


def build_rules(offers: Sequence[Offer], standing: Codes) -> Rules:
    """The rules of the offers as columns; a condition that cannot be understood refuses its offer to everyone."""
    standing = standing.copy()
    capped = {offer.offer_id: offer.cap_per_customer for offer in offers if offer.cap_per_customer is not None}
    for row, offer in enumerate(offers):
        if offer.offer_id in capped and capped[offer.offer_id].count == 0:
            standing[row] = Refusal.CAP_PER_CUSTOMER
    channel_bits, channels = _bits([offer.channels for offer in offers])
    placement_bits, placements = _bits([offer.placements for offer in offers])
    return Rules(
        index={offer.offer_id: row for row, offer in enumerate(offers)},
        standing=standing,
        valid_from=_int64(LONG_AGO if offer.valid_from is None else offer.valid_from for offer in offers),
        valid_to=_int64(FAR_OFF if offer.valid_to is None else offer.valid_to for offer in offers),
        hours=_hours(offers),
        channel_bits=channel_bits,
        channels=channels,
        placement_bits=placement_bits,
        placements=placements,
        minimum_spend=_int64(offer.minimum_spend or 0 for offer in offers),
        caps=capped,
        is_personalised=np.array([offer.personalised for offer in offers], dtype=np.bool_),
        conditions=_conditions(offers, standing),
    )


def _int64(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, dtype=np.int64)


def _bits(named: Sequence[tuple[str, ...]]) -> tuple[dict[str, int], Bits]:
    """One bit per name; beyond 61 names the rest share the last, and lose their precision but not their bar."""
    names = sorted({name for some in named for name in some})
    bits = {name: 1 << min(position, 61) for position, name in enumerate(names)}
    every = sum(set(bits.values())) | UNNAMED
    return bits, _int64(sum({bits[name] for name in some}) if some else every for some in named)


def _hours(offers: Sequence[Offer]) -> NDArray[np.bool_] | None:
    if not any(offer.schedule.weekdays or offer.schedule.hours for offer in offers):
        return None
    allowed = np.ones((HOURS_PER_WEEK, len(offers)), dtype=np.bool_)
    hours = np.arange(HOURS_PER_WEEK)
    for row, offer in enumerate(offers):
        if offer.schedule.weekdays:
            allowed[:, row] &= np.isin(hours // 24, offer.schedule.weekdays)
        if offer.schedule.hours:
            allowed[:, row] &= np.isin(hours % 24, offer.schedule.hours)
    return allowed


def _conditions(offers: Sequence[Offer], standing: Codes) -> tuple[tuple[Condition, NDArray[np.int64]], ...]:
    asked: dict[Condition, list[int]] = {}
    for row, offer in enumerate(offers):
        try:
            conditions = parse_conditions(offer.eligibility)
        except ValueError:
            standing[row] = Refusal.CONDITION_UNKNOWN
            continue
        for condition in conditions:
            asked.setdefault(condition, []).append(row)
    ordered = sorted(asked.items(), key=lambda item: _OF_SUBJECT[item[0].subject])
    return tuple((condition, np.array(rows, dtype=np.int64)) for condition, rows in ordered)


def is_valid_at(rules: Rules, at: Instant) -> NDArray[np.bool_]:
    """Which offers an instant falls into the dates of."""
    return (rules.valid_from <= at) & (rules.valid_to > at)


class Permissions(Struct, frozen=True):
    """What the customer has allowed: the channels of the request that may be used, and whether data may be."""

    channels: tuple[str, ...]
    """Of those asked for; empty when none was asked for, or when none is left."""
    refused: frozenset[str]
    """Channels of the request, or of any offer, that must not be used."""
    may_personalise: bool


def unrestricted(request: DecisionRequest) -> Permissions:
    """The permissions of who never said anything."""
    return Permissions(request.channels, frozenset(), may_personalise=True)


def permissions(
    request: DecisionRequest, consent: Callable[[str], bool | None], rules: Rules, policy: Policy
) -> Permissions:
    """``consent`` tells for a purpose or channel: granted, refused, or (``None``) never asked, which bars nothing."""
    no_messages = consent("messages") is False
    refused = frozenset(
        channel
        for channel in {*request.channels, *rules.channel_bits}
        if consent(channel) is False or (no_messages and channel in policy.message_channels)
    )
    return Permissions(
        channels=tuple(channel for channel in request.channels if channel not in refused),
        refused=refused,
        may_personalise=any(consent(purpose) is not False for purpose in policy.personal_purposes),
    )


def refusals(
    request: DecisionRequest,
    is_blocked: bool,
    spend: Money | None,
    uses: Sequence[OfferUse],
    declines: Declines,
    allowed: Permissions,
    rules: Rules,
    facts: Facts,
    policy: Policy,
) -> Codes:
    """For each offer the code of its :class:`Refusal`, or 0 where it may be made at some hour.

    Parameters
    ----------
    spend
        What the basket comes to; ``None`` without a basket, which meets any minimum.
    uses
        Reservations of offers for this customer.
    declines
        Of offers by this customer, with their times.
    facts
        Asked only for what some offer's condition names.
    """
    if is_blocked:
        return np.full(rules.standing.shape, Refusal.CONTACT_BLOCKED, dtype=np.int8)
    codes = rules.standing.copy()
    now = request.decided_at
    _refuse_spent(codes, rules, uses, now)
    _refuse_declined(codes, rules, declines, now, policy)
    if spend is not None:
        np.putmask(codes, rules.minimum_spend > spend, Refusal.MINIMUM_SPEND)
    for condition, rows in rules.conditions:
        if not is_met(condition, facts):
            codes[rows] = _OF_SUBJECT[condition.subject]
    left, asked = _channel_bits(rules, request, allowed)
    _refuse_by_columns(
        codes, rules.is_personalised, rules.placements, rules.channels, rules.valid_from, rules.valid_to,
        allowed.may_personalise, _placement_bit(rules, request), left, asked, now,
    )  # fmt: skip
    return codes


@compiled
def _refuse_by_columns(
    codes: Codes,
    is_personalised: NDArray[np.bool_],
    placements: Bits,
    channels: Bits,
    valid_from: NDArray[np.int64],
    valid_to: NDArray[np.int64],
    may_personalise: bool,
    placement: int,
    left: int,
    asked: int,
    now: Instant,
) -> None:
    """``placement``, ``left`` and ``asked`` are bits, of which an offer must have one; all bits where none is asked."""
    for row in range(codes.size):
        if valid_to[row] <= now:
            codes[row] = _EXPIRED
        elif valid_from[row] > now:
            codes[row] = _NOT_YET_VALID
        elif not channels[row] & asked:
            codes[row] = _CHANNEL
        elif not channels[row] & left:
            codes[row] = _NO_CONSENT
        elif not placements[row] & placement:
            codes[row] = _PLACEMENT
        elif is_personalised[row] and not may_personalise:
            codes[row] = _NOT_PERSONALISED


def _refuse_spent(codes: Codes, rules: Rules, uses: Sequence[OfferUse], now: Instant) -> None:
    if not rules.caps:
        return
    used: dict[str, int] = {}
    for use in uses:
        cap = rules.caps.get(use.offer_id)
        if cap is not None and use.is_held_at(now) and use.decided_at > now - int(cap.days * MICROSECONDS_PER_DAY):
            used[use.offer_id] = used.get(use.offer_id, 0) + 1
    for offer_id, count in used.items():
        if count >= rules.caps[offer_id].count:
            codes[rules.index[offer_id]] = Refusal.CAP_PER_CUSTOMER


def _refuse_declined(codes: Codes, rules: Rules, declines: Declines, now: Instant, policy: Policy) -> None:
    since = now - policy.decline_suppression
    for offer_id, at in declines:
        row = rules.index.get(offer_id)
        if row is not None and since < at <= now:
            codes[row] = Refusal.DECLINED_RECENTLY


def _placement_bit(rules: Rules, request: DecisionRequest) -> int:
    return _ANY if request.placement is None else rules.placement_bits.get(request.placement, UNNAMED)


def _channel_bits(rules: Rules, request: DecisionRequest, allowed: Permissions) -> tuple[int, int]:
    """The channels left to the request once consent is counted, and those it asked for."""
    if request.channels:
        return _union(rules.channel_bits, allowed.channels), _union(rules.channel_bits, request.channels)
    if allowed.refused:
        return UNNAMED | _union(rules.channel_bits, set(rules.channel_bits) - allowed.refused), _ANY
    return _ANY, _ANY


def _union(bits: Mapping[str, int], names: Iterable[str]) -> int:
    union = 0
    for name in names:
        union |= bits.get(name, UNNAMED)
    return union


def refuse_channel(codes: Codes, rules: Rules, channel: str) -> None:
    """Refuse, of the offers left, those that may not be made on the channel that was settled on."""
    bit = rules.channel_bits.get(channel, UNNAMED)
    np.putmask(codes, (codes == 0) & ((rules.channels & bit) == 0), Refusal.CHANNEL)


def refuse_hour(codes: Codes, rules: Rules, hour: int) -> None:
    """Refuse, of the offers left, those whose schedule leaves this local hour of the week out."""
    if rules.hours is not None:
        np.putmask(codes, (codes == 0) & ~rules.hours[hour], Refusal.SCHEDULE)


def refuse_unsendable(codes: Codes, rules: Rules, slots: Slots) -> None:
    """Refuse, of the offers left, those that end before a message could go out at an hour of their schedule."""
    if rules.hours is None or not slots.at.size:
        is_sendable = rules.valid_to > (int(slots.at[0]) if slots.at.size else FAR_OFF)
    else:
        is_sendable = np.any((slots.at[:, np.newaxis] < rules.valid_to) & rules.hours[slots.hour], axis=0)
    np.putmask(codes, (codes == 0) & ~is_sendable, Refusal.NO_SENDING_HOUR)
