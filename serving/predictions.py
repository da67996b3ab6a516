"""Loaded champions, and what they say of a customer.

What is asked of each model is stated here; :mod:`training.models` keeps to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from features.consent import refusing, with_consent
from features.entities import Customer, Offer
from features.instant import Instant
from features.presented_terms import ResponseTerms
from features.product_lists import ProductLists
from features.product_targets import ProductTargets
from features.profiles import Profiles, concatenate
from features.vector import vector
from serving.customer_facts import moment_of
from serving.decision import Floats, LearnedResponse, Predictions
from serving.eligibility import is_valid_at
from serving.offer_table import OfferTable
from training.models.offer_inputs import ATTRIBUTES

Flags = NDArray[np.bool_]

CHURN = "churn"
LIFETIME_VALUE = "lifetime-value"
FAVOURITE_PRODUCT = "favourite-product"
SEND_TIME = "send-time"
OFFER_RESPONSE = "offer-response"
"""Not among the names below: where it is missing, each offer says that its response is a prior."""
NAMES = (CHURN, LIFETIME_VALUE, FAVOURITE_PRODUCT, SEND_TIME)


class OwnRhythm(Protocol):
    def predict(self, features: Floats, as_of: Instant, /) -> tuple[Floats, Floats]: ...


class Churn(Protocol):
    @property
    def own_rhythm(self) -> OwnRhythm | None: ...
    def predict(self, features: Floats, as_of: Instant, /) -> Floats: ...


class ChurnInterval(Protocol):
    def around(self, probability: Floats, /) -> tuple[Floats, Floats]: ...


class Spend(Protocol):
    @property
    def mean(self) -> Floats: ...
    @property
    def median(self) -> Floats: ...
    @property
    def low(self) -> Floats: ...
    @property
    def high(self) -> Floats: ...


class LifetimeValue(Protocol):
    @property
    def other_horizons_days(self) -> Sequence[int]: ...
    def mean_within(self, features: Floats, as_of: Instant, mean: Floats, /) -> dict[int, Floats]: ...
    def mean(self, features: Floats, as_of: Instant, /) -> Floats: ...
    def predict(self, features: Floats, as_of: Instant, /) -> Spend: ...


class FavouriteProduct(Protocol):
    def ranked_lists(self, profiles: Profiles, as_of: Instant, limit: int, /) -> ProductLists: ...
    def rank_new(
        self, profiles: Profiles, as_of: Instant, limit: int, /
    ) -> Sequence[tuple[list[str], list[float]]]: ...
    def due_lists(self, profiles: Profiles, as_of: Instant, limit: int, /) -> ProductLists: ...
    def facts_of(self, targets: ProductTargets, /) -> Any: ...
    def affinities(
        self, profiles: Profiles, as_of: Instant, targets: ProductTargets, facts: Any, is_asked: Flags, /
    ) -> Floats: ...


class SendEvidence(Protocol):
    @property
    def level(self) -> NDArray[np.uint8]: ...
    @property
    def is_less_than_own(self) -> NDArray[np.bool_]: ...


class SendTime(Protocol):
    def evidence(self, profiles: Profiles, as_of: Instant, /) -> SendEvidence: ...
    def predict(self, profiles: Profiles, as_of: Instant, /) -> Floats: ...
    def predict_channels(self, profiles: Profiles, as_of: Instant, /) -> tuple[Floats, Mapping[str, Floats]]: ...


class Response(Protocol):
    @property
    def accept(self) -> Floats: ...
    @property
    def uplift(self) -> Floats: ...
    @property
    def basis(self) -> NDArray[np.int8]: ...


class OfferResponse(Protocol):
    @property
    def response(self) -> ResponseTerms: ...
    def ready(self, offers: Sequence[Offer], prices: Sequence[float], /) -> Any: ...
    def predict(
        self, features: Floats, customers: Sequence[Customer | None], as_of: Instant, offers: Any, /
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one brand that are in use; ``None`` where none was trained. The mappings are by model name.

    ``trained_until`` is the instant just after the last one that a model may have learned from. ``missing_versions``
    are those that were to be used and are not there; what else there is of that model is used instead. ``unloadable``
    says of a champion that is there which version it is and why it cannot be used.
    """

    churn: Churn | None = None
    churn_interval: ChurnInterval | None = None
    lifetime_value: LifetimeValue | None = None
    favourite_product: FavouriteProduct | None = None
    send_time: SendTime | None = None
    offer_response: OfferResponse | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    horizon_days: Mapping[str, float] = field(default_factory=dict)
    trained_until: Mapping[str, Instant] = field(default_factory=dict)
    missing_versions: Mapping[str, str] = field(default_factory=dict)
    unloadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, str]:
        """The reason by model, of those that cannot be asked."""
        present = (self.churn, self.lifetime_value, self.favourite_product, self.send_time)
        absent = [name for name, model in zip(NAMES, present, strict=True) if model is None]
        return {name: self.unloadable.get(name, f"no {name} model has been trained") for name in absent}


def predict(
    models: Models, profile: Profiles, decided_at: Instant, offers: OfferTable, customer: Customer | None = None
) -> Predictions:
    """What the models say of the one customer in ``profile``; a missing model leaves its output empty."""
    return predict_each(models, profile, moment_of(profile, decided_at), offers, [customer])[0]


def predict_together(
    models: Models,
    profiles: Sequence[Profiles | None],
    decided_at: Instant,
    offers: OfferTable,
    customers: Sequence[Customer | None] | None = None,
) -> list[Predictions]:
    """The same of several customers, to each what they would have been told alone; a profile may not be there."""
    known = customers if customers is not None else [None] * len(profiles)
    nothing = Predictions(
        horizon_days=horizon_days(models),
        model_versions=models.versions,
        fallbacks=models.missing,
        missing_versions=models.missing_versions,
    )
    found = [nothing] * len(profiles)
    rows: list[int] = []
    for row, profile in enumerate(profiles):
        if profile is None:
            continue
        if profile.last_event_at[0] < decided_at:
            rows.append(row)
        else:
            found[row] = predict(models, profile, decided_at, offers, known[row])
    if rows:
        alike = concatenate([profile for row in rows if (profile := profiles[row]) is not None])
        predicted = predict_each(models, alike, decided_at, offers, [known[row] for row in rows])
        for row, prediction in zip(rows, predicted, strict=True):
            found[row] = prediction
    return found


def predict_each(
    models: Models,
    profiles: Profiles,
    as_of: Instant,
    offers: OfferTable,
    customers: Sequence[Customer | None] | None = None,
    *,
    all_offers: bool = False,
) -> list[Predictions]:
    """The same of many; ``as_of`` must be after everything that the profiles have heard of.

    ``customers`` are their rows of the customers' file. Affinity is asked for offers that are valid then, unless for
    ``all_offers``; that of the others is 0.
    """
    features = vector(profiles, as_of)
    usable = with_consent(profiles)
    churn = None if models.churn is None else models.churn.predict(features, as_of)
    spend = None if models.lifetime_value is None else models.lifetime_value.mean(features, as_of)
    hours, by_channel = (None, {}) if models.send_time is None else models.send_time.predict_channels(usable, as_of)
    live = np.ones(len(offers.offers), dtype=np.bool_) if all_offers else is_valid_at(offers.rules, as_of)
    affinity = _affinity(models, usable, as_of, offers, live)
    response = _response(models, profiles, features, customers, as_of, offers)
    missing = models.missing
    return [
        Predictions(
            churn_probability=_number(churn, row),
            lifetime_value=_number(spend, row),
            horizon_days=horizon_days(models),
            send_time=None if hours is None else hours[row],
            send_time_by_channel={channel: of_all[row] for channel, of_all in by_channel.items()},
            affinity=None if affinity is None else affinity[row],
            response=None if response is None else _of_row(response, row),
            features=features[row],
            model_versions=models.versions,
            fallbacks=missing,
            missing_versions=models.missing_versions,
        )
        for row in range(len(profiles))
    ]


def horizon_days(models: Models) -> float | None:
    """The churn champion's, else the lifetime value's."""
    return models.horizon_days.get(CHURN, models.horizon_days.get(LIFETIME_VALUE))


def _number(values: Floats | None, row: int) -> float | None:
    """Nothing where a model gives no number: a decision does without."""
    if values is None or not np.isfinite(values[row]):
        return None
    return float(values[row])


def _affinity(models: Models, profiles: Profiles, as_of: Instant, offers: OfferTable, live: Flags) -> Floats | None:
    """(customers, offers); a catalogue keeps many offers that are over, so only the live ones are computed."""
    model = models.favourite_product
    if model is None:
        return None
    return model.affinities(profiles, as_of, offers.targets, _facts_of(model, offers.targets), live)


def _response(
    models: Models,
    profiles: Profiles,
    features: Floats,
    customers: Sequence[Customer | None] | None,
    as_of: Instant,
    offers: OfferTable,
) -> LearnedResponse | None:
    """(customers, offers); who refuses the use of attributes is answered without."""
    model = models.offer_response
    if model is None or not offers.offers:
        return None
    silent = refusing(profiles, ATTRIBUTES).tolist()
    rows = [None] * len(profiles) if customers is None else customers
    known = [None if refuses else customer for customer, refuses in zip(rows, silent, strict=True)]
    ready = _made_ready(model, offers.targets, lambda: model.ready(offers.offers, offers.worth.target_price.tolist()))
    found = model.predict(features, known, as_of, ready)
    return LearnedResponse(model.response.outcome, found.accept, found.uplift, found.basis)


def _of_row(response: LearnedResponse, row: int) -> LearnedResponse:
    return LearnedResponse(response.outcome, response.accept[row], response.uplift[row], response.basis)


_ready: WeakKeyDictionary[ProductTargets, list[tuple[Any, Any]]] = WeakKeyDictionary()
_MOST_READY = 16
"""Of the targets of one table: for the champions and the models of variants."""


def _facts_of(model: FavouriteProduct, targets: ProductTargets) -> Any:
    return _made_ready(model, targets, lambda: model.facts_of(targets))


def _made_ready(model: Any, targets: ProductTargets, make: Callable[[], Any]) -> Any:
    """What a model needs of a table's offers, made once for each pair, for as long as the table lives."""
    kept = _ready.setdefault(targets, [])
    for known, facts in kept:
        if known is model:
            return facts
    facts = make()
    _ready[targets] = [(model, facts), *kept[: _MOST_READY - 1]]
    return facts
