"""What a simulation tells: the document of ``--json``, and the lines on the terminal."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from serving.proof.course import Totals
from serving.proof.loop import OURS, Proof

_NORMAL_95 = 1.959963984540054
GOAL_OF_ORACLE, GOAL_OVER_GREEDY = 0.8, 1.2


def document(proof: Proof) -> dict[str, Any]:
    return {
        "policies": [_policy(name, total, proof.totals["nothing"]) for name, total in proof.totals.items()],
        "experiment": proof.trial.document,
        "budget": {"limit": proof.limit, "spent": proof.spent},
    }


def _policy(name: str, total: Totals, nothing: Totals) -> dict[str, Any]:
    added = total.margin - nothing.margin
    error = float(added.std(ddof=1)) / math.sqrt(len(added))
    mean = float(added.mean())
    return {
        "policy": name,
        "incremental_margin_per_customer": mean,
        "low": mean - _NORMAL_95 * error,
        "high": mean + _NORMAL_95 * error,
        "cost_per_customer": float((total.cost - nothing.cost).mean()),
        "offers_per_customer": float(total.offers.mean()),
    }


def share_of_oracle(proof: Proof) -> float | None:
    """What ours adds, as a share of what the oracle does; ``None`` where the oracle adds nothing."""
    added = {row["policy"]: row["incremental_margin_per_customer"] for row in document(proof)["policies"]}
    return added[OURS] / added["oracle"] if added["oracle"] > 0 else None


def lines(proof: Proof) -> Iterator[str]:
    """For people, in the unit of the world's currency for each customer over the last days."""
    told = document(proof)
    yield f"{'policy':16}  {'added margin':>12}  {'95 % interval':>20}  {'cost':>8}  {'offers':>7}"
    for row in told["policies"]:
        interval = f"{row['low']:.4f} to {row['high']:.4f}"
        yield (
            f"{row['policy']:16}  {row['incremental_margin_per_customer']:12.4f}  {interval:>20}  "
            f"{row['cost_per_customer']:8.4f}  {row['offers_per_customer']:7.3f}"
        )
    share = share_of_oracle(proof)
    if share is not None:
        yield f"ours is {share:.0%} of the oracle"
    yield of_trial(proof)
    yield of_judgement(proof)
    yield f"budget: {proof.spent:,.2f} of {proof.limit:,.2f} spent"
    yield from proof.notes


def of_trial(proof: Proof) -> str:
    told = proof.trial.document
    if told["low"] is None:
        return "experiment: too few units, or nothing varies"
    word = "covers" if proof.trial.covers_truth else "misses"
    return (
        f"experiment: revenue {told['difference']:+.3f} ({told['low']:.3f} to {told['high']:.3f}), which {word} "
        f"the true {told['true_difference']:+.3f}"
    )


def of_judgement(proof: Proof) -> str:
    found = proof.judgement
    if found.estimate is None or found.low is None or found.high is None or found.truth is None:
        return f"off-policy, before: {found.verdict.finding}"
    return (
        f"off-policy, before: margin of a decision {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}), truly "
        f"{found.truth:.3f}; after, in the last days: {proof.after:.3f}"
    )


def regret_by_day(proof: Proof) -> list[float]:
    """What the oracle would have brought beyond what was done, for each customer of the world, added up."""
    customers = len(proof.totals[OURS].margin)
    each = [(one.best - one.value) * one.decided / customers for one in proof.values]
    regret: list[float] = np.cumsum(each).tolist()
    return regret
