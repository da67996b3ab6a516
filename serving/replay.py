"""A decision made again: from its row of the log, with the catalogue and the policy that it names, to the same answer.

The same :func:`~serving.decide.decide` is called, on a case that is put together from the evidence. What the evidence
does not hold (products, the purchases themselves) stands in it as what it came to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from features.entities import Customer
from features.instant import Instant
from features.product_targets import index_targets
from features.profile_tables import Channels
from features.profiles import Profiles, empty
from serving.answer import answer_of, without_refused
from serving.arbitration import Worth
from serving.catalogue_content import Content
from serving.customer_history import CustomerHistory
from serving.decide import decide
from serving.decision import CustomerState, Decision, Predictions
from serving.eligibility import build_rules
from serving.evidence import Evidence
from serving.logged_decision import FoundDecision
from serving.offer_evaluation import Case
from serving.offer_numbers import unpacked
from serving.offer_table import OfferTable, groups_of
from serving.policy import Policy
from serving.refusal import WORDS, Refusal
from serving.rule_columns import categories_of
from serving.schemas import NextBestOfferAnswer

_answer = msgspec.json.Decoder(NextBestOfferAnswer).decode
_POINTS = ("points_balance", "points_expire_at")


class Difference(Struct, frozen=True):
    where: str
    logged: Any
    replayed: Any


class Replayed(NamedTuple):
    decision: Decision
    answer: NextBestOfferAnswer
    """Without the targets, as the log has it."""


def logged_answer(found: FoundDecision) -> NextBestOfferAnswer:
    return _answer(found.logged.answer)


def moment_of(found: FoundDecision) -> Instant:
    """The instant that the models were asked for: after all that the profile had heard of."""
    heard_until = None if found.evidence is None else found.evidence.heard_until
    return found.decided_at if heard_until is None else max(found.decided_at, heard_until + 1)


def rebuilt(found: FoundDecision, evidence: Evidence, content: Content, policy: Policy) -> Case:
    """The case that was decided.

    Raises
    ------
    KeyError
        If an earlier version kept the content, without a column that is needed now.
    """
    table = _table(found, evidence, content)
    count = len(table.offers)
    return Case(
        request=found.logged.request,
        customer=_customer(found, evidence),
        history=CustomerHistory(
            orders=evidence.orders,
            mean_order=evidence.mean_order,
            target_lines=unpacked(evidence.target_lines, count),
            target_spend=unpacked(evidence.target_spend, count, np.nan),
            declines=evidence.declines,
        ),
        offers=table,
        predictions=_predictions(found, evidence, count),
        policy=policy,
    )


def replayed(found: FoundDecision, case: Case) -> Replayed:
    """What is decided of a case; what could not be had then cannot be had now."""
    decision = decide(case.request, case.customer, case.history, case.offers, case.predictions, case.policy)
    evidence = found.evidence
    chosen = {one.offer_id for one in decision.offers}
    lost = {} if evidence is None else {name: word for name, word in evidence.lost.items() if name in chosen}
    if lost:
        decision = without_refused(decision, {name: Refusal[word.upper()] for name, word in lost.items()})
    told = answer_of(decision, (), case.predictions.model_versions, case.offers.terms.currency, is_kept=True)
    return Replayed(decision, structs.replace(told, experiments=logged_answer(found).experiments))


def differences(found: FoundDecision, again: Replayed) -> list[Difference]:
    """Where the log and the decision made again say otherwise; nothing where they are the same to the last digit."""
    logged, decision = found.logged, again.decision
    said = {
        "answer": logged_answer(found),
        "candidates": logged.candidates,
        "account": logged.account,
        "none_probability": logged.none_probability,
        "refusals": b"" if found.evidence is None else found.evidence.codes,
    }
    told = {
        "answer": again.answer,
        "candidates": decision.candidates,
        "account": decision.account,
        "none_probability": decision.none_probability,
        "refusals": decision.codes,
    }
    return list(_differing("", msgspec.to_builtins(said), msgspec.to_builtins(told)))


def filters(offers: OfferTable, codes: bytes) -> dict[str, str]:
    """Of each offer that could not be made, why."""
    refused = zip(offers.offers, codes, strict=True)
    return {offer.offer_id: WORDS[code] for offer, code in refused if code}


def _differing(where: str, logged: Any, told: Any) -> "Sequence[Difference]":
    if isinstance(logged, Mapping) and isinstance(told, Mapping):
        names = dict.fromkeys([*logged, *told])
        parts = [(f"{where}.{name}" if where else str(name), logged.get(name), told.get(name)) for name in names]
    elif isinstance(logged, list) and isinstance(told, list) and len(logged) == len(told):
        parts = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(logged, told, strict=True))]
    else:
        return [] if logged == told else [Difference(where, logged, told)]
    return [one for part in parts for one in _differing(*part)]


def _table(found: FoundDecision, evidence: Evidence, content: Content) -> OfferTable:
    """The table as it was; of the products it knows only those of the basket."""
    offers = content.offers
    standing = content.column("standing")
    rules = build_rules(offers, standing)
    left = rules.standing.copy()
    for row, code in evidence.used_up.items():
        left[row] = code
    group = groups_of(offers)
    lines = found.logged.request.basket or ()
    prices = zip(lines, evidence.basket_prices, strict=True)
    return OfferTable(
        offers=offers,
        terms=content.brand_terms(),
        targets=index_targets(_product_sets(found, evidence, content.column("is_everything"))),
        worth=Worth(**{name: content.column(name) for name in Worth.__slots__}),
        rules=replace(rules, standing=left),
        standing=standing,
        phrases=content.phrases,
        group=group,
        has_groups=bool((group >= 0).any()),
        prices={line.product_id: price for line, price in prices if price is not None},
        version=evidence.catalogue,
        used_up=evidence.used_up,
        shadow_price=None if evidence.shadow_price is None else unpacked(evidence.shadow_price, len(offers)),
        categories=content.categories or tuple(categories_of(offer, {}) for offer in offers),
    )


def _product_sets(
    found: FoundDecision, evidence: Evidence, is_everything: NDArray[np.bool_]
) -> "list[tuple[str, ...] | None]":
    """Of each target a product of the basket, if it holds any."""
    basket = found.logged.request.basket
    if not basket:
        return [None if every else () for every in is_everything.tolist()]
    bits = np.unpackbits(np.frombuffer(evidence.in_basket, np.uint8), count=len(is_everything))
    one = (basket[0].product_id,)
    return [None if every else one * int(bit) for every, bit in zip(is_everything.tolist(), bits, strict=True)]


def _customer(found: FoundDecision, evidence: Evidence) -> CustomerState:
    attributes = dict(evidence.attributes)
    entry = Customer(customer_id=found.customer_id, tier=_text(evidence.tier), attributes=attributes)
    return CustomerState(
        profile=_profile(found.customer_id, evidence),
        customer=entry if evidence.has_entry else None,
        is_blocked=evidence.is_blocked,
        uses=evidence.uses,
        timezone=evidence.timezone,
    )


def _text(tier: object) -> str | None:
    return tier if isinstance(tier, str) else None


def _profile(customer_id: str, evidence: Evidence) -> Profiles | None:
    """Of the profile its words and its channels, which is all that a decision reads of it by itself."""
    if evidence.heard_until is None:
        return None
    known = {**evidence.consents, "tier": evidence.tier}
    known |= {name: evidence.attributes.get(name) for name in _POINTS}
    counted = evidence.channels
    channels = Channels(
        offsets=np.array([0, len(counted)], dtype=np.int64),
        code=np.arange(len(counted), dtype=np.int32),
        sent=np.array([one.sent for one in counted], dtype=np.int64),
        responses=np.array([one.responses for one in counted], dtype=np.int64),
        purchase_lines=np.array([one.purchase_lines for one in counted], dtype=np.int64),
        vocabulary=[one.channel for one in counted],
    )
    refused_at = evidence.unsubscribed_at or 0
    states: Any = [
        {name: (refused_at if value == "refused" else 0, value) for name, value in known.items() if value is not None}
    ]
    return replace(empty([customer_id]), channels=channels, states=states)


def _predictions(found: FoundDecision, evidence: Evidence, count: int) -> Predictions:
    logged = found.logged
    return Predictions(
        churn_probability=logged.churn_probability,
        lifetime_value=logged.lifetime_value,
        horizon_days=logged.horizon_days,
        send_time=np.frombuffer(evidence.send_time) if evidence.send_time else None,
        affinity=None if evidence.affinity is None else unpacked(evidence.affinity, count),
        response=None if evidence.response is None else evidence.response.unpacked(count),
        features=np.frombuffer(evidence.features) if evidence.features else None,
        model_versions=logged_answer(found).model_versions,
        fallbacks=logged.fallbacks,
        missing_versions=evidence.missing_versions,
    )
