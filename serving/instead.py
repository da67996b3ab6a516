"""What a decision of the log would have been by other versions of models, or by another policy."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from msgspec import Struct, structs
from sqlalchemy import Connection

from features.brand import brands_sharing
from features.catalogue import read_customer, read_products
from features.errors import FieldError
from features.profiles import Profiles
from features.store import Store
from features.vector import FEATURES
from serving.contributions import load_versions
from serving.decision import Candidate, Predictions
from serving.loaded_models import LoadedModel, with_models
from serving.logged_decision import FoundDecision
from serving.offer_evaluation import Case
from serving.policy import Policy
from serving.policy_version import policy_version
from serving.predictions import (
    CHURN,
    FAVOURITE_PRODUCT,
    LIFETIME_VALUE,
    NAMES,
    OFFER_RESPONSE,
    SEND_TIME,
    Models,
    predict,
)
from serving.profiles_as_of import profiles_before
from serving.replay import moment_of, replayed
from serving.schemas import NextBestOfferAnswer
from serving.targets import build_targets
from training.errors import TrainingError

_TOLD_BY: Mapping[str, tuple[str, ...]] = {
    CHURN: ("churn_probability",),
    LIFETIME_VALUE: ("lifetime_value",),
    FAVOURITE_PRODUCT: ("affinity",),
    SEND_TIME: ("send_time", "send_time_by_channel"),
    OFFER_RESPONSE: ("response",),
}
"""Of :class:`serving.decision.Predictions`, what each model says."""
EXPECTED = "a version that was registered, such as churn:3, or 3 for that version of every model that has one"


class Instead(Struct, frozen=True):
    """``versions`` are those of the models that were asked instead; ``policy`` the digest of what decided."""

    policy: str
    versions: dict[str, str]
    answer: NextBestOfferAnswer
    candidates: tuple[Candidate, ...]


def by_policy(found: FoundDecision, case: Case, policy: Policy) -> Instead:
    return _decided(found, structs.replace(case, policy=policy), {})


def by_version(store: Store, connection: Connection, found: FoundDecision, case: Case, version: str) -> Instead:
    """What models of other versions would have had decided, of the profile as of then and of today's products.

    Raises
    ------
    FieldError
        If there is no such version.
    ModuleNotFoundError
        If bulk history has to be read and what reads it is not installed.
    """
    loaded = _asked_for(store, connection, found, version)
    profile = _profile_then(store, found)
    predictions = case.predictions if profile is None else _predicted(connection, found, case, loaded, profile)
    told = {**predictions.model_versions} | {model: one.version for model, one in loaded.items()}
    again = structs.replace(case, predictions=structs.replace(predictions, model_versions=told))
    return _decided(found, again, {model: one.version for model, one in loaded.items()})


def _decided(found: FoundDecision, case: Case, versions: dict[str, str]) -> Instead:
    again = replayed(found, case)
    return Instead(policy_version(case.policy), versions, again.answer, again.decision.candidates)


def _asked_for(store: Store, connection: Connection, found: FoundDecision, version: str) -> dict[str, LoadedModel]:
    model, colon, number = version.rpartition(":")
    wanted = {model: number} if colon else dict.fromkeys((*NAMES, OFFER_RESPONSE), number)
    try:
        loaded = load_versions(connection, store.workspace, found.brand, wanted, _refuse)
    except TrainingError as error:
        raise FieldError("version", version, f"a version that can be loaded ({error})") from error
    if not loaded:
        raise FieldError("version", version, EXPECTED)
    return loaded


def _refuse(reason: str) -> None:
    raise TrainingError(reason)


def _profile_then(store: Store, found: FoundDecision) -> Profiles | None:
    people = profiles_before(store, found.brand, [found.customer_id], moment_of(found))
    return people.get(found.customer_id)


def _predicted(
    connection: Connection, found: FoundDecision, case: Case, loaded: Mapping[str, LoadedModel], profile: Profiles
) -> Predictions:
    """The logged predictions, those of the models asked for in their place."""
    products = read_products(connection, *brands_sharing(connection, found.brand, "catalogue"))
    offers = replace(case.offers, targets=build_targets(case.offers.offers, products))
    models = with_models(Models(), loaded.values())
    customer = read_customer(connection, found.brand, found.customer_id)
    said = predict(models, profile, moment_of(found), offers, customer)
    fields = {name: getattr(said, name) for model in loaded for name in _TOLD_BY[model]}
    return structs.replace(case.predictions, **(fields | _of_logged_features(found, models)))


def _of_logged_features(found: FoundDecision, models: Models) -> dict[str, float]:
    """What is said of nothing but the feature vector is said of the one that was logged, to the last digit."""
    evidence = found.evidence
    if evidence is None or len(evidence.features) != len(FEATURES) * np.dtype(np.float64).itemsize:
        return {}
    features, as_of = np.frombuffer(evidence.features)[np.newaxis], moment_of(found)
    told: dict[str, float] = {}
    if models.churn is not None:
        told["churn_probability"] = float(models.churn.predict(features, as_of)[0])
    if models.lifetime_value is not None:
        told["lifetime_value"] = float(models.lifetime_value.mean(features, as_of)[0])
    return told
