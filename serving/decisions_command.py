"""The verb ``decisions``: the log of decisions as a file, for off-policy evaluation here or elsewhere."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from features.brand import read_brand
from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.instant import to_iso
from features.store import Store
from features.verbs import Brand, Json, Workspace, answer, as_instant, opened
from serving.policy_file import read_policy_file, with_file
from serving.verbs import AsOf, RewardName, progress

if TYPE_CHECKING:
    from serving.judged_decisions import Judged

decisions = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The log of decisions with what came of each, as a file."
)

Form = Literal["lagniappe", "obp"]
WINDOW_DAYS = 14
"""Within which a response counts, unless told otherwise."""


@decisions.callback()
def _grouped() -> None:
    """Keeps ``export`` a verb of its own while it is the only one."""


@decisions.command("export")
def export(
    as_of: AsOf,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Ends in .parquet, .csv or .jsonl; for obp in .npz.")
    ],
    since: Annotated[
        int | None, typer.Option("--since", parser=as_instant, metavar="T", help="Decisions from T on; default all.")
    ] = None,
    outcome: Annotated[RewardName, typer.Option("--outcome", help="What the reward is.")] = "accepted",
    window_days: Annotated[int, typer.Option("--window-days", min=1, help="Within which it counts.")] = WINDOW_DAYS,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="Add what this policy file would have done with each decision."),
    ] = None,
    form: Annotated[Form, typer.Option("--form", help="obp: arrays of the Open Bandit Pipeline.")] = "lagniappe",
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Write every decision before T whose window is over, with its propensity and what came of it."""
    from serving.decision_files import write_decisions
    from serving.judged_decisions import Reward, judged_decisions

    reward = Reward(outcome)
    with opened(workspace, as_json=as_json) as store, progress() as report:
        given = None if policy is None else read_policy_file(policy, _timezone(store, brand))
        otherwise = None if given is None else partial(with_file, given=given)
        judged = judged_decisions(store, brand, since or 0, as_of, reward, window_days, report, otherwise)
        if not judged.rows:
            raise FieldError("as_of", to_iso(as_of), _expected(judged, window_days))
        write_decisions(out, judged, form, brand, reward)
    answer(_document(out, judged), _line(out, judged), as_json=as_json)


def _timezone(store: Store, brand: str) -> str:
    with store.reading() as connection:
        return read_brand(connection, brand).timezone


def _expected(judged: "Judged", window_days: int) -> str:
    return f"a time {window_days} days or more after some decision of one offer (left out: {judged.left_out or 'none'})"


def _document(out: Path, judged: "Judged") -> dict[str, Any]:
    return {"out": str(out), "decisions": len(judged.rows), "left_out": judged.left_out}


def _line(out: Path, judged: "Judged") -> str:
    left = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in judged.left_out.items())
    return f"{len(judged.rows)} decisions in {out}" + (f"; left out: {left}" if left else "")
