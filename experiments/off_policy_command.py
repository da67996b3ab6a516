"""The verb ``evaluate-policy``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from experiments.off_policy import IntervalKind
from experiments.off_policy_target import TargetPolicy
from experiments.policy_log import LogForm
from features.verbs import Json, Workspace, answer, refusing

if TYPE_CHECKING:
    from experiments.off_policy import PolicyEvaluation
    from experiments.off_policy_overlap import ActionOverlap

_ACTIONS_SHOWN = 10


def evaluate_policy(
    log: Annotated[Path, typer.Option("--log", metavar="FILE", help="Logged decisions: Parquet, CSV or JSON lines.")],
    form: Annotated[LogForm, typer.Option("--form", help="obp: Open Bandit Pipeline, as .npz or CSV.")] = "lagniappe",
    epsilon: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Judge this exploration on the column 'candidates' that an export has."),
    ] = None,
    least_value: Annotated[
        float | None, typer.Option(help="With it, or alone: what an offer must be worth to be preferred to none.")
    ] = None,
    interval: Annotated[IntervalKind, typer.Option(help="How intervals are made.")] = "gamma",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    workspace: Workspace = None,  # noqa: ARG001 - every verb takes it; all that is read here is the log
    brand: Annotated[str | None, typer.Option("--brand", help="Only rows of it, if there is such a column.")] = None,
    as_json: Json = False,
) -> None:
    """What another policy would have earned, estimated from decisions that were logged with their propensities."""
    from experiments.off_policy import evaluate
    from experiments.policy_log import read_policy_log

    with refusing(as_json=as_json):
        evaluation = evaluate(read_policy_log(log, brand, form, _target(epsilon, least_value)), seed, interval=interval)
    answer(evaluation, evaluated(evaluation), as_json=as_json)


def _target(epsilon: float | None, least_value: float | None) -> TargetPolicy | None:
    from experiments.exploration import EpsilonGreedy

    if epsilon is None and least_value is None:
        return None
    return TargetPolicy(EpsilonGreedy(0.05 if epsilon is None else epsilon), least_value or 0.0)


def evaluated(evaluation: "PolicyEvaluation") -> RenderableType:
    """The estimates, or why there are none, and what else should be known with them."""
    notes = [Text(f"Note: {note}") for note in evaluation.notes]
    actions = [_actions(evaluation.actions)] if evaluation.actions else []
    if evaluation.refused is not None:
        return Group(Text(f"refused: {evaluation.refused}", style="bold"), *actions, *notes)
    table = Table("estimator", "value", f"{evaluation.level:.0%}", "effective rows", "weight of the top 1 %")
    for each in ([] if evaluation.logged is None else [evaluation.logged]) + evaluation.estimates:
        size, top = f"{each.effective_sample_size:,.0f}", f"{each.top_weight_share:.1%}"
        table.add_row(each.estimator, f"{each.value:.4g}", f"{each.low:.4g} to {each.high:.4g}", size, top)
    return Group(table, *actions, *notes)


def _actions(actions: "list[ActionOverlap]") -> Table:
    title = "actions" if len(actions) <= _ACTIONS_SHOWN else f"{_ACTIONS_SHOWN} of {len(actions)} actions"
    table = Table("action", "rows", "of the log", "of the policy", "mean weight", "mean reward", title=title)
    for one in actions[:_ACTIONS_SHOWN]:
        shares = f"{one.logged_share:.1%}", f"{one.target_share:.1%}"
        table.add_row(escape(one.action), f"{one.rows:,}", *shares, f"{one.mean_weight:.3g}", f"{one.mean_reward:.4g}")
    return table
