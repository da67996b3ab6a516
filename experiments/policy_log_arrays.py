"""A log as the Open Bandit Pipeline holds it (``obp``, Saito, Aihara, Matsutani and Narita 2021): arrays by name.

``action`` [round], ``reward``, ``pscore`` and, of slates, ``position`` (from 0) are its logged feedback;
``action_dist`` [round, action, position] is the evaluated policy, ``estimated_rewards_by_reg_model``, of the same
shape, a reward model.
The file is numpy's ``.npz``, without pickles.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from experiments.policy_log_checks import LogColumns
from features.errors import FieldError

Vector = NDArray[np.float64]

_CALLED = {"reward": "reward", "propensity": "pscore", "action": "action"}
_ROUNDS = ("action", "reward", "pscore")


def read_arrays(path: Path) -> LogColumns:
    """The columns of an ``.npz`` file.

    Raises
    ------
    FieldError
        Naming the array that is missing or of another shape.
    """
    arrays = _loaded(path)
    for name in (*_ROUNDS, "action_dist"):
        if name not in arrays:
            raise FieldError(name, None, f"an array of that name; the file has {', '.join(sorted(arrays))}", "missing")
    rows = len(np.atleast_1d(arrays["action"]))
    for name in _ROUNDS:
        if arrays[name].shape != (rows,):
            raise FieldError(name, arrays[name].shape, f"an array of {rows} rounds, as action has")
    action = _whole(arrays, "action", rows)
    position = _whole(arrays, "position", rows) if "position" in arrays else np.zeros(rows, dtype=np.int64)
    target, logged, expected = _of_policy(arrays, action, position)
    numbers = {"reward": _numbers(arrays["reward"]), "propensity": _numbers(arrays["pscore"])}
    numbers["target_probability"] = target
    if logged is not None and expected is not None:
        numbers |= {"expected_reward_logged": logged, "expected_reward_target": expected}
    texts = {"action": _names(arrays, action)}
    texts |= {
        name: arrays[name].astype(str).astype(object) for name in ("decision_id", "customer_id") if name in arrays
    }

    def text_of(name: str, row: int) -> object:
        return arrays[name][row - 1].item()

    return LogColumns(numbers, texts, np.arange(1, rows + 1), _CALLED, text_of)


def _loaded(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, BadZipFile) as error:
        raise FieldError("log", str(path), f"arrays of numbers and texts, without pickles ({error})") from error


def _whole(arrays: Mapping[str, NDArray[Any]], name: str, rows: int) -> NDArray[np.int64]:
    column = arrays[name]
    if column.shape != (rows,) or not np.issubdtype(column.dtype, np.integer):
        raise FieldError(name, f"{column.dtype} {column.shape}", f"{rows} whole numbers from 0")
    return column.astype(np.int64)


def _of_policy(
    arrays: Mapping[str, NDArray[Any]], action: NDArray[np.int64], position: NDArray[np.int64]
) -> tuple[Vector, Vector | None, Vector | None]:
    """The evaluated policy's probability of each logged action, and the reward model's two values of it."""
    policy = _by_action(arrays, "action_dist", len(action))
    for name, column, size in (("action", action, policy.shape[1]), ("position", position, policy.shape[2])):
        outside = (column < 0) | (column >= size)
        if outside.any():
            row = int(outside.argmax())
            raise FieldError(f"{name} (row {row + 1})", int(column[row]), f"a number from 0 to {size - 1}")
    rounds = np.arange(len(action))
    chances = policy[rounds, action, position]
    if "estimated_rewards_by_reg_model" not in arrays:
        return chances, None, None
    model = _by_action(arrays, "estimated_rewards_by_reg_model", len(action))
    if model.shape != policy.shape:
        raise FieldError("estimated_rewards_by_reg_model", model.shape, f"{policy.shape}, as action_dist has")
    expected = (policy[rounds, :, position] * model[rounds, :, position]).sum(axis=1)
    return chances, model[rounds, action, position], expected


def _by_action(arrays: Mapping[str, NDArray[Any]], name: str, rows: int) -> Vector:
    """[round, action, position]; without positions there is one."""
    array = _numbers(arrays[name])
    array = array[:, :, np.newaxis] if array.ndim == 2 else array
    if array.ndim != 3 or len(array) != rows:
        raise FieldError(name, array.shape, f"[round, action, position] of {rows} rounds")
    return array


def _names(arrays: Mapping[str, NDArray[Any]], action: NDArray[np.int64]) -> NDArray[np.object_]:
    """Those of ``action_names``, which our export has, else the numbers."""
    if "action_names" in arrays and len(action) and action.max() < len(arrays["action_names"]):
        return arrays["action_names"].astype(str)[action].astype(object)
    return action.astype(str).astype(object)


def _numbers(array: NDArray[Any]) -> Vector:
    try:
        return array.astype(np.float64)
    except ValueError as error:
        raise FieldError("log", str(array.dtype), f"arrays of numbers ({error})") from error
