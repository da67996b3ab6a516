"""The models there are, by the names that the command knows; a module is imported only when its model is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError
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
OFFER_RESPONSE = "offer-response"
MODELS = (*LEARNERS, OFFER_RESPONSE)
"""Every name that ``train`` takes."""


class NotBuiltError(TrainingError):
    """The name is known, the model is not there yet."""


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
    """
    Raises
    ------
    NotBuiltError
        For a model that this version names but cannot train.
    """
    if name not in _CLASSES:
        raise NotBuiltError(f"not built in this version, which trains {', '.join(LEARNERS)}")
    module = import_module(f"training.models.{name.replace('-', '_')}")
    return Learner(name, getattr(module, _CLASSES[name]), module.evaluate, getattr(module, "SEARCH_SPACE", {}))
