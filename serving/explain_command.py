"""The verb ``explain``: a decision of the log, made again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import FieldError
from features.verbs import Json, Workspace, answer, opened

if TYPE_CHECKING:
    from serving.contributions import ModelContributions
    from serving.explanation import Explanation

MOST_SHOWN = 5
"""Features of a model on the terminal; ``--json`` has all."""


def explain(
    decision_id: Annotated[str, typer.Argument(metavar="DECISION_ID", help="As the answer gave it.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="YAML: what a policy file may say, to be tried on it."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="N", help="MODEL:N, or N of all models that have it, to be tried on it."),
    ] = None,
    workspace: Workspace = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Whose decision it must be.")] = None,
    as_json: Json = False,
) -> None:
    """Make a decision of the log again, and say what it was made of and why."""
    with opened(workspace, as_json=as_json) as store:
        import msgspec

        from serving.explanation import explain as explained
        from serving.policy_file import read_policy_file

        if policy is not None and version is not None:
            raise FieldError("version", version, "either --version or --policy, not both")
        other = None if policy is None else read_policy_file(policy)
        found = explained(store, decision_id, brand, policy=other, version=version)
        if found is None:
            raise FieldError("decision_id", decision_id, "the id of a decision in the log", "not_found")
        answer(msgspec.to_builtins(found), _told(found), as_json=as_json)


def _told(found: "Explanation") -> str:
    made_again = found.cannot or ("the same answer again" if found.is_identical else "another answer now")
    lines = [
        f"{found.decision_id} for {found.customer_id} at {found.decided_at}: {made_again}",
        *(f"  {name}: {words['en']}" for name, words in found.words.items() if words["en"]),
        *(
            f"  candidate {one.offer_id}: probability {one.probability:.4g}, expected value {one.expected_value:.4g}"
            for one in found.candidates
        ),
        *(
            f"  {model} {moved.version}, {moved.scale} {moved.score:.4g}: {_largest(moved)}"
            for model, moved in found.contributions.items()
        ),
        *(f"  not {offer_id}: {reason}" for offer_id, reason in found.filters.items()),
        *(f"  differs: {one.where}: logged {one.logged!r}, now {one.replayed!r}" for one in found.differences),
    ]
    if found.instead is not None:
        names = [offer.offer_id for offer in found.instead.answer.offers]
        other = ", ".join(f"{model} {version}" for model, version in found.instead.versions.items())
        what = f"by {other}" if other else "by the other policy"
        lines.append(f"  {what}: {', '.join(names) or found.instead.answer.no_offer_reason}")
    return "\n".join(lines)


def _largest(moved: "ModelContributions") -> str:
    return ", ".join(
        f"{one.feature} {'unknown' if one.value is None else f'{one.value:.4g}'} adds {one.adds:+.3g}"
        for one in moved.of_features[:MOST_SHOWN]
    )
