"""What offers are ranked by, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.presented_terms import Outcome
from serving.arbitration import Values
from serving.decision import LearnedResponse, Predictions
from serving.policy import Policy
from serving.policy_rules import Weights
from serving.rule_table import Effect
from serving.uncertainty import deviations
from serving.weighing import bent, weighed

VALUES = Values(np.array([2.0, -1.0, 0.0]), np.array([0.5, 0.25, 0.1]), np.zeros(3), np.zeros(3))


def test_each_weight_worked_by_hand() -> None:
    assert weighed(VALUES, Weights()) is VALUES.expected_value
    assert weighed(VALUES, Weights(propensity=0.0)) == pytest.approx([4.0, -4.0, 0.0])
    assert weighed(VALUES, Weights(value=0.0)) == pytest.approx([0.5, -0.25, 0.0])
    assert weighed(VALUES, Weights(value=0.0, propensity=0.0)) == pytest.approx([1.0, -1.0, 0.0])
    assert weighed(VALUES, Weights(value=0.5)) == pytest.approx([0.5 * 2.0, -0.25 * 2.0, 0.0])


def test_a_factor_multiplies_a_gain_and_divides_a_loss() -> None:
    effect = Effect(np.array([2.0, 2.0, 2.0]), np.array([0.0, 0.0, 0.5]), None)

    assert bent(VALUES.expected_value, effect) == pytest.approx([4.0, -0.5, 0.5])


@given(
    expected=st.floats(-1e6, 1e6),
    chance=st.floats(0, 1),
    weight=st.builds(Weights, propensity=st.floats(0, 1), value=st.floats(0, 1)),
    factors=st.tuples(st.floats(0.01, 100), st.floats(1, 100)),
)
def test_a_loss_stays_a_loss_and_a_larger_factor_never_lowers_a_score(
    expected: float, chance: float, weight: Weights, factors: tuple[float, float]
) -> None:
    score = weighed(Values(np.array([expected]), np.array([chance]), np.zeros(1), np.zeros(1)), weight)
    factor, more = factors
    less_bent, more_bent = (bent(score, Effect(np.array([f]), None, None))[0] for f in (factor, factor * more))

    assert np.isfinite(less_bent)
    assert (less_bent > 0) <= (expected > 0)
    assert (less_bent < 0) <= (expected < 0)
    assert more_bent >= less_bent - 1e-9 * abs(less_bent)


def test_how_sure_a_score_is_follows_from_the_outcomes_that_its_chance_rests_on() -> None:
    """sqrt(p (1 - p) / (n + 1)) / p of the score, of a beta distribution's mean p after n outcomes."""
    policy = Policy(prior_outcomes=3, borrowed_outcomes=24, learned_outcomes=99)
    nan = np.array([0.5, 0.2, np.nan])
    response = LearnedResponse(Outcome.ACCEPTED, nan, nan, np.array([0, 1, 1], dtype=np.int8))
    scores, chances = np.array([1.0, 2.0, -4.0]), np.array([0.5, 0.2, 0.5])

    learned = deviations(scores, chances, [0, 1, 2], Predictions(response=response), policy)
    prior = deviations(scores, chances, [1], Predictions(), policy)

    assert learned == pytest.approx([0.0, 1.0 / 5, 2.0 * 2 / 10, 4.0 / 2])
    assert prior == pytest.approx([0.0, 2.0 * 2 / 2])
