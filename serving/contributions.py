"""What moved a prediction, feature by feature, and what an expected value is made of."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct
from sqlalchemy import Connection

from features.brand import brands_sharing
from features.instant import Instant
from features.vector import FEATURES
from serving.arbitration import AFFINITY_EFFECT, MOST_LIKELY, ValueInputs
from serving.decision import Floats
from serving.loaded_models import LoadedModel, ModelShelf
from serving.offer_evaluation import Case
from serving.predictions import CHURN, LIFETIME_VALUE
from serving.value_inputs import value_inputs
from training.registry import find_version

SCALES: Mapping[str, str] = {CHURN: "log odds of not coming back", LIFETIME_VALUE: "logarithm of the expected spend"}
"""By model that says what moved it, what its contributions sum to."""


class Contribution(Struct, frozen=True):
    """``value`` is ``None`` where nothing is known of the feature, as after an opt-out; ``adds`` is in the scale."""

    feature: str
    value: float | None
    adds: float


class ModelContributions(Struct, frozen=True):
    """``base`` and all that is added sum to ``score``; the features that moved it most stand first."""

    version: str
    scale: str
    base: float
    score: float
    of_features: list[Contribution]


class ValueParts(Struct, frozen=True):
    """Currency units, summing to the expected value of an offer.

    ``policy`` is what weights, boosts and prices of the policy and of budgets made of the rest.
    """

    added_margin: float
    retention: float
    priority: float
    cost: float
    policy: float


def load_versions(
    connection: Connection, workspace: Path, brand: str, versions: Mapping[str, str], report: Callable[[str], None]
) -> dict[str, LoadedModel]:
    """Of the versions, by model, those that are still there."""
    shelf, found = ModelShelf(workspace, report), {}
    for model, version in versions.items():
        for owner in brands_sharing(connection, brand, "models"):
            deployment = find_version(connection, owner, model, version)
            loaded = None if deployment is None else shelf.get(deployment)
            if loaded is not None:
                found[model] = loaded
                break
    return found


def contributions_of(loaded: LoadedModel, features: Floats, as_of: Instant) -> ModelContributions:
    """Of a model of ``SCALES``, for one feature vector as of an instant."""
    found = loaded.model.contributions(features, as_of)
    order = np.argsort(-np.abs(found.of_features), kind="stable")
    return ModelContributions(
        version=loaded.version,
        scale=SCALES[loaded.name],
        base=found.base,
        score=found.score,
        of_features=[
            Contribution(FEATURES[row], _known(features[row]), float(found.of_features[row]))
            for row in order.tolist()
            if found.of_features[row]
        ],
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def value_parts(case: Case, offer_id: str, expected_value: float) -> ValueParts:
    """What ``expected_value`` of an offer is made of; see :mod:`serving.arbitration` for the formula."""
    row = case.offers.rules.index[offer_id]
    worth, policy = case.offers.worth, case.policy
    known = value_inputs(case.request, case.offers, case.history, case.predictions, policy)
    spend, taken = (float(column[row]) for column in _spend_and_taken(case, known))
    added_spend = float(known.added_spend[row])
    if np.isnan(added_spend):
        anyway = float(known.affinity[row]) * known.order_probability
        added_spend = taken * (1.0 - anyway + anyway * policy.spend_lift) * spend
    margin_rate = float(worth.margin_rate[row])
    kept = known.churn_probability * policy.retention_lift * known.lifetime_value
    added, retained = added_spend * margin_rate, taken * kept * margin_rate
    priority = taken * float(worth.priority[row])
    cost = taken * (float(worth.cost_fixed[row]) + float(worth.cost_share[row]) * spend)
    return ValueParts(added, retained, priority, -cost, expected_value - (added + retained + priority - cost))


def expected_costs(case: Case) -> Floats:
    """Of every offer of the table what making it is expected to cost, currency units."""
    known = value_inputs(case.request, case.offers, case.history, case.predictions, case.policy)
    spend, taken = _spend_and_taken(case, known)
    worth = case.offers.worth
    costs: Floats = taken * (worth.cost_fixed + worth.cost_share * spend)
    return costs


def _spend_and_taken(case: Case, known: ValueInputs) -> tuple[Floats, Floats]:
    """Of every offer the spend that it applies to, and the chance that what it gives is taken."""
    worth = case.offers.worth
    usual = np.where(np.isnan(worth.target_price), known.typical_order, worth.target_price)
    prior = np.minimum(worth.accept_prior * (1.0 + AFFINITY_EFFECT * np.sqrt(known.affinity)), MOST_LIKELY)
    learned = known.accept * known.taken
    return (
        np.where(np.isnan(known.target_spend), usual, known.target_spend),
        np.where(np.isnan(learned), prior, learned),
    )
