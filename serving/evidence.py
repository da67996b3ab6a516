"""What a decision was made of, beside what the log says in words: enough to make the same decision again.

Of the customer it holds what bore on the decision and no more: of the profile not the purchases but what they came to
for each offer; of the attributes those that some offer asks for. What is the same for everybody is named by its digest.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from features.instant import Instant
from features.money import Money
from features.presented_terms import Outcome
from features.profiles import Profiles
from serving.conditions import Subject, Value
from serving.customer_facts import is_blocked
from serving.decision import Decision, LearnedResponse, OfferUse
from serving.offer_evaluation import Case
from serving.offer_numbers import NO_NUMBERS, OfferNumbers, packed, packed_at, unpacked
from serving.policy_version import policy_version
from serving.refusal import Refusal
from serving.rule_table import RuleTable, rule_table
from serving.targets import about
from serving.unsubscribing import unsubscribed_at
from serving.value_inputs import facts

CONSENT = "consent:"


class ChannelCounts(Struct, frozen=True, array_like=True):
    """What a profile counts of a channel."""

    channel: str
    sent: int
    responses: int
    purchase_lines: int


class ResponseNumbers(Struct, frozen=True, array_like=True):
    """:class:`serving.decision.LearnedResponse` of all offers; ``basis`` has a byte for each."""

    outcome: Outcome
    accept: OfferNumbers
    uplift: OfferNumbers
    basis: bytes

    def unpacked(self, count: int) -> LearnedResponse:
        basis = np.frombuffer(self.basis, dtype=np.int8)
        return LearnedResponse(self.outcome, unpacked(self.accept, count), unpacked(self.uplift, count), basis)


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``catalogue`` and ``policy`` are the versions under which the store keeps their contents."""

    catalogue: str
    policy: str

    heard_until: Instant | None = None
    """The last that the profile had heard of; ``None`` where there was no profile."""
    has_entry: bool = False
    """Whether the customers' table knew the customer."""
    is_blocked: bool = False
    consents: Mapping[str, Any] = {}
    """The latest word on each purpose and channel."""
    unsubscribed_at: Instant | None = None
    """When messages were last refused, where the policy asks."""
    tier: Value = None
    attributes: Mapping[str, Value] = {}
    """Those that some offer, or the policy, asks for."""
    timezone: str = ""
    channels: tuple[ChannelCounts, ...] = ()
    """Where there was a channel to choose."""
    uses: tuple[OfferUse, ...] = ()
    """Of offers that have a cap per customer; of all where the policy limits what is offered."""
    declines: tuple[tuple[str, Instant], ...] = ()
    orders: int = 0
    mean_order: float | None = None
    target_lines: OfferNumbers = NO_NUMBERS
    target_spend: OfferNumbers = NO_NUMBERS

    features: bytes = b""
    affinity: OfferNumbers | None = None
    response: "ResponseNumbers | None" = None
    """What was learned of responses, where anything was."""
    send_time: bytes = b""
    """By the hour of the week, for the channel that was settled on, if that is one of messages."""
    missing_versions: Mapping[str, str] = {}

    used_up: Mapping[int, int] = {}
    """By row, the refusals that hold for everybody because too much was given away."""
    shadow_price: OfferNumbers | None = None
    """Where anything was scarce."""
    codes: bytes = b""
    """Of each offer the number of its refusal."""
    basket_prices: tuple[Money | None, ...] = ()
    """By line, the catalogue's."""
    in_basket: bytes = b""
    """A bit for each offer: whether it is about something in the basket."""
    lost: Mapping[str, str] = {}
    """By offer that was decided on and could not be had, the refusal."""


def evidence_of(case: Case, decision: Decision, lost: Mapping[str, Refusal]) -> Evidence:
    """What ``decision`` was made of; ``lost`` are the offers that could not be had in the end."""
    customer, history, predictions = case.customer, case.history, case.predictions
    profile, own = customer.profile, customer.customer
    policy = case.policy
    table = rule_table(policy, case.offers)
    is_message = decision.channel in policy.message_channels
    hours = predictions.hours_of(decision.channel) if is_message else None
    bought = history.target_lines.nonzero()[0]
    prices, in_basket = _basket(case)
    return Evidence(
        catalogue=case.offers.version,
        policy=policy_version(policy),
        heard_until=None if profile is None else int(profile.last_event_at[0]),
        has_entry=own is not None,
        is_blocked=is_blocked(customer),
        consents=_consents(profile),
        unsubscribed_at=unsubscribed_at(customer, policy) if policy.unsubscribe_days else None,
        tier=_tier(case, table),
        attributes=_attributes(case, table),
        timezone=customer.timezone or (own is not None and own.timezone) or "",
        channels=_channels(case, profile),
        uses=_uses(case),
        declines=tuple(history.declines),
        orders=history.orders,
        mean_order=history.mean_order,
        target_lines=packed_at(bought, history.target_lines, "<u4"),
        target_spend=packed_at(bought, history.target_spend),
        features=b"" if predictions.features is None else predictions.features.tobytes(),
        affinity=None if predictions.affinity is None else packed(predictions.affinity),
        response=None if predictions.response is None else _response(predictions.response),
        send_time=b"" if hours is None else hours.tobytes(),
        missing_versions=predictions.missing_versions,
        used_up=case.offers.used_up,
        shadow_price=None if case.offers.shadow_price is None else packed(case.offers.shadow_price),
        codes=decision.codes,
        basket_prices=prices,
        in_basket=in_basket,
        lost={offer_id: refusal.word for offer_id, refusal in lost.items()} if lost else {},
    )


def _response(learned: LearnedResponse) -> ResponseNumbers:
    return ResponseNumbers(learned.outcome, packed(learned.accept), packed(learned.uplift), learned.basis.tobytes())


def encoded(evidence: Evidence) -> bytes:
    return _encode(evidence)


def decoded(body: bytes) -> Evidence:
    """
    Raises
    ------
    msgspec.MsgspecError
        If it is no evidence.
    """
    return _decode(body)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Evidence).decode


def _consents(profile: Profiles | None) -> dict[str, Any]:
    if profile is None or not profile.states[0]:
        return {}
    return {name: word[1] for name, word in profile.states[0].items() if name.startswith(CONSENT)}


def _tier(case: Case, table: RuleTable | None) -> Value:
    is_asked = any(condition.subject is Subject.TIER for condition, _ in case.offers.rules.conditions)
    if not is_asked and (table is None or not table.asks_for_tier):
        return None
    return facts(case.request.decided_at, case.customer, case.predictions)(Subject.TIER, "tier")


def _attributes(case: Case, table: RuleTable | None) -> dict[str, Value]:
    asked = {one.name for one, _ in case.offers.rules.conditions if one.subject is Subject.ATTRIBUTE}
    if table is not None:
        asked |= table.attributes
    if not asked:
        return {}
    known = facts(case.request.decided_at, case.customer, case.predictions)
    return {name: known(Subject.ATTRIBUTE, name) for name in sorted(asked)}


def _uses(case: Case) -> tuple[OfferUse, ...]:
    uses, caps = case.customer.uses, case.offers.rules.caps
    return tuple(uses) if case.policy.rules.limits else tuple(use for use in uses if use.offer_id in caps)


def _channels(case: Case, profile: Profiles | None) -> tuple[ChannelCounts, ...]:
    """Of a decision that may have had a channel to choose."""
    if profile is None or (len(case.request.channels) < 2 and len(case.offers.rules.channel_bits) < 2):
        return ()
    counted = profile.channels
    names = [counted.vocabulary[code] for code in counted.code]
    columns = counted.sent.tolist(), counted.responses.tolist(), counted.purchase_lines.tolist()
    return tuple(ChannelCounts(*row) for row in zip(names, *columns, strict=True))


def _basket(case: Case) -> tuple[tuple[Money | None, ...], bytes]:
    """The catalogue's price of each line, and the offers that are about something in the basket."""
    basket = case.request.basket
    if not basket:
        return (), b""
    products = [line.product_id for line in basket]
    prices = tuple(case.offers.prices.get(product_id) for product_id in products)
    return prices, np.packbits(about(case.offers.targets, products)).tobytes()
