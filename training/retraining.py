"""What a weekly schedule calls: train again as the champions were trained, and let the gates judge the result."""

from collections.abc import Callable
from dataclasses import dataclass

from features.instant import Instant
from features.presented_terms import ResponseTerms
from features.store import Store
from training.learners import LEARNERS, MODELS, OFFER_RESPONSE
from training.pipeline import Trained, train
from training.promotion import Comparison, compare
from training.registry import CHALLENGER, CHAMPION, current
from training.version_record import read_record


@dataclass(frozen=True, slots=True)
class Retrained:
    """``comparison`` is missing where the model was skipped."""

    trained: Trained
    comparison: Comparison | None

    @property
    def is_promotable(self) -> bool:
        """A challenger that every gate lets pass."""
        return self.comparison is not None and self.trained.alias == CHALLENGER and self.comparison.is_passed


def retrain(
    store: Store,
    *,
    brand: str,
    now: Instant,
    as_of: Instant | None = None,
    seed: int = 0,
    tracking_uri: str | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Retrained]:
    """Every model once more, each with its champion's horizon; nobody is promoted here."""
    trained: list[Trained] = []
    response = _response(store, brand)
    for horizon_days, models in _by_horizon(store, brand).items():
        trained += train(
            store,
            models,
            brand=brand,
            now=now,
            as_of=as_of,
            horizon_days=horizon_days,
            seed=seed,
            tracking_uri=tracking_uri,
            report=report,
            response=response,
        )
    return [Retrained(result, _compared(store, brand, result, report)) for result in trained]


def _by_horizon(store: Store, brand: str) -> dict[int | None, list[str]]:
    """Models by their champion's horizon; those without a champion take the default."""
    with store.reading() as connection:
        champions = {model: row for (model, alias), row in current(connection, brand).items() if alias == CHAMPION}
    horizons: dict[int | None, list[str]] = {}
    for model in MODELS:
        champion = champions.get(model)
        horizon = None
        if champion is not None and model in LEARNERS:
            horizon = read_record(store.workspace / champion.path).window.horizon_days
        horizons.setdefault(horizon, []).append(model)
    return horizons


def _response(store: Store, brand: str) -> ResponseTerms | None:
    """What counted as a response for the champion."""
    with store.reading() as connection:
        champion = current(connection, brand).get((OFFER_RESPONSE, CHAMPION))
    return None if champion is None else read_record(store.workspace / champion.path).response


def _compared(store: Store, brand: str, result: Trained, report: Callable[[str], None]) -> Comparison | None:
    if result.version is None:
        return None
    report(f"{result.model}: comparing with the champion")
    return compare(store, brand, result.model, result.version)
