"""What a customer is told about an offer, and the names of the reasons for it, in English and Russian.

The words to the customer speak of the offer and of what they bought. They never speak of attributes, scores, risk or
segments, protected or not: those are not among the inputs here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from features.entities import Offer, OfferKind
from features.money import from_money
from serving.offer_cost import chosen_value
from serving.policy import BrandTerms

Words = Mapping[str, str]

PRIOR = "response_is_a_prior"
BORROWED = "response_from_similar_offers"
LEARNED = "response_learned"
OFTEN = "often_bought"
BEFORE = "bought_before"
NEW = "not_bought_before"
LIKELY = "likely_in_next_order"
RISK = "may_not_come_back"
FREE = "costs_nothing"
FIRST = "priority"
EXPLORED = "explored"
PINNED = "pinned"
IMITATED = "present_rule"

REASONS: Mapping[str, Words] = {
    PRIOR: {
        "en": "How this customer responds to offers has not been learned yet: the chance of acceptance is a prior.",
        "ru": "Отклик клиента на предложения ещё не изучен: вероятность принятия взята из априорной оценки.",
    },
    BORROWED: {
        "en": "Few responses to this offer are known yet: the chance of acceptance is that of similar offers.",
        "ru": "Откликов на это предложение пока мало: вероятность принятия взята по похожим предложениям.",
    },
    LEARNED: {
        "en": "The chance of acceptance was learned from responses to this offer.",
        "ru": "Вероятность принятия изучена по откликам на это предложение.",
    },
    OFTEN: {"en": "The customer often buys this.", "ru": "Клиент часто это покупает."},
    BEFORE: {"en": "The customer has bought this before.", "ru": "Клиент уже покупал это."},
    NEW: {"en": "The customer has not bought this yet.", "ru": "Клиент ещё не покупал это."},
    LIKELY: {"en": "It is likely in the next order.", "ru": "Вероятно, это будет в следующем заказе."},
    RISK: {"en": "The customer may not come back otherwise.", "ru": "Иначе клиент может не вернуться."},
    FREE: {"en": "The offer costs nothing.", "ru": "Предложение ничего не стоит."},
    FIRST: {"en": "The offer has priority.", "ru": "У предложения есть приоритет."},
    EXPLORED: {
        "en": "Chosen at random, with a known small probability, to learn how customers respond.",
        "ru": "Выбрано случайно, с известной малой вероятностью, чтобы узнать, как клиенты откликаются.",
    },
    PINNED: {"en": "The policy puts this offer first.", "ru": "Правила ставят это предложение первым."},
    IMITATED: {"en": "The present rule gives this offer.", "ru": "Предложение даёт действующее правило."},
}
"""To whoever runs the programme, not to the customer."""

BASES = (BORROWED, LEARNED)
"""By ``training.models.offer_response.Basis``: what the chance of acceptance rests on."""

_TO_CUSTOMER: Mapping[str, Words] = {
    OFTEN: {"en": "Because you often buy this.", "ru": "Потому что вы часто это покупаете."},
    BEFORE: {"en": "Because you have bought this before.", "ru": "Потому что вы уже покупали это."},
    NEW: {"en": "Something new to try.", "ru": "Попробуйте новое."},
}
_TO_CUSTOMER_OF_SEVERAL: Mapping[str, Words] = {
    OFTEN: {"en": "Good on things you often buy.", "ru": "Действует и на то, что вы часто покупаете."},
    BEFORE: {"en": "Good on things you have bought before.", "ru": "Действует и на то, что вы уже покупали."},
    NEW: _TO_CUSTOMER[NEW],
}
"""Of an offer about more than one product: not all of it is what they buy."""
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}

_TEMPLATES: Mapping[OfferKind, tuple[str, str]] = {
    OfferKind.DISCOUNT_PERCENT: ("{value}% off {what}", "Скидка {value} % на {what}"),
    OfferKind.DISCOUNT_AMOUNT: ("{money} off {what}", "Скидка {money} на {what}"),
    OfferKind.BONUS_POINTS: ("{value} bonus {points} on {what}", "{value} {points} за {what}"),
    OfferKind.POINTS_MULTIPLIER: ("{value}× points on {what}", "Баллы ×{value} за {what}"),
    OfferKind.CASHBACK: ("{value}% back on {what}", "Возврат {value} % за {what}"),
    OfferKind.GIFT: ("A gift for you: {name}", "Подарок для вас: {name}"),
    OfferKind.FREE_DELIVERY: ("Free delivery of {what}", "Бесплатная доставка: {what}"),
    OfferKind.EARLY_ACCESS: ("Early access to {what}", "Ранний доступ: {what}"),
    OfferKind.CHALLENGE: ("{value} {points} for a challenge: {name}", "{value} {points} за задание: {name}"),
    OfferKind.INFORMATION: ("{name}", "{name}"),
}


@dataclass(frozen=True, slots=True)
class Phrases:
    """What to say of an offer, whoever it is made to."""

    en: str
    ru: str
    is_of_several: bool = False
    """Whether it is about more than one product."""

    def told(self, reasons: tuple[str, ...], *, is_personal: bool) -> dict[str, str]:
        """The words to one customer: the offer and, where it may be personal, the first reason fit to be told."""
        sentences = _TO_CUSTOMER_OF_SEVERAL if self.is_of_several else _TO_CUSTOMER
        if is_personal:
            for reason in reasons:
                because = sentences.get(reason)
                if because is not None:
                    return {"en": f"{self.en}. {because['en']}", "ru": f"{self.ru}. {because['ru']}"}
        return {"en": self.en, "ru": self.ru}


def phrases(offer: Offer, product_names: Mapping[str, str], terms: BrandTerms) -> Phrases:
    """The offer's own words where it has some, else a sentence by its kind.

    >>> offer = Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=15.0)
    >>> phrases(offer, {}, BrandTerms()).en
    '15% off your purchase'
    """
    own = offer.words or {}
    english, russian = _TEMPLATES[offer.kind]
    return Phrases(
        en=_sentence(own.get("en") or _filled(english, offer, product_names, terms, "en"), offer, terms, own, "en"),
        ru=_sentence(own.get("ru") or _filled(russian, offer, product_names, terms, "ru"), offer, terms, own, "ru"),
        is_of_several=len(offer.target.products) > 1 or bool(offer.target.categories),
    )


def _sentence(text: str, offer: Offer, terms: BrandTerms, own: Words, language: str) -> str:
    """Without its full stop; with the minimum spend, unless the offer brought its own words."""
    text = text.strip().rstrip(".")
    if own.get(language) or not offer.minimum_spend:
        return text
    least = money(from_money(offer.minimum_spend), offer.currency or terms.currency, language)
    return f"{text} when you spend {least} or more" if language == "en" else f"{text} при покупке от {least}"


def _filled(template: str, offer: Offer, product_names: Mapping[str, str], terms: BrandTerms, language: str) -> str:
    value = chosen_value(offer)
    if value is None and ("{value}" in template or "{money}" in template):
        return _name(offer, language)
    return template.format(
        value=_plain(value or 0.0, language),
        money=money(value or 0.0, offer.currency or terms.currency, language),
        points=_points(value or 0.0, language),
        what=_what(offer, product_names, language),
        name=_name(offer, language),
    )


def _name(offer: Offer, language: str) -> str:
    return offer.name or ("An offer for you" if language == "en" else "Предложение для вас")


def _what(offer: Offer, product_names: Mapping[str, str], language: str) -> str:
    """What it is about; names stand in quotes in Russian, where they cannot be declined."""
    is_english = language == "en"
    named = [*offer.target.categories, *(product_names.get(p, "") for p in offer.target.products)]
    if not named:
        return "your purchase" if is_english else "покупку"
    if len(named) > 2 or not all(named):
        return "selected products" if is_english else "выбранные товары"
    return " and ".join(named) if is_english else " и ".join(f"«{name}»" for name in named)


def _plain(value: float, language: str) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return text if language == "en" else text.replace(".", ",")


def money(amount: float, currency: str | None, language: str) -> str:
    """An amount as a customer reads it.

    >>> money(1.5, "USD", "en"), money(1.5, "EUR", "ru"), money(200.0, "RUB", "ru")
    ('$1.50', '1,50 €', '200 ₽')
    """
    text = f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"
    symbol = {**_SYMBOLS, "RUB": "₽"}.get(currency or "", currency or "")
    if language == "en":
        return f"{symbol}{text}" if currency in _SYMBOLS else f"{text} {symbol}".strip()
    return f"{text.replace('.', ',')} {symbol}".strip()


def _points(value: float, language: str) -> str:
    """The noun that goes with the number.

    >>> [_points(n, "ru") for n in (1, 2, 5, 11, 21, 0.5)]
    ['балл', 'балла', 'баллов', 'баллов', 'балл', 'балла']
    """
    if language == "en":
        return "point" if value == 1 else "points"
    if value != int(value):
        return "балла"
    units, tens = int(value) % 10, int(value) % 100
    if 11 <= tens <= 14 or units == 0 or units >= 5:
        return "баллов"
    return "балл" if units == 1 else "балла"
