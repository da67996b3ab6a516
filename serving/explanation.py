"""A decision in full: made again from the log, compared with what was answered, put into words for three readers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct, structs
from sqlalchemy import Connection

from experiments.exploration import uniforms
from features.instant import to_iso
from features.vector import FEATURES
from serving.decision import Candidate
from serving.kept_contents import read_catalogue, read_policy
from serving.logged_decision import FoundDecision, find
from serving.offer_evaluation import Case
from serving.policy import Policy
from serving.policy_version import changed, policy_version
from serving.replay import Difference, Replayed, differences, filters, logged_answer, rebuilt, replayed
from serving.schemas import NextBestOfferAnswer
from serving.words import REASONS

NO_EVIDENCE = "what it was made of is not kept: it was logged by an earlier version, or the customer was erased"
NO_CONTENT = "the catalogue or the policy that it names is not in the store"
_NOTHING_OFFERED = {"en": "No offer was made", "ru": "Предложение не сделано"}


class Instead(Struct, frozen=True):
    """What another policy would have answered."""

    policy: str
    answer: NextBestOfferAnswer
    candidates: tuple[Candidate, ...]


class Explanation(Struct, frozen=True, kw_only=True):
    """``is_identical`` is ``None`` where the decision cannot be made again; ``cannot`` says why.

    ``inputs`` are the features that the models saw, ``None`` where missing; ``draw`` the number in [0, 1) that chose.
    """

    decision_id: str
    brand: str
    customer_id: str
    decided_at: str
    request: Mapping[str, Any]
    answer: NextBestOfferAnswer
    is_identical: bool | None
    differences: list[Difference]
    cannot: str | None
    inputs: dict[str, float | None]
    scores: dict[str, float | None]
    filters: dict[str, str]
    candidates: tuple[Candidate, ...]
    none_probability: float
    draw: dict[str, Any]
    versions: dict[str, Any]
    words: dict[str, dict[str, str]]
    instead: Instead | None = None


def explain(
    connection: Connection, decision_id: str, brand: str | None = None, other: Mapping[str, Any] | None = None
) -> Explanation | None:
    """The decision of that id, of a brand where one is named; ``other`` are the numbers of a policy to be tried on it.

    Raises
    ------
    FieldError
        If a policy has no such numbers.
    """
    found = find(connection, decision_id)
    if found is None or brand not in (None, found.brand):
        return None
    case, cannot = _case(connection, found)
    again = None if case is None else replayed(found, case)
    differ = [] if again is None else differences(found, again)
    return Explanation(
        decision_id=decision_id,
        brand=found.brand,
        customer_id=found.customer_id,
        decided_at=to_iso(found.decided_at),
        request=_request(found),
        answer=logged_answer(found),
        is_identical=None if again is None else not differ,
        differences=differ,
        cannot=cannot,
        inputs=_inputs(found),
        scores={
            "churn_probability": found.logged.churn_probability,
            "lifetime_value": found.logged.lifetime_value,
            "horizon_days": found.logged.horizon_days,
        },
        filters={} if case is None or found.evidence is None else filters(case.offers, found.evidence.codes),
        candidates=found.logged.candidates,
        none_probability=found.logged.none_probability,
        draw=_draw(found, case),
        versions=_versions(found),
        words=_words(found),
        instead=None if case is None or not other else _instead(found, case, other),
    )


def _case(connection: Connection, found: FoundDecision) -> tuple[Case | None, str | None]:
    evidence = found.evidence
    if evidence is None:
        return None, NO_EVIDENCE
    content = read_catalogue(connection, found.brand, evidence.catalogue)
    policy = read_policy(connection, found.brand, evidence.policy)
    if content is None or policy is None:
        return None, NO_CONTENT
    return rebuilt(found, evidence, content, policy), None


def _request(found: FoundDecision) -> dict[str, Any]:
    asked = structs.asdict(found.logged.request)
    return {**asked, "decided_at": to_iso(found.decided_at)}


def _inputs(found: FoundDecision) -> dict[str, float | None]:
    evidence = found.evidence
    if evidence is None or not evidence.features:
        values = list(found.logged.features or ())
    else:
        values = [float(value) if np.isfinite(value) else None for value in np.frombuffer(evidence.features)]
    return dict(zip(FEATURES, values, strict=True)) if len(values) == len(FEATURES) else {}


def _draw(found: FoundDecision, case: Case | None) -> dict[str, Any]:
    if case is None:
        return {}
    request = found.logged.request
    (number,) = uniforms(case.policy.salt, request.decision_id, 1)
    return {"salt": case.policy.salt, "number": number, "epsilon": case.policy.epsilon}


def _versions(found: FoundDecision) -> dict[str, Any]:
    evidence = found.evidence
    return {
        "models": logged_answer(found).model_versions,
        "policy": found.logged.policy_version,
        "policy_content": None if evidence is None else evidence.policy,
        "catalogue": None if evidence is None else evidence.catalogue,
    }


def _instead(found: FoundDecision, case: Case, other: Mapping[str, Any]) -> Instead:
    policy: Policy = changed(case.policy, dict(other))
    again: Replayed = replayed(found, structs.replace(case, policy=policy))
    return Instead(policy_version(policy), again.answer, again.decision.candidates)


def _words(found: FoundDecision) -> dict[str, dict[str, str]]:
    """For who looks at numbers, for who runs the programme, and for the customer, who is told of no score."""
    answer = logged_answer(found)
    if not answer.offers:
        why = answer.no_offer_reason or ""
        told = {language: f"{text}: {why}." for language, text in _NOTHING_OFFERED.items()}
        number = f"none: probability {found.logged.none_probability:.4g}; {why}"
        return {"analyst": {"en": number, "ru": number}, "marketer": told, "customer": {"en": "", "ru": ""}}
    offer, among = answer.offers[0], len(found.logged.candidates)
    analyst = {
        "en": f"{offer.offer_id}: expected value {offer.expected_value:.4g}, chance of acceptance "
        f"{offer.accept_probability:.4g}, propensity {offer.propensity:.4g}, among {among}.",
        "ru": f"{offer.offer_id}: ожидаемая ценность {offer.expected_value:.4g}, вероятность принятия "
        f"{offer.accept_probability:.4g}, вероятность выбора {offer.propensity:.4g}, из {among}.",
    }
    known = [REASONS[reason] for reason in offer.reasons if reason in REASONS]
    marketer = {language: " ".join(reason[language] for reason in known) for language in ("en", "ru")}
    return {"analyst": analyst, "marketer": marketer, "customer": dict(offer.words)}
