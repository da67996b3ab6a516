"""Judged decisions as files: our own columns, or the arrays of the Open Bandit Pipeline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from features.errors import FieldError
from serving.decision import Candidate
from serving.judged_decisions import Judged, JudgedDecision, Reward

ENDINGS = {
    ".parquet": "FORMAT parquet",
    ".csv": "FORMAT csv, HEADER",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}


def write_decisions(path: Path, judged: Judged, form: str, brand: str, reward: Reward) -> None:
    """Write the file whole, or leave what was there.

    Where candidates carry a prediction of the reward, what was expected of the logged action and of the judged policy
    is added.

    Raises
    ------
    FieldError
        If the file's ending is none of its form.
    """
    endings = (".npz",) if form == "obp" else tuple(ENDINGS)
    if path.suffix.lower() not in endings:
        raise FieldError("out", str(path), f"a file ending in {', '.join(endings)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished{path.suffix}")
    try:
        if form == "obp":
            np.savez_compressed(unfinished, allow_pickle=False, **_arrays(judged, reward))
        else:
            _write_table(unfinished, _columns(judged, brand, reward))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _columns(judged: Judged, brand: str, reward: Reward) -> dict[str, list[Any]]:
    rows = judged.rows
    columns: dict[str, list[Any]] = {
        "decision_id": [row.decision_id for row in rows],
        "brand": [brand] * len(rows),
        "customer_id": [row.customer_id for row in rows],
        "decided_at": [row.decided_at for row in rows],
        "channel": [row.channel for row in rows],
        "policy": [row.policy for row in rows],
        "action": [row.action for row in rows],
        "reward": judged.rewards.tolist(),
        "propensity": [row.propensity for row in rows],
        "candidates": [msgspec.json.encode(row.candidates).decode() for row in rows],
    }
    if rows and rows[0].target is not None:
        columns["target_probability"] = [row.target_probability for row in rows]
        if reward.has_model:
            logged, target = expected_of(judged.rows, reward)
            columns["expected_reward_logged"] = logged
            columns["expected_reward_target"] = target
    return columns


def expected_of(rows: Sequence[JudgedDecision], reward: Reward) -> tuple[list[float], list[float]]:
    """What was predicted of each logged action, and its mean under the judged policy."""
    models = [row.expected(reward) for row in rows]
    logged = [model.get(row.action, 0.0) for row, model in zip(rows, models, strict=True)]
    target = [
        sum(one.probability * model[one.offer_id] for one in row.target or ())
        for row, model in zip(rows, models, strict=True)
    ]
    return logged, target


def _write_table(path: Path, columns: dict[str, list[Any]]) -> None:
    import duckdb
    import pyarrow as pa

    kinds = {"decided_at": pa.timestamp("us", tz="UTC")}
    numbers = {"reward", "propensity", "target_probability", "expected_reward_logged", "expected_reward_target"}
    arrays = {
        name: pa.array(values, kinds.get(name) or (pa.float64() if name in numbers else pa.string()))
        for name, values in columns.items()
    }
    with duckdb.connect() as duck:
        duck.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        duck.register("decisions", pa.table(arrays))
        duck.execute(f"COPY decisions TO '{_quoted(path)}' ({ENDINGS[path.suffix.lower()]})")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _arrays(judged: Judged, reward: Reward) -> dict[str, Any]:
    """By the pipeline's names: ``pi_b`` is the policy that was logged, ``action_dist`` the one that is judged."""
    rows = judged.rows
    names = sorted({one.offer_id for row in rows for one in (*row.candidates, *(row.target or ()))})
    place = {name: number for number, name in enumerate(names)}
    shape = len(rows), len(names), 1
    logged, target, model = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for number, row in enumerate(rows):
        _fill(logged[number, :, 0], place, row.candidates)
        _fill(target[number, :, 0], place, row.candidates if row.target is None else row.target)
        for name, predicted in row.expected(reward).items():
            model[number, place[name], 0] = predicted
    arrays = {
        "n_rounds": np.array(len(rows)),
        "n_actions": np.array(len(names)),
        "action_names": np.array(names),
        "decision_id": np.array([row.decision_id for row in rows]),
        "customer_id": np.array([row.customer_id for row in rows]),
        "action": np.array([place[row.action] for row in rows], dtype=np.int64),
        "position": np.zeros(len(rows), dtype=np.int64),
        "reward": judged.rewards,
        "pscore": np.array([row.propensity for row in rows]),
        "pi_b": logged,
        "action_dist": target,
    }
    return arrays | {"estimated_rewards_by_reg_model": model} if reward.has_model else arrays


def _fill(chances: Any, place: dict[str, int], among: Sequence[Candidate]) -> None:
    for one in among:
        chances[place[one.offer_id]] += one.probability
