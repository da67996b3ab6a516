"""The offer response model as it serves: from customers and offers as the store has them to chances and uplifts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.entities import Customer, Offer
from features.instant import Instant
from features.presented_terms import ResponseTerms
from training.models.encoding import Encoding, Words
from training.models.offer_inputs import customer_words, offer_words
from training.models.offer_response import OfferResponseModel, Response

Floats = NDArray[np.float64]
_FILE = "inputs.json"
_NOTHING: Words = {}


class _Inputs(msgspec.Struct, frozen=True):
    attributes: Encoding
    terms: Encoding
    protected: tuple[str, ...]
    response: ResponseTerms


@dataclass(frozen=True, slots=True)
class ReadyOffers:
    """Offers as the model reads them; made once for a catalogue."""

    offer_ids: tuple[str, ...]
    terms: Floats


@dataclass(frozen=True, slots=True)
class OfferPredictor:
    model: OfferResponseModel
    attributes: Encoding
    terms: Encoding
    protected: tuple[str, ...]
    response: ResponseTerms
    name = OfferResponseModel.name

    def ready(self, offers: Sequence[Offer], prices: Sequence[float]) -> ReadyOffers:
        """``prices`` are the mean prices of what the offers are about, currency units, NaN where unknown."""
        known = [None if np.isnan(price) else price for price in prices]
        words = [offer_words(offer, price) for offer, price in zip(offers, known, strict=True)]
        return ReadyOffers(tuple(offer.offer_id for offer in offers), self.terms.encode(words))

    def known_offers(self) -> ReadyOffers:
        """Those that it learned from, of whose terms nothing is told."""
        known = tuple(self.model.basis_of)
        return ReadyOffers(known, np.full((len(known), len(self.terms.columns)), np.nan))

    def predict(
        self, features: Floats, customers: Sequence[Customer | None], as_of: Instant, offers: ReadyOffers
    ) -> Response:
        """Of k customers (``features`` (k, F); ``None`` for who lets nobody use their attributes) and m offers."""
        words = [_NOTHING if one is None else customer_words(one, as_of, self.protected) for one in customers]
        known = np.concatenate([features, self.attributes.encode(words)], axis=1)
        return self.model.predict(known, offers.offer_ids, offers.terms)

    def save(self, folder: Path) -> None:
        self.model.save(folder)
        inputs = _Inputs(self.attributes, self.terms, self.protected, self.response)
        (folder / _FILE).write_bytes(msgspec.json.format(msgspec.json.encode(inputs)))

    @classmethod
    def load(cls, folder: Path) -> "OfferPredictor":
        """
        Raises
        ------
        TrainingError
            If the folder holds another model, an unknown format, or one that reads other features.
        """
        model = OfferResponseModel.load(folder)
        inputs = msgspec.json.decode((folder / _FILE).read_bytes(), type=_Inputs)
        return cls(model, inputs.attributes, inputs.terms, inputs.protected, inputs.response)
