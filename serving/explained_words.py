"""A decision of the log in words: for who looks at numbers, for who runs the programme, and for the customer.

What a customer refused the use of is missing from the features, and a feature that is missing is not named; nor are
protected attributes, which no model here is given.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from features.brand import brands_sharing
from features.catalogue import read_products
from features.feature_words import feature_words
from features.store import Store
from features.vector import PURCHASES
from serving.contributions import ModelContributions, ValueParts
from serving.customer_facts import consent
from serving.customer_reader import CustomerReader, Named
from serving.habits import Habit, habit_of, habit_words
from serving.logged_decision import FoundDecision
from serving.offer_evaluation import Case
from serving.predictions import CHURN
from serving.profiles_as_of import profiles_before
from serving.replay import logged_answer, moment_of
from serving.schemas import OfferAnswer
from serving.targets import build_targets
from serving.words import REASONS

Words = dict[str, str]

LANGUAGES = ("en", "ru")
MOST_NAMED = 3
"""Features that are told of."""
_NOTHING_OFFERED = {"en": "No offer was made", "ru": "Предложение не сделано"}
_CHURN = {
    "en": "The chance that the customer does not come back is {chance:.0%}; most of that is due to {what}.",
    "ru": "Вероятность, что клиент не вернётся, — {chance:.0%}; сильнее всего на неё влияют: {what}.",
}
_PARTS = {
    "en": " It is made of {0.added_margin:.4g} margin added, {0.retention:.4g} for coming back, {0.priority:.4g} for "
    "priority, {0.cost:.4g} of cost and {0.policy:.4g} by the policy.",
    "ru": " Она состоит из прироста маржи {0.added_margin:.4g}, удержания {0.retention:.4g}, приоритета "
    "{0.priority:.4g}, стоимости {0.cost:.4g} и правил {0.policy:.4g}.",
}


class NamedHabit(NamedTuple):
    habit: Habit
    name: str


def customer_habit(store: Store, connection: Connection, found: FoundDecision, case: Case) -> NamedHabit | None:
    """What the customer keeps buying of what was offered; ``None`` of an offer that may not be personal.

    Products have the names of today. Where bulk history cannot be read, no habit is known.
    """
    offers = logged_answer(found).offers
    if not offers:
        return None
    offer = next(one for one in case.offers.offers if one.offer_id == offers[0].offer_id)
    if not offer.personalised:
        return None
    try:
        people = profiles_before(store, found.brand, [found.customer_id], moment_of(found))
    except ModuleNotFoundError:
        return None
    profile = people.get(found.customer_id)
    if profile is None or _refuses_now(store, found):
        return None
    products = read_products(connection, *brands_sharing(connection, found.brand, "catalogue"))
    (product_set,) = build_targets([offer], products).product_sets
    habit = habit_of(profile, product_set, found.decided_at)
    named = {product.product_id: product.name or product.category for product in products}
    name = None if habit is None else named.get(habit.product_id)
    return None if habit is None or name is None else NamedHabit(habit, name)


def _refuses_now(store: Store, found: FoundDecision) -> bool:
    """Whether the use of purchases was refused since."""
    _, state = CustomerReader(store).person(Named(found.brand, found.customer_id, {}))
    return consent(state)(PURCHASES) is False


def told_to_readers(
    found: FoundDecision,
    case: Case | None,
    moved: Mapping[str, ModelContributions],
    value: Mapping[str, ValueParts],
    habit: NamedHabit | None,
) -> dict[str, Words]:
    """For the analyst, the marketer and the customer; the last is told of no score."""
    answer = logged_answer(found)
    if not answer.offers:
        why = answer.no_offer_reason or ""
        told = {language: f"{text}: {why}." for language, text in _NOTHING_OFFERED.items()}
        number = f"none: probability {found.logged.none_probability:.4g}; {why}"
        return {"analyst": dict.fromkeys(LANGUAGES, number), "marketer": told, "customer": dict.fromkeys(LANGUAGES, "")}
    offer = answer.offers[0]
    return {
        "analyst": _to_analyst(found, offer, value.get(offer.offer_id)),
        "marketer": _to_marketer(found, offer, moved),
        "customer": _to_customer(found, case, offer, habit),
    }


def _to_analyst(found: FoundDecision, offer: OfferAnswer, parts: ValueParts | None) -> Words:
    among = len(found.logged.candidates)
    told = {
        "en": f"{offer.offer_id}: expected value {offer.expected_value:.4g}, chance of acceptance "
        f"{offer.accept_probability:.4g}, propensity {offer.propensity:.4g}, among {among}.",
        "ru": f"{offer.offer_id}: ожидаемая ценность {offer.expected_value:.4g}, вероятность принятия "
        f"{offer.accept_probability:.4g}, вероятность выбора {offer.propensity:.4g}, из {among}.",
    }
    return told if parts is None else {language: told[language] + _PARTS[language].format(parts) for language in told}


def _to_marketer(found: FoundDecision, offer: OfferAnswer, moved: Mapping[str, ModelContributions]) -> Words:
    known = [REASONS[reason] for reason in offer.reasons if reason in REASONS]
    told = {language: " ".join(reason[language] for reason in known) for language in LANGUAGES}
    chance, drivers = found.logged.churn_probability, _drivers(moved)
    if chance is None or not drivers:
        return told
    for language in LANGUAGES:
        what = ", ".join(feature_words(feature)[language] for feature in drivers)
        told[language] = f"{told[language]} {_CHURN[language].format(chance=chance, what=what)}".strip()
    return told


def _drivers(moved: Mapping[str, ModelContributions]) -> list[str]:
    """The features that moved the chance of churn most, of those that are known."""
    if CHURN not in moved:
        return []
    return [one.feature for one in moved[CHURN].of_features if one.value is not None][:MOST_NAMED]


def _to_customer(found: FoundDecision, case: Case | None, offer: OfferAnswer, habit: NamedHabit | None) -> Words:
    if case is None or habit is None:
        return dict(offer.words)
    phrases = case.offers.phrases[case.offers.rules.index[offer.offer_id]]
    because = habit_words(habit.habit, habit.name, found.decided_at, case.timezone)
    return {"en": f"{phrases.en}. {because['en']}.", "ru": f"{phrases.ru}. {because['ru']}."}
