"""The models there are, by the names that the command knows; a module is imported only when its model is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.search_space import SearchSpace

if TYPE_CHECKING:
    from features.history import Snapshot

_CLASSES = {
    "churn": "ChurnModel",
    "lifetime-value": "LifetimeValueModel",
    "favourite-product": "FavouriteProductModel",
    "send-time": "SendTimeModel",
}
LEARNERS = tuple(_CLASSES)
"""Those that learn from cutoffs of the history."""
OFFER_RESPONSE = "offer-response"
MODELS = (*LEARNERS, OFFER_RESPONSE)
"""Every name that ``train`` takes."""


@dataclass(frozen=True, slots=True)
class Learner:
    """How one model is made, measured and read back."""

    name: str
    model: Any
    evaluate: Callable[[Any, "Snapshot"], Any]
    search_space: SearchSpace

    def fit(self, snapshots: "Sequence[Snapshot]", parameters: Mapping[str, float | int], seed: int) -> Any:
        from training.sample import taught_by  # only here: whoever asks for the names of models waits for no features

        return self.model.fit([taught_by(snapshot) for snapshot in snapshots], parameters, seed)

    def load(self, folder: Path) -> Any:
        return self.model.load(folder)


def learner(name: str) -> Learner:
    """One of ``LEARNERS``."""
    module = import_module(f"training.models.{name.replace('-', '_')}")
    return Learner(name, getattr(module, _CLASSES[name]), module.evaluate, getattr(module, "SEARCH_SPACE", {}))


def load(name: str, folder: Path) -> Any:
    """The model of a version of any of ``MODELS``."""
    if name == OFFER_RESPONSE:
        from training.models.offer_predictor import OfferPredictor

        return OfferPredictor.load(folder)
    return learner(name).load(folder)
