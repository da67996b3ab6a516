"""The answer that a decision becomes, and the decision that is left when some of its offers cannot be had."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from experiments.design import Experiment, Variant
from features.entities import Offer, Target
from features.events import NO_OFFER
from serving.decision import Candidate, ChosenOffer, Decision
from serving.refusal import Refusal
from serving.schemas import ExperimentAnswer, NextBestOfferAnswer, OfferAnswer, TargetAnswer, shown_instant

Assigned = Sequence[tuple[Experiment, Variant]]
Targets = Mapping[str, bytes]
"""The target of each offer that has one, as JSON: of thousands of products, perhaps, so it is encoded but once."""
_NO_TARGET = b'"target":null'
"""As an offer without a target has it. In no text of an answer does it occur: quotes in texts are escaped."""


def shown_targets(offers: Sequence[Offer]) -> Targets:
    about_something = [offer for offer in offers if offer.target.products or offer.target.categories]
    return {offer.offer_id: b'"target":' + msgspec.json.encode(_target(offer.target)) for offer in about_something}


def with_targets(answer: bytes, offer_ids: Iterable[str], targets: Targets) -> bytes:
    """The encoded answer with the targets of its offers in their places."""
    before, *others = answer.split(_NO_TARGET)
    pieces = [before]
    for offer_id, after in zip(offer_ids, others, strict=True):
        pieces += (targets.get(offer_id, _NO_TARGET), after)
    return b"".join(pieces)


def answer_of(
    decision: Decision,
    assigned: Assigned,
    model_versions: Mapping[str, str],
    currency: str | None,
    *,
    is_kept: bool,
) -> NextBestOfferAnswer:
    """The answer of the contract without targets; ``is_kept``: whether a decision is left behind to be asked about."""
    return NextBestOfferAnswer(
        decision_id=decision.decision_id if is_kept else None,
        offers=[_offer(chosen, currency) for chosen in decision.offers],
        no_offer_reason=decision.no_offer_reason,
        channel=decision.channel,
        send_at=_shown(decision.send_at),
        expires_at=_shown(decision.expires_at),
        experiments=[ExperimentAnswer(experiment.name, variant.name) for experiment, variant in assigned],
        model_versions=dict(model_versions),
        fallback=decision.fallback,
        excluded=dict(decision.excluded),
    )


def _offer(chosen: ChosenOffer, currency: str | None) -> OfferAnswer:
    offer = chosen.offer
    return OfferAnswer(
        offer_id=offer.offer_id,
        rank=chosen.rank,
        name=offer.name,
        kind=offer.kind.value,
        value=chosen.value,
        currency=offer.currency or currency,
        target=None,
        propensity=chosen.propensity,
        expected_value=chosen.expected_value,
        accept_probability=chosen.accept_probability,
        valid_until=_shown(chosen.valid_until),
        reasons=chosen.reasons,
        words=dict(chosen.words),
    )


_shown = lru_cache(maxsize=1024)(shown_instant)
"""What is decided together expires together, and an offer ends when it ended for the last customer."""


def _target(target: Target) -> TargetAnswer:
    return TargetAnswer(target.products, target.categories)


def without_refused(decision: Decision, refused: Mapping[str, Refusal]) -> Decision:
    """The decision without the offers that could not be reserved, each replaced by nothing at its rank.

    Whoever would have been answered with such an offer is answered with ``none`` now, so its probability is counted
    there, in the very numbers that are logged.
    """
    kept = tuple(chosen for chosen in decision.offers if chosen.offer_id not in refused)
    excluded = dict(decision.excluded)
    for refusal in refused.values():
        excluded[refusal.word] = excluded.get(refusal.word, 0) + 1
    return replace(
        decision,
        offers=kept,
        none_probability=decision.none_probability + (0.0 if kept else _of_first(decision)),
        no_offer_reason=None if kept else next(iter(refused.values())).word,
        excluded=excluded,
        candidates=without_lost(decision.candidates, refused),
    )


def without_lost(candidates: Sequence[Candidate], lost: Collection[str]) -> tuple[Candidate, ...]:
    """The candidates, the chance of those that cannot be had moved to ``none``."""
    moved = sum(one.probability for one in candidates if one.offer_id in lost)
    return tuple(replace(one, probability=_moved(one, lost, moved)) for one in candidates)


def _of_first(decision: Decision) -> float:
    return decision.offers[0].propensity if decision.offers else 0.0


def _moved(one: Candidate, lost: Collection[str], moved: float) -> float:
    if one.offer_id in lost:
        return 0.0
    return one.probability + moved if one.offer_id == NO_OFFER else one.probability
