"""The response to offers: what it recovers of a simulated truth, and how it behaves where there is little to learn."""

from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from training.errors import NotEnoughData
from training.models.logistic import sigmoid
from training.models.offer_response import CONTROL, Basis, OfferResponseModel, Outcome, Presentations
from training.models.offer_response_forest import inputs

FACTS = ("warmth", "age", "noise")
TERMS = ("value",)
VALUES = np.array([[2.0], [6.0], [10.0]])


def effect_of(customers: np.ndarray, value: np.ndarray) -> np.ndarray:
    """What an offer adds to the chance: more to the warm, more the more it is worth."""
    return 0.02 * value * (customers[:, 0] > 0)


def presented(count: int, seed: int = 0, outcome: Outcome = Outcome.PURCHASE) -> Presentations:
    """A third shows nothing; older customers buy more in any case, and the warm answer."""
    generator = np.random.default_rng(seed)
    customers = generator.normal(size=(count, len(FACTS)))
    offer = generator.integers(-3, len(VALUES), count).clip(CONTROL)
    value = np.append(VALUES[:, 0], 0.0)[offer]
    chance = 0.2 + 0.05 * np.tanh(customers[:, 1]) + effect_of(customers, value)
    bought = (generator.random(count) < chance).astype(np.float64)
    response = bought * generator.gamma(4.0, 5.0, count) if outcome is Outcome.SPEND else bought
    if outcome is Outcome.ACCEPTED:
        response = np.where(offer == CONTROL, 0.0, response)
    propensity = np.where(offer == CONTROL, 0.5, 1.0 / 6.0)
    numbers = np.arange(count)
    return Presentations(
        customers, offer, propensity, response, numbers // 2, numbers, VALUES, ("a", "b", "c"), FACTS, TERMS, outcome
    )


def of(presentations: Presentations, rows: np.ndarray) -> Presentations:
    """The presentations of those rows."""
    parts = ("customers", "offer", "propensity", "response", "person", "presented_at")
    return replace(presentations, **{part: getattr(presentations, part)[rows] for part in parts})


@pytest.fixture(scope="module")
def taught() -> Presentations:
    return presented(40_000)


@pytest.fixture(scope="module")
def model(taught: Presentations) -> OfferResponseModel:
    return OfferResponseModel.fit(taught, {}, seed=0)


@pytest.fixture(scope="module")
def asked() -> np.ndarray:
    return np.random.default_rng(99).normal(size=(2_000, len(FACTS)))


def test_uplift_has_the_sign_and_size_of_the_true_effect(model: OfferResponseModel, asked: np.ndarray) -> None:
    uplift = model.predict(asked, model.offer_ids, VALUES).uplift

    warm = asked[:, 0] > 0.2
    cold = asked[:, 0] < -0.2
    assert uplift[warm].mean(axis=0) == pytest.approx([0.04, 0.12, 0.20], abs=0.03)
    assert uplift[cold].mean(axis=0) == pytest.approx([0.0, 0.0, 0.0], abs=0.03)


def test_uplift_is_closer_to_the_truth_than_the_mean_effect_is(model: OfferResponseModel, asked: np.ndarray) -> None:
    uplift = model.predict(asked, model.offer_ids, VALUES).uplift
    truth = np.column_stack([effect_of(asked, value) for value in VALUES[:, 0]])

    assert ((uplift - truth) ** 2).mean() < 0.3 * ((truth.mean(axis=0) - truth) ** 2).mean()


def test_chances_agree_with_what_happened(model: OfferResponseModel) -> None:
    fresh = presented(20_000, seed=1)
    accept = model.predict(fresh.customers, model.offer_ids, VALUES).accept
    shown = fresh.offer != CONTROL
    chance = accept[np.arange(len(accept)), fresh.offer][shown]

    for part in np.array_split(np.argsort(chance), 5):
        assert chance[part].mean() == pytest.approx(fresh.response[shown][part].mean(), abs=0.03)


def test_propensities_take_out_what_the_logging_policy_knew() -> None:
    fair = presented(60_000, seed=2)
    generator = np.random.default_rng(3)
    old = fair.customers[:, 1] > 0
    kept = generator.random(len(old)) < np.where((fair.offer == CONTROL) == old, 0.2, 1.0)  # offers go to the old
    shown_of_old, shown_of_young = 0.5 / (0.5 + 0.5 * 0.2), 0.5 * 0.2 / (0.5 * 0.2 + 0.5)
    of_any = np.where(old, shown_of_old, shown_of_young)
    propensity = np.where(fair.offer == CONTROL, 1 - of_any, of_any / 3)
    hidden = np.delete(fair.customers, 1, axis=1)  # the model never sees what the policy went by
    confounded = replace(fair, customers=hidden, columns=("warmth", "noise"), propensity=propensity)
    confounded = of(confounded, np.flatnonzero(kept))

    weighted = OfferResponseModel.fit(confounded, {}, 0).predict(hidden[:500], fair.offer_ids, VALUES).uplift
    blind = replace(confounded, propensity=np.full(int(kept.sum()), 0.5))
    unweighted = OfferResponseModel.fit(blind, {}, 0).predict(hidden[:500], fair.offer_ids, VALUES).uplift

    truth = 0.01 * VALUES[:, 0]
    assert weighted.mean(axis=0) == pytest.approx(truth, abs=0.025)
    assert (unweighted.mean(axis=0) - truth).min() > 0.03


def test_new_offer_borrows_from_similar_ones(taught: Presentations, asked: np.ndarray) -> None:
    without = of(taught, np.flatnonzero(taught.offer != 2))
    model = OfferResponseModel.fit(without, {}, seed=0)

    answer = model.predict(asked, ("new", "new"), np.array([[2.2], [6.5]]))

    assert answer.basis.tolist() == [Basis.BORROWED, Basis.BORROWED]
    warm = asked[:, 0] > 0.2
    assert answer.uplift[warm].mean(axis=0) == pytest.approx([0.04, 0.13], abs=0.04)


def test_offers_of_equal_terms_have_levels_of_their_own() -> None:
    fair = presented(30_000, outcome=Outcome.ACCEPTED)
    same = replace(fair, terms=np.ones((3, 1)))
    model = OfferResponseModel.fit(same, {}, seed=0)

    accept = model.predict(fair.customers[:500], (*same.offer_ids, "new"), np.ones((4, 1))).accept.mean(axis=0)

    assert accept[:3] == pytest.approx([0.22, 0.26, 0.30], abs=0.02)
    assert accept[0] < accept[3] < accept[2]


def test_nobody_accepts_what_was_not_shown(asked: np.ndarray) -> None:
    model = OfferResponseModel.fit(presented(4_000, outcome=Outcome.ACCEPTED), {}, seed=0)

    answer = model.predict(asked, model.offer_ids, VALUES)

    assert np.array_equal(answer.uplift, answer.accept)


@pytest.mark.parametrize("propensity", [np.nan, 1.0])
def test_without_chance_in_the_log_there_is_no_uplift(propensity: float, asked: np.ndarray) -> None:
    presentations = presented(4_000)
    certain = replace(presentations, propensity=np.full(4_000, propensity))

    answer = OfferResponseModel.fit(certain, {}, seed=0).predict(asked, certain.offer_ids, VALUES)

    assert np.isnan(answer.uplift).all()
    assert np.isfinite(answer.accept).all()


def test_without_presentations_of_nothing_there_is_no_uplift(asked: np.ndarray) -> None:
    presentations = presented(4_000)
    shown = of(presentations, np.flatnonzero(presentations.offer != CONTROL))

    assert np.isnan(OfferResponseModel.fit(shown, {}, 0).predict(asked, shown.offer_ids, VALUES).uplift).all()


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_one_answer_to_everything_teaches_nothing(answer: float) -> None:
    presentations = replace(presented(500), response=np.full(500, answer))

    with pytest.raises(NotEnoughData, match="presentations of offers"):
        OfferResponseModel.fit(presentations, {}, seed=0)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("count", [120, 400])
def test_little_data_makes_a_calm_model(outcome: Outcome, count: int, asked: np.ndarray) -> None:
    model = OfferResponseModel.fit(presented(count, outcome=outcome), {}, seed=0)

    answer = model.predict(asked, (*model.offer_ids, "new"), np.append(VALUES, [[1e9]], axis=0))

    assert 0.05 < answer.accept.min() < answer.accept.max() < 0.6
    known = answer.uplift[np.isfinite(answer.uplift)]
    assert np.abs(known).max(initial=0.0) < (0.6 if answer.spend is None else 20.0)


def test_an_amount_out_of_all_proportion_does_not_move_the_rest(asked: np.ndarray) -> None:
    presentations = presented(8_000, outcome=Outcome.SPEND)
    spoilt = replace(presentations, response=presentations.response.copy())
    spoilt.response[np.flatnonzero(spoilt.response > 0)[7]] = 1e6

    calm = OfferResponseModel.fit(presentations, {}, 0).predict(asked, presentations.offer_ids, VALUES)
    answer = OfferResponseModel.fit(spoilt, {}, 0).predict(asked, presentations.offer_ids, VALUES)

    assert answer.spend is not None
    assert calm.spend is not None
    assert answer.spend.mean() == pytest.approx(calm.spend.mean(), rel=0.05)
    assert np.abs(answer.uplift - calm.uplift).max() < 1.0


def test_single_offer_is_enough() -> None:
    presentations = presented(5_000)
    one = of(presentations, np.flatnonzero(presentations.offer < 1))
    single = replace(one, terms=VALUES[:1], offer_ids=("a",))

    answer = OfferResponseModel.fit(single, {}, 0).predict(one.customers[:50], ("a",), VALUES[:1])

    assert answer.basis.tolist() == [Basis.LEARNED]
    assert answer.uplift.mean() == pytest.approx(0.02, abs=0.04)


def test_a_loaded_model_answers_the_same_to_the_bit(
    model: OfferResponseModel, asked: np.ndarray, tmp_path: Path
) -> None:
    model.save(tmp_path)
    loaded = OfferResponseModel.load(tmp_path)

    for offers, terms in ((model.offer_ids, VALUES), (("new",), np.array([[4.0]]))):
        one, other = model.predict(asked, offers, terms), loaded.predict(asked, offers, terms)
        assert np.array_equal(one.accept, other.accept)
        assert np.array_equal(one.uplift, other.uplift)
    assert loaded.basis_of == model.basis_of


def test_the_same_seed_gives_the_same_model(asked: np.ndarray) -> None:
    presentations = presented(5_000)

    one, other = (
        OfferResponseModel.fit(presentations, {}, seed=4).predict(asked, presentations.offer_ids, VALUES)
        for _ in range(2)
    )

    assert np.array_equal(one.accept, other.accept)
    assert np.array_equal(one.uplift, other.uplift)


def test_chances_are_those_of_lightgbm(model: OfferResponseModel, asked: np.ndarray) -> None:
    codes = np.full(len(asked), 1)
    terms = np.repeat(VALUES[1:2], len(asked), axis=0)
    known = model.accept
    assert known.own_trees is not None

    by_terms, by_name = (
        np.asarray(lightgbm.Booster(model_str=trees.text).predict(inputs(asked, codes, terms), raw_score=True))
        for trees in (known.trees, known.own_trees)
    )

    level = known.start_weight * known.levels.of(codes, terms)
    expected = sigmoid(level + known.tree_weight * by_terms + known.intercept + known.own_weight * by_name)
    assert np.array_equal(model.predict(asked, ("b",), VALUES[1:2]).accept[:, 0], expected)


def test_one_customer_alone_is_answered_as_among_others(model: OfferResponseModel, asked: np.ndarray) -> None:
    together = model.predict(asked, model.offer_ids, VALUES)

    alone = model.predict(asked[5:6], model.offer_ids, VALUES)

    assert np.array_equal(alone.accept[0], together.accept[5])
    assert np.array_equal(alone.uplift[0], together.uplift[5])


def test_columns_that_it_did_not_learn_from_are_refused(model: OfferResponseModel) -> None:
    with pytest.raises(ValueError, match="customers: got shape"):
        model.predict(np.zeros((1, 2)), ("a",), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="terms: got shape"):
        model.predict(np.zeros((1, 3)), ("a",), np.zeros((2, 1)))
