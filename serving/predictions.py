"""Loaded champions, and what they say of one customer on the hot path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from features.instant import Instant
from features.profiles import Profiles
from serving.decision import Predictions
from serving.offer_table import OfferTable

if TYPE_CHECKING:
    from training.models.churn import ChurnModel
    from training.models.favourite_product import FavouriteProductModel
    from training.models.lifetime_value import LifetimeValueModel
    from training.models.send_time import SendTimeModel


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one brand that are in use; ``None`` where none was trained. ``versions`` by model name."""

    churn: ChurnModel | None = None
    lifetime_value: LifetimeValueModel | None = None
    favourite_product: FavouriteProductModel | None = None
    send_time: SendTimeModel | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    trained_until: Mapping[str, int] = field(default_factory=dict)
    """The instant just after the last one that each model may have learned from."""


def predict(models: Models, profile: Profiles, decided_at: Instant, offers: OfferTable) -> Predictions:
    """What the models say of the one customer in ``profile``; a missing model leaves its output empty."""
    raise NotImplementedError
