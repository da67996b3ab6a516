"""May an evaluated policy follow the one that serves? Judged by the lower bound of its doubly robust estimate.

Nothing calls it yet: whatever puts a policy live asks it first, and records its words (:attr:`PolicyVerdict.recorded`).
"""

from dataclasses import dataclass

from experiments.off_policy import PolicyEstimate, PolicyEvaluation

PREFERRED = ("dr", "snips")
"""Estimators that a verdict may rest on, the first that there is."""


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """``shortfall`` is by how much the lower bound misses the champion's value, in units of the reward."""

    is_passed: bool
    finding: str
    shortfall: float = 0.0
    forced_by: str | None = None

    @property
    def may_serve(self) -> bool:
        return self.is_passed or self.forced_by is not None

    @property
    def recorded(self) -> str:
        """What stands in the history of the policies that served."""
        if self.is_passed or self.forced_by is None:
            return self.finding
        return f"forced past gate policy_value by {self.forced_by}: {self.finding}"


def policy_gate(
    champion_value: float, estimate: PolicyEstimate, level: float = 0.95, *, forced_by: str | None = None
) -> PolicyVerdict:
    """Passes where the estimate's lower bound is not below what the champion earned.

    ``forced_by`` is who takes it upon themselves to go past a refusal.

    >>> policy_gate(1.0, PolicyEstimate("dr", 1.3, 1.1, 1.5, 900.0, 0.02)).is_passed
    True
    """
    told = f"{estimate.estimator} {estimate.value:.4g}, {level:.0%} from {estimate.low:.4g} to {estimate.high:.4g}"
    shortfall = champion_value - estimate.low
    if shortfall <= 0:
        return PolicyVerdict(True, f"{told}; the champion's {champion_value:.4g} lies not above that")
    below = f"the lower bound is {shortfall:.4g} below the champion's {champion_value:.4g}"
    return PolicyVerdict(False, f"{told}; {below}", shortfall, forced_by)


def gate_of_evaluation(evaluation: PolicyEvaluation, *, forced_by: str | None = None) -> PolicyVerdict:
    """The verdict on an evaluation, against what the policy that was logged earned in the same rows.

    A refused evaluation passes nothing.
    """
    known = {each.estimator: each for each in evaluation.estimates}
    estimate = next((known[name] for name in PREFERRED if name in known), None)
    if estimate is None or evaluation.logged is None:
        reason = evaluation.refused or f"there is no estimate by {' or '.join(PREFERRED)}"
        return PolicyVerdict(False, f"the policy could not be valued: {reason}", forced_by=forced_by)
    return policy_gate(evaluation.logged.value, estimate, evaluation.level, forced_by=forced_by)
