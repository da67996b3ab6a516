"""Which channel an offer goes by, and when."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.instant import Instant
from features.profile_tables import Channels
from features.profiles import Profiles
from serving.decision import Floats
from serving.eligibility import UNNAMED, Permissions, Rules
from serving.offer_table import OfferTable
from serving.refusal import Codes
from serving.send_slots import Slots, best_slot


def strengths(profile: Profiles | None) -> dict[str, float]:
    """How well one customer was reached by each channel of which anything is known.

    Responses and purchases there, for each message sent, held back while few were sent.
    """
    if profile is None:
        return {}
    channels = profile.channels
    heard = strengths_of_all(channels)
    return {channels.vocabulary[code]: float(value) for code, value in zip(channels.code, heard, strict=True)}


def strengths_of_all(channels: Channels) -> Floats:
    """The same of each row of a table."""
    heard: Floats = (channels.responses + channels.purchase_lines + 1.0) / (channels.sent + 10.0)
    return heard


def best_channel(profile: Profiles | None, among: Sequence[str]) -> str | None:
    """The channel by which the customer was best reached, else the first; ``None`` if there is nothing to choose."""
    if len(among) < 2:
        return among[0] if among else None
    known = strengths(profile)
    return max(among, key=lambda channel: known.get(channel, 0.0))


def settle_channel(
    allowed: Permissions, rules: Rules, codes: Codes, expected_value: Floats, profile: Profiles | None
) -> str | None:
    """Of the request's channels that may be used, the one with the most valuable offer; else the customer's best.

    It is settled before anything is drawn, so that what can be drawn, and its probability, are of one channel.
    """
    channels = allowed.channels
    if len(channels) < 2 or not rules.channel_bits:
        return best_channel(profile, channels)
    left = np.where(codes == 0, expected_value, -np.inf)
    value = {
        channel: float(left[(rules.channels & rules.channel_bits.get(channel, UNNAMED)) != 0].max(initial=-np.inf))
        for channel in channels
    }
    most = max(value.values())
    return best_channel(profile, [channel for channel in channels if value[channel] == most])


def channel_of_offer(offers: OfferTable, row: int, allowed: Permissions, profile: Profiles | None) -> str | None:
    """Where the caller named no channel: the best of the offer's own; ``None`` where any will do."""
    return best_channel(profile, [c for c in offers.offers[row].channels if c not in allowed.refused])


def send_moment(rules: Rules, rows: Sequence[int], slots: Slots, scores: Floats | None) -> Instant | None:
    """The best slot at which all the offers may be sent; if they share none, the first offer's best."""
    shared = np.ones(slots.at.shape, dtype=np.bool_)
    for row in rows:
        shared &= _is_sendable(rules, row, slots)
    best = best_slot(slots, scores, shared)
    return best_slot(slots, scores, _is_sendable(rules, rows[0], slots)) if best is None else best


def _is_sendable(rules: Rules, row: int, slots: Slots) -> NDArray[np.bool_]:
    sendable: NDArray[np.bool_] = slots.at < rules.valid_to[row]
    if rules.hours is not None:
        sendable &= rules.hours[slots.hour, row]
    return sendable
