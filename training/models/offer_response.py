"""How likely a customer answers an offer, and how much of that is because of the offer.

Learned from presentations of offers, and of nothing, that were logged with their propensities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from features.presented_terms import Outcome as Outcome
from training.models.logistic import sigmoid
from training.models.manifest import read_manifest, write_manifest
from training.models.offer_response_added import AddedResponse
from training.models.offer_response_forest import UNKNOWN, OfferForest
from training.models.offer_response_levels import Floats, Integers
from training.search_space import Range

CONTROL = -1
"""In ``Presentations.offer``: it was decided to show nothing."""

ACCEPT, EFFECT = "accept", "effect"

SEARCH_SPACE = {
    "learning_rate": Range(0.02, 0.2, is_log=True),
    "num_leaves": Range(4, 32, is_log=True),
    "min_data_in_leaf": Range(20, 400, is_log=True),
    "feature_fraction_bynode": Range(0.3, 1.0),
    "lambda_l2": Range(0.1, 50.0, is_log=True),
}


class Basis(IntEnum):
    """What the answers for an offer rest on: similar offers' terms, or enough outcomes of its own."""

    BORROWED = 0
    LEARNED = 1


@dataclass(frozen=True, slots=True)
class Presentations:
    """Presentations of offers and of nothing (n), and what came of each within the window."""

    customers: Floats
    """(n, f): what was known of the customer then, columns ``columns``; NaN is missing."""
    offer: Integers
    """(n): row of ``terms``, or ``CONTROL``."""
    propensity: Floats
    """(n): of what was shown. NaN where it was not logged: teaches the response, not the uplift."""
    response: Floats
    """(n): 0 or 1, or currency units for the outcome spend."""
    person: Integers
    """(n): the same number is the same customer."""
    presented_at: Integers
    """(n): microseconds."""
    terms: Floats
    """(m, t): of each offer, columns ``term_columns``; NaN is missing."""
    offer_ids: tuple[str, ...]
    columns: tuple[str, ...]
    term_columns: tuple[str, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Response:
    """Of k customers and m offers."""

    accept: Floats
    """(k, m): chance of the response (of spend: of any spend) given the offer."""
    uplift: Floats
    """(k, m): response given the offer minus response given nothing, in the outcome's unit; NaN without a control."""
    spend: Floats | None
    """(k, m): of the outcome spend the expected spend given the offer."""
    basis: NDArray[np.int8]
    """(m): values of ``Basis``."""


@dataclass(frozen=True, slots=True)
class OfferResponseModel:
    """``accept`` scores log-odds of a response given the offer, ``effect`` what the offer adds to it."""

    name: ClassVar[str] = "offer-response"

    outcome: Outcome
    columns: tuple[str, ...]
    term_columns: tuple[str, ...]
    basis_of: dict[str, Basis]
    """Of the offers that it learned from, in the order of their codes."""
    accept: OfferForest
    effect: OfferForest | AddedResponse | None
    """Nothing where no control told what would have been without an offer."""
    amount: float | None
    """Of the outcome spend the mean amount of those who spend."""
    counts: dict[str, int]
    """Of what it was fitted on."""

    @property
    def offer_ids(self) -> tuple[str, ...]:
        """Those that it learned from."""
        return tuple(self.basis_of)

    @classmethod
    def fit(
        cls, presentations: Presentations, parameters: Mapping[str, float | int], seed: int
    ) -> "OfferResponseModel":
        """
        Raises
        ------
        NotEnoughData
            If too few presentations of offers were answered, or too few were not.
        """
        from training.models.offer_response_training import fit

        return fit(presentations, parameters, seed)

    def predict(self, customers: Floats, offer_ids: tuple[str, ...], terms: Floats) -> Response:
        """For customers (k, f) and offers (m) with these terms (m, t), each with each.

        Raises
        ------
        ValueError
            If the columns are not as many as the model learned from.
        """
        self._check(customers, terms, len(offer_ids))
        places = {offer_id: code for code, offer_id in enumerate(self.basis_of)}
        codes = np.array([places.get(offer_id, UNKNOWN) for offer_id in offer_ids], dtype=np.int64)
        accept = sigmoid(self.accept.score(customers, codes, terms))
        basis = np.array([self.basis_of.get(offer_id, Basis.BORROWED) for offer_id in offer_ids], dtype=np.int8)
        spend = None if self.amount is None else accept * self.amount
        return Response(accept, self._uplift(accept, spend, customers, codes, terms), spend, basis)

    def _uplift(
        self, accept: Floats, spend: Floats | None, customers: Floats, codes: Integers, terms: Floats
    ) -> Floats:
        if self.outcome is Outcome.ACCEPTED:  # nobody can accept what was not shown
            return accept.copy()
        if self.effect is None:
            return np.full_like(accept, np.nan)
        if isinstance(self.effect, OfferForest):
            uplift = self.effect.score(customers, codes, terms)
        else:
            uplift = self.effect.score(accept, customers, codes, terms)
        return np.clip(uplift, accept - 1.0, accept) if spend is None else np.minimum(uplift, spend)

    def _check(self, customers: Floats, terms: Floats, offers: int) -> None:
        if customers.ndim != 2 or customers.shape[1] != len(self.columns):
            raise ValueError(f"customers: got shape {customers.shape}, expected (customers, {len(self.columns)})")
        if terms.shape != (offers, len(self.term_columns)):
            raise ValueError(f"terms: got shape {terms.shape}, expected ({offers}, {len(self.term_columns)})")

    def save(self, folder: Path) -> None:
        words: dict[str, Any] = {
            "outcome": self.outcome.value,
            "columns": list(self.columns),
            "term_columns": list(self.term_columns),
            "basis_of": {offer_id: basis.value for offer_id, basis in self.basis_of.items()},
            "accept": self.accept.save(folder, ACCEPT),
            "effect": None if self.effect is None else self.effect.save(folder, EFFECT),
            "amount": self.amount,
            "counts": self.counts,
        }
        write_manifest(folder, self.name, words)

    @classmethod
    def load(cls, folder: Path) -> "OfferResponseModel":
        words = read_manifest(folder, cls.name)
        return cls(
            Outcome(words["outcome"]),
            tuple(words["columns"]),
            tuple(words["term_columns"]),
            {offer_id: Basis(basis) for offer_id, basis in words["basis_of"].items()},
            OfferForest.load(folder, ACCEPT, words["accept"]),
            _effect(folder, words["effect"]),
            words["amount"],
            words["counts"],
        )


def _effect(folder: Path, words: dict[str, Any] | None) -> OfferForest | AddedResponse | None:
    """Versions of before had trees on the difference alone."""
    if words is None:
        return None
    return (AddedResponse if "forest" in words else OfferForest).load(folder, EFFECT, words)
