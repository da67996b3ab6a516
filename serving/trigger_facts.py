"""What the rules of triggers ask of models and profiles, computed for several customers at once."""

from collections.abc import Collection, Sequence

import numpy as np

from features.consent import with_consent
from features.instant import Instant
from features.profiles import Profiles, concatenate
from features.trigger_settings import TriggerKind
from features.vector import vector
from serving.customer_facts import moment_of
from serving.decision import CustomerState
from serving.predictions import Models
from serving.score_columns import due_of
from serving.trigger_rules import Due


def dues_of(
    models: Models, kinds: Collection[TriggerKind], states: Sequence[CustomerState], now: Instant
) -> list[Sequence[Due]]:
    """Of each customer what they will need again, soonest first; nothing where no trigger asks."""
    found: list[Sequence[Due]] = [()] * len(states)
    profiles = [(row, state.profile) for row, state in enumerate(states) if state.profile is not None]
    if TriggerKind.REPLENISHMENT not in kinds or not profiles:
        return found
    usable = with_consent(concatenate([profile for _, profile in profiles]))
    listed = due_of(models, usable, moment_of(usable, now))
    for (row, profile), dues in zip(profiles, listed, strict=True):
        if dues:
            bought_at = _bought_at(profile)
            found[row] = [Due(product, bought_at[product], at) for product, at in dues if product in bought_at]
    return found


def churn_of(
    models: Models, kinds: Collection[TriggerKind], states: Sequence[CustomerState], at: Instant
) -> list[float | None]:
    """Of each customer the chance of staying away as of an instant; ``None`` of whom more than that is known."""
    found: list[float | None] = [None] * len(states)
    rows = [
        row
        for row, state in enumerate(states)
        if state.profile is not None and int(state.profile.last_event_at[0]) < at
    ]
    if TriggerKind.CHURN_RISK not in kinds or models.churn is None or not rows:
        return found
    batch = concatenate([profile for row in rows if (profile := states[row].profile) is not None])
    for row, probability in zip(rows, models.churn.predict(vector(batch, at), at).tolist(), strict=True):
        found[row] = probability if np.isfinite(probability) else None
    return found


def _bought_at(profile: Profiles) -> dict[str, Instant]:
    products = profile.products
    return {
        products.vocabulary[code]: at
        for code, at in zip(products.code.tolist(), products.last_at.tolist(), strict=True)
    }
