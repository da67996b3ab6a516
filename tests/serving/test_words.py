import pytest

from features.entities import Customer, Offer, OfferKind, Product, Target
from features.instant import parse
from serving.customer_history import nothing_known
from serving.decide import decide
from serving.decision import CustomerState, DecisionRequest, Predictions
from serving.offer_table import BrandTerms, build_offer_table
from serving.policy import Policy
from serving.words import BEFORE, NEW, OFTEN, PRIOR, REASONS, RISK, phrases

NAMES = {"milk": "Milk", "tea": "Green tea"}
MILK = Target(products=("milk",))


@pytest.mark.parametrize(
    ("offer", "english", "russian"),
    [
        (
            Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=12.5),
            "12.5% off your purchase",
            "Скидка 12,5 % на покупку",
        ),
        (
            Offer(offer_id="a", kind=OfferKind.DISCOUNT_AMOUNT, value=1.5, currency="USD", target=MILK),
            "$1.50 off Milk",
            "Скидка 1,50 $ на «Milk»",
        ),
        (
            Offer(offer_id="a", kind=OfferKind.BONUS_POINTS, value=21.0, target=Target(products=("milk", "tea"))),
            "21 bonus points on Milk and Green tea",
            "21 балл за «Milk» и «Green tea»",
        ),
        (
            Offer(offer_id="a", kind=OfferKind.POINTS_MULTIPLIER, value=3.0, target=Target(products=("milk", "x"))),
            "3× points on selected products",
            "Баллы ×3 за выбранные товары",
        ),
        (Offer(offer_id="a", kind=OfferKind.CASHBACK, value=5.0), "5% back on your purchase", "Возврат 5 % за покупку"),
        (Offer(offer_id="a", kind=OfferKind.GIFT, name="a mug"), "A gift for you: a mug", "Подарок для вас: a mug"),
        (
            Offer(offer_id="a", kind=OfferKind.CHALLENGE, value=100.0, name="three visits"),
            "100 points for a challenge: three visits",
            "100 баллов за задание: three visits",
        ),
        (Offer(offer_id="a"), "An offer for you", "Предложение для вас"),
        (
            Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=10.0, minimum_spend=200_000, currency="EUR"),
            "10% off your purchase when you spend €20 or more",
            "Скидка 10 % на покупку при покупке от 20 €",
        ),
    ],
)  # fmt: skip
def test_each_kind_of_offer_is_said_in_both_languages(offer, english, russian):
    said = phrases(offer, NAMES, BrandTerms())

    assert (said.en, said.ru) == (english, russian)


@pytest.mark.parametrize("kind", list(OfferKind))
def test_an_offer_that_states_nothing_but_its_kind_is_still_put_into_words(kind):
    said = phrases(Offer(offer_id="a", kind=kind), NAMES, BrandTerms())

    assert said.en
    assert said.ru
    assert "{" not in said.en + said.ru


def test_an_offers_own_words_go_first_and_the_other_language_is_filled_in():
    offer = Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=5.0, words={"en": "Half-term treat."})

    said = phrases(offer, NAMES, BrandTerms())

    assert said.en == "Half-term treat"
    assert said.ru == "Скидка 5 % на покупку"


def test_the_customer_is_told_the_first_reason_that_is_theirs_to_hear():
    said = phrases(Offer(offer_id="a", kind=OfferKind.DISCOUNT_PERCENT, value=5.0, target=MILK), NAMES, BrandTerms())

    assert said.told((RISK, OFTEN, PRIOR), is_personal=True)["en"] == "5% off Milk. Because you often buy this."
    assert said.told((NEW, PRIOR), is_personal=True)["ru"] == "Скидка 5 % на «Milk». Попробуйте новое."
    assert said.told((RISK, PRIOR), is_personal=True)["en"] == "5% off Milk"


def test_of_an_offer_about_several_products_not_all_are_said_to_be_the_customers():
    said = phrases(Offer(offer_id="a", name="Tea week", target=Target(categories=("tea",))), NAMES, BrandTerms())

    assert said.told((OFTEN,), is_personal=True)["en"] == "Tea week. Good on things you often buy."


def test_an_offer_that_is_not_personalised_says_nothing_of_the_customer():
    said = phrases(Offer(offer_id="a", name="News"), NAMES, BrandTerms())

    assert said.told((BEFORE,), is_personal=False) == {"en": "News", "ru": "News"}


def test_every_reason_has_a_sentence_in_both_languages():
    assert all(set(sentences) == {"en", "ru"} for sentences in REASONS.values())


def test_neither_reasons_nor_words_name_an_attribute_that_an_offer_asks_for():
    offer = Offer(offer_id="a", eligibility={"attributes": {"religion": "any"}}, target=MILK, name="News")
    policy = Policy(epsilon=0.0)
    table = build_offer_table([offer], [Product(product_id="milk")], BrandTerms(), policy)
    state = CustomerState(customer=Customer(customer_id="c", attributes={"religion": "any"}))

    request, history = DecisionRequest("c", parse("2026-01-05"), "d"), nothing_known(table)
    decision = decide(request, state, history, table, Predictions(), policy)

    (chosen,) = decision.offers
    assert "religion" not in " ".join((*chosen.reasons, *chosen.words.values()))
