"""The values that a decision is made of: what was asked, what is known, what was predicted, what was chosen.

Those of which a request makes many are msgspec's structures: they are made several times sooner than dataclasses.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from features.entities import Customer, Offer
from features.instant import Instant
from features.money import Money
from features.presented_terms import Outcome
from features.profiles import Profiles
from serving.refusal import Refusal

Floats = NDArray[np.float64]


class BasketLine(Struct, frozen=True):
    product_id: str
    quantity: float = 1.0
    amount: Money = 0
    """Of the whole line; 0 where the caller does not say, then the catalogue's price is taken."""


class DecisionRequest(Struct, frozen=True, omit_defaults=True):
    """``channels`` are those the caller could use; empty means that it did not say."""

    customer_id: str
    decided_at: Instant
    decision_id: str
    brand: str = "default"
    channels: tuple[str, ...] = ()
    placement: str | None = None
    language: str | None = None
    limit: int = 1
    basket: tuple[BasketLine, ...] | None = None
    """``None`` when the caller named no basket; empty when it is empty."""
    context: Mapping[str, object] = {}
    is_dry_run: bool = False


RESERVED = "reserved"
RELEASED = "released"
HOLDING = (RESERVED, "confirmed", "accepted")
"""The states of a reservation in which something is held."""


class OfferUse(Struct, frozen=True, array_like=True):
    """One reservation of an offer for this customer, as the store holds it."""

    offer_id: str
    decided_at: Instant
    state: str
    """One of ``HOLDING``, or ``RELEASED``."""
    expires_at: Instant
    channel: str | None = None
    """By which it went, where that was asked for."""

    def is_held_at(self, now: Instant) -> bool:
        """A reservation that nobody saw in time is released, though no sweep came by yet."""
        return self.state != RELEASED and (self.state != RESERVED or self.expires_at > now)


class CustomerState(Struct, frozen=True):
    """``profile`` holds one customer, or is ``None`` for one never heard of; an empty ``timezone`` is the brand's."""

    profile: Profiles | None = None
    customer: Customer | None = None
    is_blocked: bool = False
    uses: Sequence[OfferUse] = ()
    timezone: str = ""


class LearnedResponse(Struct, frozen=True):
    """How one customer responds to each offer of the table, as learned from responses; see ``training.models``."""

    outcome: Outcome
    accept: Floats
    """Chance of the response, given the offer."""
    uplift: Floats
    """Response given the offer less response given nothing, in the unit of the outcome; NaN where nobody can tell."""
    basis: NDArray[np.int8]
    """Whether an offer was learned by itself or from similar ones (``training.models.offer_response.Basis``)."""


class Predictions(Struct, frozen=True):
    """What the models said of one customer; ``None`` where a model is missing, with the reason in ``fallbacks``.

    ``affinity`` has one number in [0, 1] per offer of the table, in its order: the chance that the next order holds
    something of the offer's target. ``features`` is the vector that the models saw, for the log.
    """

    churn_probability: float | None = None
    lifetime_value: float | None = None
    """Mean of the gross purchases within the horizon, currency units."""
    horizon_days: float | None = None
    send_time: Floats | None = None
    send_time_by_channel: Mapping[str, Floats] = {}
    """Of channels whose hours differ; of any other, ``send_time``."""
    affinity: Floats | None = None
    response: LearnedResponse | None = None
    """``None`` where nothing was learned of responses: priors serve."""
    features: Floats | None = None
    model_versions: Mapping[str, str] = {}
    fallbacks: Mapping[str, str] = {}
    missing_versions: Mapping[str, str] = {}
    """By model, those that were to be asked and are not there."""

    def hours_of(self, channel: str | None) -> Floats | None:
        """The scores of the 168 hours of the week for a message by that channel."""
        return self.send_time if channel is None else self.send_time_by_channel.get(channel, self.send_time)


class ChosenOffer(Struct, frozen=True):
    """``propensity`` is the probability that this offer stood at this rank; ``reserved_cost`` the most it may cost."""

    offer: Offer
    value: float | None
    """Of the offer's depths, the one that was chosen."""
    rank: int
    propensity: float
    expected_value: float
    accept_probability: float
    valid_until: Instant | None
    reasons: tuple[str, ...]
    words: Mapping[str, str]
    reserved_cost: Money
    expected_cost: Money = 0
    """What an acceptance is expected to cost, times its chance."""

    @property
    def offer_id(self) -> str:
        return self.offer.offer_id


class Candidate(Struct, frozen=True, omit_defaults=True):
    """An action that could have been taken, for the log; ``probability`` is that of standing first.

    ``score`` is what it was ranked by, where a policy has that differ from the expected value.
    """

    offer_id: str
    expected_value: float
    accept_probability: float
    probability: float
    score: float | None = None


class WouldBe(Struct, frozen=True):
    """One offer of the menu that would have been answered."""

    offer_id: str
    rank: int
    propensity: float
    expected_value: float


class Imitation(Struct, frozen=True, omit_defaults=True):
    """What would have been answered had no present rule been imitated; ``candidates`` as of a decision."""

    rule: str
    offers: tuple[WouldBe, ...] = ()
    candidates: tuple[Candidate, ...] = ()


class Account(Struct, frozen=True, omit_defaults=True):
    """What a decision gave up, in currency units of expected value, and how likely its whole menu was.

    ``exploration_cost`` is what the most valuable menu was expected to bring, less the mean over all that could have
    been drawn; ``diversity_price`` what the best menu without limits on categories would have brought beyond the best
    one with them.
    """

    exploration_cost: float = 0.0
    diversity_price: float = 0.0
    menu_probability: float | None = None
    """Of the offers in this order and no others; ``None`` where one offer at most was asked for."""
    imitation: Imitation | None = None


class Decision(Struct, frozen=True):
    """What was decided and everything that the log needs to say why.

    ``none_probability`` is the probability that this request was answered with nothing: the propensity of ``none``.
    ``candidates`` are the eligible offers drawn among, and ``none``; their probabilities sum to one.
    """

    decision_id: str
    decided_at: Instant
    offers: tuple[ChosenOffer, ...]
    none_probability: float
    no_offer_reason: str | None
    channel: str | None
    send_at: Instant | None
    expires_at: Instant
    excluded: Mapping[str, int]
    candidates: tuple[Candidate, ...]
    fallback: str | None
    codes: bytes = b""
    """Of each offer of the table the number of its refusal, 0 where it could be made."""
    account: Account | None = None
    """``None`` by policies of before there were accounts."""

    @property
    def is_of_block(self) -> bool:
        """Whether nothing is offered because the customer must not be contacted."""
        return self.no_offer_reason == Refusal.CONTACT_BLOCKED.word
