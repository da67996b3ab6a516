import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.exploration import (
    EpsilonGreedy,
    Softmax,
    Thompson,
    draw,
    probabilities,
    uniforms,
)
from experiments.menus import draw_menu, draw_whole_menu, menu_probabilities, menu_probability
from features.errors import FieldError

POLICIES = [EpsilonGreedy(0.2), EpsilonGreedy(0.0), Softmax(0.5), Thompson(64, 0.1), Thompson(16)]
VALUES = np.array([0.3, 1.0, 0.2, 0.9, 0.0])
DEVIATIONS = np.full(5, 0.4)
NONE = 4

finite_values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)


@given(values=finite_values, policy=st.sampled_from(POLICIES), uniform=st.floats(0, 1, exclude_max=True))
def test_probabilities_sum_to_one_and_only_possible_candidates_are_drawn(values, policy, uniform):
    chances = probabilities(values, policy, np.ones(len(values)), seed=3)
    choice = draw(chances, uniform)

    assert chances.sum() == pytest.approx(1.0, abs=1e-12)
    assert (chances >= 0).all()
    assert choice.probability == chances[choice.candidate] > 0


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_drawn_frequency_equals_probability(policy):
    chances = probabilities(VALUES, policy, DEVIATIONS, seed=1)
    draws = 20_000

    drawn = [draw(chances, uniforms("salt", f"decision-{number}")[0]).candidate for number in range(draws)]

    for index, chance in enumerate(chances):
        spread = math.sqrt(chance * (1 - chance) / draws)
        assert abs(drawn.count(index) / draws - chance) <= 4 * spread + 1e-12


def test_epsilon_mass_is_spread_over_all_candidates_none_included():
    chances = probabilities(VALUES, EpsilonGreedy(0.2))

    assert chances == pytest.approx([0.04, 0.84, 0.04, 0.04, 0.04])


def test_earlier_candidate_wins_a_tie():
    chances = probabilities(np.array([1.0, 2.0, 2.0]), EpsilonGreedy(0.0))

    assert chances.tolist() == [0.0, 1.0, 0.0]


def test_softmax_treats_ties_alike_and_survives_large_values():
    chances = probabilities(np.array([1e6, 1e6, 0.0]), Softmax(1.0))

    assert chances.tolist() == [0.5, 0.5, 0.0]


def test_thompson_of_known_values_is_greedy():
    chances = probabilities(VALUES, Thompson(32), np.zeros(5), seed=9)

    assert chances.tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_thompson_agrees_with_the_closed_form_for_two():
    chances = probabilities(np.array([0.5, 0.0]), Thompson(40_000), np.array([1.0, 0.5]), seed=2)

    better = 0.5 * (1 + math.erf(0.5 / math.hypot(1.0, 0.5) / math.sqrt(2)))
    assert chances[0] == pytest.approx(better, abs=4 * math.sqrt(0.25 / 40_000))


def test_same_seed_gives_same_probabilities():
    first = probabilities(VALUES, Thompson(64), DEVIATIONS, seed=1)

    assert (first == probabilities(VALUES, Thompson(64), DEVIATIONS, seed=1)).all()
    assert (first != probabilities(VALUES, Thompson(64), DEVIATIONS, seed=2)).any()


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_first_rank_of_a_menu_has_the_probabilities_of_a_single_choice(policy):
    chances = menu_probabilities(VALUES, policy, NONE, 3, DEVIATIONS, seed=1)

    assert chances[0] == pytest.approx(probabilities(VALUES, policy, DEVIATIONS, seed=1), abs=1e-12)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_menu_frequencies_equal_rank_probabilities(policy):
    chances = menu_probabilities(VALUES, policy, NONE, 3, DEVIATIONS, seed=1)
    draws, counts = 4_000, np.zeros((3, 5))

    for number in range(draws):
        menu = draw_menu(VALUES, policy, NONE, 3, uniforms("menu", str(number), 5), DEVIATIONS, seed=1)
        assert len(set(menu.candidates)) == len(menu.candidates)
        assert menu.probabilities == pytest.approx([chances[at] for at in enumerate(menu.candidates)], abs=1e-12)
        for rank, index in enumerate(menu.candidates):
            counts[rank, index] += 1

    shown = np.delete(chances, NONE, axis=1)
    spread = np.sqrt(shown * (1 - shown) / draws)
    assert (np.abs(np.delete(counts, NONE, axis=1) / draws - shown) <= 4.5 * spread + 1e-12).all()
    assert counts[1:, NONE].sum() == 0


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_menus_are_drawn_as_often_as_their_probability_says(policy):
    draws, counts = 4_000, {}

    for number in range(draws):
        whole = draw_whole_menu(VALUES, policy, NONE, 3, uniforms("joint", str(number), 5), DEVIATIONS, seed=1)
        menu = () if whole.menu.candidates == (NONE,) else whole.menu.candidates
        again = menu_probability(VALUES, policy, NONE, 3, menu, DEVIATIONS, seed=1)
        assert whole.probability == pytest.approx(again, abs=1e-12)
        counts[menu] = counts.get(menu, 0) + 1

    for menu, count in counts.items():
        chance = menu_probability(VALUES, policy, NONE, 3, menu, DEVIATIONS, seed=1)
        assert abs(count / draws - chance) <= 4.5 * math.sqrt(chance * (1 - chance) / draws) + 1e-12, menu


def test_a_menu_worked_by_hand():
    """Of four candidates, none the last: two ranks, by value 1 before 0 before none."""
    values = np.array([0.5, 1.0, -1.0, 0.0])

    chances = {
        menu: menu_probability(values, EpsilonGreedy(0.4), 3, 2, menu) for menu in ((1, 0), (0, 1), (1,), (), (2, 0))
    }

    one_of_twelve = 0.4 / 12
    assert chances == pytest.approx(
        {(1, 0): 0.6 + one_of_twelve, (0, 1): one_of_twelve, (1,): one_of_twelve, (): 0.1, (2, 0): one_of_twelve}
    )


@given(
    weights=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=6).map(lambda drawn: np.array(drawn) / sum(drawn)),
    data=st.data(),
)
@settings(max_examples=50)
def test_softmax_rank_probabilities_equal_enumeration(weights, data):
    none_index = data.draw(st.integers(0, len(weights) - 1))
    expected = np.zeros((len(weights), len(weights)))
    for ranking in itertools.permutations(range(len(weights))):
        chance, left = 1.0, 1.0
        for candidate in ranking:
            chance *= weights[candidate] / left
            left = max(left - weights[candidate], 1e-300)
        for rank, candidate in enumerate(ranking[: ranking.index(none_index) + 1]):
            expected[rank, candidate] += chance

    found = menu_probabilities(np.log(weights), Softmax(1.0), none_index, len(weights))

    assert found == pytest.approx(expected, abs=1e-9)


def test_none_drawn_first_is_an_empty_menu_with_its_probability():
    menu = draw_menu(np.array([0.0, 1.0]), EpsilonGreedy(0.1), 1, 2, [0.5] * 4)

    assert menu.candidates == (1,)
    assert menu.probabilities == pytest.approx((0.95,))


def test_only_none_left_is_chosen_for_certain():
    menu = draw_menu(np.array([0.0]), EpsilonGreedy(0.1), 0, 3, [0.5] * 5)

    assert menu == ((0,), (1.0,))


def test_uniforms_are_the_same_for_the_same_decision_and_even_over_many():
    numbers = np.array([uniforms("salt", str(decision))[0] for decision in range(20_000)])

    assert uniforms("salt", "7", 20)[:1] == [numbers[7]]
    assert len(set(uniforms("salt", "7", 20))) == 20
    counts = np.bincount((numbers * 20).astype(int), minlength=20)
    assert ((counts - 1000) ** 2 / 1000).sum() < 52  # χ² with 19 degrees of freedom, 99.99 %


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
def test_values_that_are_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="finite"):
        probabilities(np.array(values, dtype=float), EpsilonGreedy(0.1))


@pytest.mark.parametrize("make", [lambda: EpsilonGreedy(1.5), lambda: Softmax(0.0), lambda: Thompson(0)])
def test_impossible_policy_is_refused(make):
    with pytest.raises(FieldError):
        make()
