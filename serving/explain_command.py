"""The verb ``explain``: a decision of the log, made again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import FieldError
from features.verbs import Json, Workspace, answer, opened

if TYPE_CHECKING:
    from serving.explanation import Explanation


def explain(
    decision_id: Annotated[str, typer.Argument(metavar="DECISION_ID", help="As the answer gave it.")],
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="YAML: numbers of a policy to be tried on it.")
    ] = None,
    workspace: Workspace = None,
    brand: Annotated[str | None, typer.Option("--brand", help="Whose decision it must be.")] = None,
    as_json: Json = False,
) -> None:
    """Make a decision of the log again, and say what it was made of and why."""
    with opened(workspace, as_json=as_json) as store:
        import msgspec

        from serving.explanation import explain as explained

        other = None if policy is None else _numbers(policy)
        with store.reading() as connection:
            found = explained(connection, decision_id, brand, other)
        if found is None:
            raise FieldError("decision_id", decision_id, "the id of a decision in the log", "not_found")
        answer(msgspec.to_builtins(found), _told(found), as_json=as_json)


def _numbers(path: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise FieldError("policy", str(path), f"a file that can be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FieldError("policy", str(path), f"YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, dict) or not document:
        raise FieldError("policy", str(path), "settings by name, such as epsilon: 0.1")
    return document


def _told(found: "Explanation") -> str:
    made_again = found.cannot or ("the same answer again" if found.is_identical else "another answer now")
    lines = [
        f"{found.decision_id} for {found.customer_id} at {found.decided_at}: {made_again}",
        *(f"  {name}: {words['en']}" for name, words in found.words.items() if words["en"]),
        *(
            f"  candidate {one.offer_id}: probability {one.probability:.4g}, expected value {one.expected_value:.4g}"
            for one in found.candidates
        ),
        *(f"  not {offer_id}: {reason}" for offer_id, reason in found.filters.items()),
        *(f"  differs: {one.where}: logged {one.logged!r}, now {one.replayed!r}" for one in found.differences),
    ]
    if found.instead is not None:
        names = [offer.offer_id for offer in found.instead.answer.offers]
        lines.append(f"  by the other policy: {', '.join(names) or found.instead.answer.no_offer_reason}")
    return "\n".join(lines)
