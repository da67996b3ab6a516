"""The probabilities of a policy that never ran, from the candidates that logged decisions chose among."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from experiments.exploration import Policy, Thompson, probabilities
from experiments.policy_log_checks import LogColumns
from features.errors import FieldError
from features.events import NO_OFFER


class LoggedCandidate(msgspec.Struct, frozen=True):
    """An action that could have been taken; ``probability`` is that of being first under the policy that was logged."""

    offer_id: str
    expected_value: float
    probability: float
    accept_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """What is judged: how it explores, and what an offer must be worth (currency units) to be preferred to ``none``."""

    exploration: Policy
    least_value: float


def target_probabilities(candidates: Sequence[LoggedCandidate], exploration: Policy, least_value: float) -> list[float]:
    """Each candidate's chance to be chosen by values as they were logged, but this exploration and least value.

    An offer of probability 0 beside others that had a chance could not be reserved: whoever draws it is answered with
    ``none``, as it was then.

    >>> from experiments.exploration import EpsilonGreedy
    >>> candidates = [LoggedCandidate("none", 0, 0.025), LoggedCandidate("a", 2.0, 0.975)]
    >>> target_probabilities(candidates, EpsilonGreedy(0.2), 0.0)
    [0.1, 0.9]
    >>> target_probabilities(candidates, EpsilonGreedy(0.2), 3.0)
    [0.9, 0.1]
    """
    if isinstance(exploration, Thompson):
        raise FieldError("exploration", "thompson", "epsilon-greedy or softmax: no deviations are logged")
    worth = [least_value if one.offer_id == NO_OFFER else one.expected_value for one in candidates]
    chances: list[float] = probabilities(np.array(worth), exploration).tolist()
    if sum(one.probability > 0 for one in candidates) < 2:
        return chances
    lost = [one.probability == 0 and one.offer_id != NO_OFFER for one in candidates]
    moved = sum(chance for chance, is_lost in zip(chances, lost, strict=True) if is_lost)
    return [
        0.0 if is_lost else chance + moved * (one.offer_id == NO_OFFER)
        for one, chance, is_lost in zip(candidates, chances, lost, strict=True)
    ]


def with_target(columns: LogColumns, policy: TargetPolicy) -> LogColumns:
    """The columns with the probability of each logged action under ``policy``, made from the column ``candidates``.

    Where the reward is acceptance, that is where ``expected_reward_logged`` stands, its mean under the policy too.

    Raises
    ------
    FieldError
    """
    rows = len(columns.row)
    target, expected = np.empty(rows), np.empty(rows)
    for at in range(rows):
        target[at], expected[at] = _of_row(columns, at, policy)
    found: dict[str, NDArray[np.float64]] = {**columns.numbers, "target_probability": target}
    if "expected_reward_logged" in found:
        found["expected_reward_target"] = expected
    called = {name: there for name, there in columns.called.items() if found.get(name) is columns.numbers.get(name)}
    return replace(columns, numbers=found, called=called)


_decode = msgspec.json.Decoder(list[LoggedCandidate]).decode


def _of_row(columns: LogColumns, at: int, policy: TargetPolicy) -> tuple[float, float]:
    try:
        candidates = _decode(columns.texts["candidates"][at] or "")
    except msgspec.DecodeError as error:
        raise columns.refuse("candidates", at, f"a JSON list of candidates ({error})") from error
    action = columns.texts["action"][at]
    names = [one.offer_id for one in candidates]
    if action not in names:
        raise columns.refuse("action", at, f"one of the row's candidates: {', '.join(names)}")
    chances = target_probabilities(candidates, policy.exploration, policy.least_value)
    accepted = sum(chance * one.accept_probability for chance, one in zip(chances, candidates, strict=True))
    return chances[names.index(action)], accepted
