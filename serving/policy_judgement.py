"""What the log of decisions says of a policy that is to be put in force: the gate that it has to pass."""

import numpy as np

from experiments.off_policy import Log, evaluate
from experiments.policy_gate import gate_of_evaluation
from features.errors import FieldError
from features.instant import MICROSECONDS_PER_DAY, Instant
from features.store import Store
from serving.decision_files import expected_of
from serving.judged_decisions import Judged, Reward, judged_decisions
from serving.policy import Policy
from serving.verbs import Report

FEWEST_DECISIONS = 100
"""With fewer nothing can be said, and a policy is let in force."""
MOST_DECISIONS = 20_000
DAYS = 90
"""Before the window of the newest decision that is over."""


def judged_policy(
    store: Store,
    brand: str,
    policy: Policy,
    now: Instant,
    outcome: str,
    window_days: int,
    report: Report,
    forced_by: str | None,
) -> str:
    """What is found of the policy, by the decisions of late made again under it.

    Raises
    ------
    FieldError
        If what was decided earned more, or nothing can be said for lack of overlap, and nobody forces it.
    """
    reward = Reward(outcome)
    since = now - (DAYS + window_days) * MICROSECONDS_PER_DAY
    judged = judged_decisions(
        store, brand, since, now, reward, window_days, report, lambda _former: policy, MOST_DECISIONS
    )
    if len(judged.rows) < FEWEST_DECISIONS:
        return f"not judged: {len(judged.rows)} decisions can be judged by {outcome}, {FEWEST_DECISIONS} are needed"
    if all(row.target_probability == row.propensity for row in judged.rows):
        return f"it would have decided as was decided, in all of {len(judged.rows)} decisions"
    verdict = gate_of_evaluation(evaluate(_log(judged, reward)), forced_by=forced_by)
    found = f"{verdict.recorded} ({outcome} within {window_days} days, {len(judged.rows)} decisions)"
    if not verdict.may_serve:
        raise FieldError("policy", found, "one that earns no less than what was decided, or --force", "gate")
    return found


def _log(judged: Judged, reward: Reward) -> Log:
    rows = judged.rows
    logged, target = expected_of(rows, reward) if reward.has_model else (None, None)
    return Log(
        reward=judged.rewards,
        propensity=np.array([row.propensity for row in rows]),
        target_probability=np.array([row.target_probability for row in rows]),
        expected_reward_logged=None if logged is None else np.array(logged),
        expected_reward_target=None if target is None else np.array(target),
        action=np.array([row.action for row in rows], dtype=object),
        decision_id=np.array([row.decision_id for row in rows], dtype=object),
        customer=np.array([row.customer_id for row in rows], dtype=object),
    )
