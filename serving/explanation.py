"""A decision in full: made again from the log, compared with what was answered, put into words for three readers."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct, structs
from sqlalchemy import Connection

from experiments.exploration import uniforms
from features.instant import to_iso
from features.store import Store
from features.vector import FEATURES
from serving.contributions import (
    SCALES,
    ModelContributions,
    ValueParts,
    contributions_of,
    load_versions,
    value_parts,
)
from serving.decision import Account, Candidate
from serving.explained_words import customer_habit, told_to_readers
from serving.instead import Instead, by_policy, by_version
from serving.kept_contents import read_catalogue, read_policy
from serving.logged_decision import FoundDecision, find
from serving.offer_evaluation import Case
from serving.policy_file import PolicyFile, with_file
from serving.replay import Difference, differences, filters, logged_answer, moment_of, rebuilt, replayed
from serving.schemas import NextBestOfferAnswer

log = logging.getLogger(__name__)

NO_EVIDENCE = "what it was made of is not kept: it was logged by an earlier version, or the customer was erased"
NO_CONTENT = "the catalogue or the policy that it names is not in the store"


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
    account: Account | None
    """What the decision gave up, how likely the whole menu was, and what was not done where a rule was imitated."""
    versions: dict[str, Any]
    contributions: dict[str, ModelContributions]
    """By model, where its version is still there."""
    value: dict[str, ValueParts]
    """By offer that was made."""
    words: dict[str, dict[str, str]]
    instead: Instead | None = None


def explain(
    store: Store,
    decision_id: str,
    brand: str | None = None,
    *,
    policy: PolicyFile | None = None,
    version: str | None = None,
) -> Explanation | None:
    """The decision of that id, of a brand where one is named.

    ``policy`` says what is to be otherwise in the policy; ``version`` is another one of a model, as ``churn:3``, or of
    all models that have it, as ``3``.

    Raises
    ------
    FieldError
        If there is no such version.
    ModuleNotFoundError
        If bulk history has to be read for another version and what reads it is not installed.
    """
    with store.reading() as connection:
        return _explained(store, connection, decision_id, brand, policy, version)


def _explained(
    store: Store,
    connection: Connection,
    decision_id: str,
    brand: str | None,
    policy: PolicyFile | None,
    version: str | None,
) -> Explanation | None:
    found = find(connection, decision_id)
    if found is None or brand not in (None, found.brand):
        return None
    case, cannot = _case(connection, found)
    again = None if case is None else replayed(found, case)
    differ = [] if again is None else differences(found, again)
    answer = logged_answer(found)
    moved = _contributions(store, connection, found)
    value = {} if case is None else _values(case, answer)
    habit = None if case is None else customer_habit(store, connection, found, case)
    instead = None
    if case is not None and policy is not None:
        instead = by_policy(found, case, with_file(case.policy, policy))
    elif case is not None and version is not None:
        instead = by_version(store, connection, found, case, version)
    return Explanation(
        decision_id=decision_id,
        brand=found.brand,
        customer_id=found.customer_id,
        decided_at=to_iso(found.decided_at),
        request=_request(found),
        answer=answer,
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
        account=found.logged.account,
        versions=_versions(found),
        contributions=moved,
        value=value,
        words=told_to_readers(found, case, moved, value, habit),
        instead=instead,
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


def _contributions(store: Store, connection: Connection, found: FoundDecision) -> dict[str, ModelContributions]:
    evidence = found.evidence
    if evidence is None or not evidence.features:
        return {}
    features = np.frombuffer(evidence.features)
    if len(features) != len(FEATURES):
        return {}
    versions = logged_answer(found).model_versions
    wanted = {model: versions[model] for model in SCALES if model in versions}
    loaded = load_versions(connection, store.workspace, found.brand, wanted, log.warning)
    return {model: contributions_of(one, features, moment_of(found)) for model, one in loaded.items()}


def _values(case: Case, answer: NextBestOfferAnswer) -> dict[str, ValueParts]:
    return {one.offer_id: value_parts(case, one.offer_id, one.expected_value) for one in answer.offers}


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
    policy = case.policy
    return {"salt": policy.salt, "number": number, "epsilon": policy.epsilon, "exploration": policy.exploration}


def _versions(found: FoundDecision) -> dict[str, Any]:
    evidence = found.evidence
    return {
        "models": logged_answer(found).model_versions,
        "policy": found.logged.policy_version,
        "policy_content": None if evidence is None else evidence.policy,
        "catalogue": None if evidence is None else evidence.catalogue,
    }
