"""Models read from their folders, once for all who name a version: one brand's champion may be another's variant."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from features.events import Event, EventType
from features.instant import Instant
from features.packing import pack, unpack_all
from features.profile import fold
from serving.customer_history import histories
from serving.decide import decide
from serving.decision import CustomerState, DecisionRequest
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.predictions import (
    CHURN,
    FAVOURITE_PRODUCT,
    LIFETIME_VALUE,
    OFFER_RESPONSE,
    SEND_TIME,
    Models,
    predict_together,
)
from serving.ranking import warm_up
from training.errors import why_unreadable
from training.models.churn_interval import ChurnInterval
from training.registry import Deployment
from training.version_record import read_record

_CLASSES = {
    CHURN: ("training.models.churn", "ChurnModel"),
    LIFETIME_VALUE: ("training.models.lifetime_value", "LifetimeValueModel"),
    FAVOURITE_PRODUCT: ("training.models.favourite_product", "FavouriteProductModel"),
    SEND_TIME: ("training.models.send_time", "SendTimeModel"),
    OFFER_RESPONSE: ("training.models.offer_predictor", "OfferPredictor"),
}
_FIELDS = {name: name.replace("-", "_") for name in _CLASSES}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """``trained_until`` is the instant just after the last one that it learned from."""

    name: str
    version: str
    model: Any
    horizon_days: float
    trained_until: Instant
    interval: ChurnInterval | None = None
    """Of churn alone."""


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A version that is there and cannot be used; ``reason`` names it and says why."""

    name: str
    version: str
    reason: str


class ModelShelf:
    """Keeps what was loaded as long as somebody names it."""

    def __init__(self, workspace: Path, report: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._report = report
        self._loaded: dict[str, LoadedModel | Unloadable] = {}

    def get(self, deployment: Deployment) -> LoadedModel | None:
        """The model of a deployment; nothing, and said once, if it cannot be loaded: the others still serve."""
        found = self._looked_up(deployment)
        return found if isinstance(found, LoadedModel) else None

    def get_all(self, deployments: Iterable[Deployment]) -> list[LoadedModel]:
        """Those that can be loaded."""
        return [model for model in map(self.get, deployments) if model is not None]

    def unloadable(self, deployments: Iterable[Deployment]) -> list[Unloadable]:
        """Those of them that cannot be loaded."""
        return [found for found in map(self._looked_up, deployments) if isinstance(found, Unloadable)]

    def keep_only(self, deployments: Iterable[Deployment]) -> None:
        named = {deployment.path for deployment in deployments}
        self._loaded = {
            path: model for path, model in self._loaded.items() if path in named and isinstance(model, LoadedModel)
        }

    def _looked_up(self, deployment: Deployment) -> "LoadedModel | Unloadable | None":
        if deployment.model not in _CLASSES:
            return None
        if deployment.path not in self._loaded:
            self._loaded[deployment.path] = self._load(deployment)
        return self._loaded[deployment.path]

    def _load(self, deployment: Deployment) -> "LoadedModel | Unloadable":
        module, name = _CLASSES[deployment.model]
        folder = self._workspace / deployment.path
        try:
            model = getattr(import_module(module), name).load(folder)
            window = read_record(folder).window
        except Exception as error:  # of whatever a damaged folder makes the readers raise
            why = why_unreadable(error, self._workspace)
            reason = f"{deployment.model} version {deployment.version} cannot be loaded: {why}"
            self._report(reason)
            return Unloadable(deployment.model, deployment.version, reason)
        interval = ChurnInterval.load(folder) if deployment.model == CHURN else None
        return LoadedModel(deployment.model, deployment.version, model, window.horizon_days, window.as_of, interval)


def with_models(models: Models, loaded: Iterable[LoadedModel]) -> Models:
    """``models`` with these in the places of those of the same name."""
    changed: dict[str, Any] = {}
    versions, horizons, until = dict(models.versions), dict(models.horizon_days), dict(models.trained_until)
    for one in loaded:
        changed[_FIELDS[one.name]] = one.model
        if one.name == CHURN:
            changed["churn_interval"] = one.interval
        versions[one.name], horizons[one.name], until[one.name] = one.version, one.horizon_days, one.trained_until
    return replace(models, **changed, versions=versions, horizon_days=horizons, trained_until=until)


def without(models: Models, unloadable: Sequence[Unloadable]) -> Models:
    """``models``, knowing which champions are there and cannot be used."""
    return replace(
        models,
        missing_versions={**models.missing_versions, **{one.name: one.version for one in unloadable}},
        unloadable={**models.unloadable, **{one.name: one.reason for one in unloadable}},
    )


def warm(models: Models, offers: OfferTable, policy: Policy) -> None:
    """Let everything that is compiled at its first call be compiled before a request makes that call."""
    (somebody,) = unpack_all(["somebody"], [pack("somebody", fold([_A_PURCHASE], "UTC"), "UTC")]).apart()
    (predictions,) = predict_together(models, [somebody], 1, offers)
    (history,) = histories([somebody], offers)
    decide(DecisionRequest("somebody", 1, "warm"), CustomerState(somebody), history, offers, predictions, policy)
    warm_up()


_A_PURCHASE = Event(
    event_id="warm", type=EventType.PURCHASE, occurred_at=0, customer_id="somebody", product_id="warm", amount=1
)
