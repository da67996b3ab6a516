"""What an offer adds, from two sides that err differently: chances with and without it, and trees on the difference.

The chance with the offer minus the chance without (a T-learner) is steady, but what it says of who differs from whom is
partly what its two models failed at in different ways. The R-learner looks at the difference itself, which is mostly
noise. How much of each is true is told by persons whom neither had met (stacking by the R-loss, Nie and Wager 2021,
section 4.2), and where they tell little, a belief held beforehand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.models.logistic import sigmoid
from training.models.offer_response_forest import OfferForest
from training.models.offer_response_levels import Floats, Integers, OfferLevels

WITHOUT, CENTRE = "without", "centre"


@dataclass(frozen=True, slots=True)
class AddedResponse:
    """The uplift is ``forest`` + ``chance_weight`` × (``amount`` × (chance with - chance without) - ``centre``)."""

    forest: OfferForest
    without: OfferForest
    """Scores log-odds of a response to nothing."""
    centre: OfferLevels
    """Of each offer the mean of what the chances say that it adds: the level is the R-learner's alone."""
    chance_weight: float
    amount: float

    def score(self, accept: Floats, customers: Floats, codes: Integers, terms: Floats) -> Floats:
        """(k, m), given the chances with each offer (k, m)."""
        nothing = np.zeros(1, np.int64)
        without = sigmoid(self.without.score(customers, nothing, np.zeros((1, 0))))
        said = self.amount * (accept - without) - self.centre.of(codes, terms)
        return self.forest.score(customers, codes, terms) + self.chance_weight * said

    def save(self, folder: Path, name: str) -> dict[str, Any]:
        self.centre.save(folder, f"{name}_{CENTRE}")
        return {
            "forest": self.forest.save(folder, name),
            WITHOUT: self.without.save(folder, f"{name}_{WITHOUT}"),
            "chance_weight": self.chance_weight,
            "amount": self.amount,
        }

    @classmethod
    def load(cls, folder: Path, name: str, words: dict[str, Any]) -> "AddedResponse":
        return cls(
            OfferForest.load(folder, name, words["forest"]),
            OfferForest.load(folder, f"{name}_{WITHOUT}", words[WITHOUT]),
            OfferLevels.load(folder, f"{name}_{CENTRE}"),
            words["chance_weight"],
            words["amount"],
        )
