"""The verbs ``forget`` and ``export``: what is held on one person goes, or is handed out."""

from typing import TYPE_CHECKING, Annotated

import typer

from features.errors import FieldError
from features.events import DEFAULT_BRAND
from features.verbs import Brand, Clock, Json, Workspace, answer, now, opened

if TYPE_CHECKING:
    from serving.forgetting import Receipt

CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER_ID", help="Any of the person's ids.")]


def forget(
    customer_id: CustomerId,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Erase a person for good, and give a signed receipt of what went."""
    import msgspec

    from serving.forgetting import forget as forgotten

    with opened(workspace, as_json=as_json) as store:
        receipt = forgotten(store, brand, customer_id, now(clock))
    answer(msgspec.to_builtins(receipt), _told(receipt), as_json=as_json)


def export(
    customer_id: CustomerId, workspace: Workspace = None, brand: Brand = DEFAULT_BRAND, as_json: Json = False
) -> None:
    """Everything that is held on one person, table by table, as JSON."""
    import msgspec

    from features.person import held_on

    with opened(workspace, as_json=as_json) as store, store.reading() as connection:
        found = held_on(store, connection, brand, customer_id)
        if not found:
            raise FieldError("customer_id", customer_id, "a customer of whom something is known", "not_found")
    document = {"customer_id": customer_id, "brand": brand, "held": found}
    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=0 if as_json else 2).decode())


def _told(receipt: "Receipt") -> str:
    counted = {**receipt.removed, **{f"{name} (under a pseudonym)": n for name, n in receipt.pseudonymised.items()}}
    lines = [f"forgotten at {receipt.forgotten_at}, from now on {receipt.customer}"]
    lines += [f"  {name}: {count}" for name, count in counted.items()]
    lines += [f"  written anew: {file}" for file in receipt.files]
    lines += [
        f"  {one.model} {one.version} may have learned from them{', and is in use' if one.is_in_use else ''}"
        for one in receipt.models
    ]
    if receipt.retraining:
        lines.append(f"  to have none of it in use: {receipt.retraining}")
    lines += [f"  left: {what}" for what in receipt.left]
    return "\n".join([*lines, f"signature {receipt.signature}"])
