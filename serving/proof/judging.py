"""Off-policy evaluation before our policy is let loose: what it would have earned in the decisions left to chance."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.off_policy import Log, evaluate
from experiments.policy_gate import PolicyVerdict, gate_of_evaluation
from experiments.world import Floats, World
from serving.proof.course import Course
from serving.proof.ours import Ours
from serving.proof.programme import Known
from serving.proof.rivals import Morning

FORCED_BY = "simulate"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Margins for each decision, over the days of an offer's validity: ``estimate`` is the doubly robust one with its
    interval, ``truth`` what our policy would truly have earned in the same decisions, ``logged`` what was."""

    verdict: PolicyVerdict
    decisions: int
    logged: float | None
    estimate: float | None
    low: float | None
    high: float | None
    truth: float | None

    def document(self) -> dict[str, Any]:
        found = asdict(self)
        del found["verdict"]
        return {"passed": self.verdict.is_passed, "finding": self.verdict.finding, **found}


def judge(course: Course, ours: Ours, known: Known, days: range) -> Judgement:
    """By the decisions of these days, of which nothing was learned yet and whose offers have run out."""
    parts = [_of_day(course, ours, known, day) for day in days]
    columns = [np.concatenate([part[column] for part in parts]) for column in range(6)]
    is_known = np.isfinite(columns[1])
    reward, propensity, target, logged, mean, truth = (column[is_known] for column in columns)
    found = evaluate(Log(reward, propensity, target, logged, mean))
    verdict = gate_of_evaluation(found, forced_by=FORCED_BY)
    robust = next((one for one in found.estimates if one.estimator == "dr"), None)
    return Judgement(
        verdict,
        len(reward),
        None if found.logged is None else found.logged.value,
        None if robust is None else robust.value,
        None if robust is None else robust.low,
        None if robust is None else robust.high,
        float(truth.mean()) if len(truth) else None,
    )


def _of_day(course: Course, ours: Ours, known: Known, day: int) -> tuple[Floats, ...]:
    """Reward, propensity, our chance of the same, the model's word on it and on our mean; the truth of our mean."""
    decided, effects = course.decided[day], course.effects[day]
    rows, at = decided.customers, np.arange(len(decided.customers))
    morning = Morning(course.world, course.state, day, rows, effects, course.ledger.per_day)
    chances, values = ours.chances_and_values(morning)
    base = _without_offer(course.world, known)[rows]
    reward = np.sum(course.margins[day : day + course.world.terms.contact.valid_days], axis=0)[rows]
    return (
        reward,
        decided.propensity,
        chances[at, decided.offer],
        base + values[at, decided.offer],
        base + (chances * values).sum(axis=1),
        effects.anyway + (chances[:, :-1] * effects.margin).sum(axis=1),
    )


def _without_offer(world: World, known: Known) -> Floats:
    """(n): the margin that the model expects of a customer who is shown nothing."""
    found = np.zeros(len(known.states))
    for row, (predicted, history) in enumerate(zip(known.predictions, known.histories, strict=True)):
        response = predicted.response
        if response is not None and history.mean_order is not None:
            anyway = float(np.mean(response.accept - np.nan_to_num(response.uplift)))
            found[row] = anyway * history.mean_order * world.terms.customers.margin_rate
    return found
