"""Every offer for every customer: who may have it, and what it would be worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from features.entities import Offer
from features.events import NO_OFFER
from features.instant import Instant
from features.profiles import Profiles
from serving.customer_history import histories_of
from serving.decision import DecisionRequest, Floats, Predictions
from serving.offer_evaluation import Case, evaluate
from serving.offer_table import OfferTable
from serving.policy import Policy
from serving.population import Population
from serving.predictions import Models, predict_each
from serving.refusal import WORDS, Codes
from serving.words import BASES, PRIOR

NOT_IN_CATALOGUE = len(WORDS)
"""The code of an offer that only past events name: nothing is known of its terms, so it cannot be made."""
UPLIFT_UNKNOWN = "uplift_not_learned"
_REFUSALS = (*WORDS, "not_in_catalogue")


@dataclass(frozen=True, slots=True)
class OfferScores:
    """Numbers for each customer (row) and offer (column). ``codes`` are refusals, of which 0 is eligible; ``uplift`` is
    in the unit of the outcome that was learned, NaN where it cannot be told; ``bases`` says of each offer what its
    numbers are.
    """

    customer_ids: Sequence[str]
    offer_ids: Sequence[str]
    codes: Codes
    accept_probability: Floats
    expected_value: Floats
    uplift: Floats
    bases: Sequence[str]

    def reasons(self) -> list[list[str]]:
        """Why it may not be made, and what the numbers beside it are: a list for each row of the file."""
        known = np.isfinite(self.uplift)
        listed = {
            (code, offer, told): [word for word in (_REFUSALS[code], basis, "" if told else UPLIFT_UNKNOWN) if word]
            for code in set(self.codes.ravel().tolist())
            for offer, basis in enumerate(self.bases)
            for told in (False, True)
        }
        columns = range(len(self.offer_ids))
        return [
            listed[code, offer, told]
            for codes, tolds in zip(self.codes.tolist(), known.tolist(), strict=True)
            for code, offer, told in zip(codes, columns, tolds, strict=True)
        ]


def past_offers(profiles: Profiles, catalogue: Sequence[Offer]) -> list[Offer]:
    """The offers that customers were in touch with and that the catalogue does not hold, without any terms."""
    known = {offer.offer_id for offer in catalogue}
    named = set(profiles.contacts.vocabulary) - known - {NO_OFFER}
    return [Offer(offer_id=offer_id) for offer_id in sorted(named)]


def score_offers(
    population: Population,
    brand: str,
    as_of: Instant,
    models: Models,
    offers: OfferTable,
    past: set[str],
    policy: Policy,
) -> Iterator[OfferScores]:
    """The scores of all offers of the table, batch by batch; ``past`` are the ids of those not in the catalogue."""
    is_past = np.array([offer.offer_id in past for offer in offers.offers], dtype=np.bool_)
    offer_ids = [offer.offer_id for offer in offers.offers]
    for batch in population.batches():
        states = list(population.states(batch))
        customers = [state.customer for state in states]
        predictions = predict_each(models, batch, as_of, offers, customers, all_offers=True)
        known = zip(batch.customer_ids, states, histories_of(batch, offers), predictions, strict=True)
        evaluated = [
            evaluate(Case(DecisionRequest(customer_id, as_of, "", brand), state, history, offers, predicted, policy))
            for customer_id, state, history, predicted in known
        ]
        shape = (len(batch), len(offer_ids))
        codes = np.array([one.codes for one in evaluated], dtype=np.int8).reshape(shape)
        codes[:, is_past] = NOT_IN_CATALOGUE
        yield OfferScores(
            batch.customer_ids,
            offer_ids,
            codes,
            np.array([one.values.accept_probability for one in evaluated], dtype=np.float64).reshape(shape),
            np.array([one.values.expected_value for one in evaluated], dtype=np.float64).reshape(shape),
            np.array([_uplift(one, len(offer_ids)) for one in predictions], dtype=np.float64).reshape(shape),
            _bases(predictions, len(offer_ids)),
        )


def _uplift(predictions: Predictions, offers: int) -> Floats:
    return np.full(offers, np.nan) if predictions.response is None else predictions.response.uplift


def _bases(predictions: Sequence[Predictions], offers: int) -> Sequence[str]:
    """By offer; the same for every customer."""
    response = predictions[0].response
    return [PRIOR] * offers if response is None else [BASES[basis] for basis in response.basis.tolist()]
