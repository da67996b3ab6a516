"""The verb ``check-parity``."""

from typing import TYPE_CHECKING, Annotated

import typer

from features.events import DEFAULT_BRAND
from features.verbs import Brand, Clock, Json, Workspace, answer, now, opened

if TYPE_CHECKING:
    from training.parity import Parity


def check_parity(
    sample: Annotated[int, typer.Option("--sample", min=1, help="Customers to compare, drawn at random.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw.")] = 0,
    clock: Clock = None,
    workspace: Workspace = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Compare what the service knows of customers with their history; exit status 1 if they differ anywhere."""
    from training.parity import check_parity as checked

    with opened(workspace, as_json=as_json) as store:
        found = checked(store, brand, now(clock), sample, seed)
    answer({"holds": found.holds, "parity": found}, _told(found), as_json=as_json)
    if not found.holds:
        raise typer.Exit(1)


def _told(found: "Parity") -> str:
    lines = [
        f"{found.compared:,} of {found.customers:,} customers compared in {found.features} features: "
        f"{found.different:,} differ, the largest relative difference is {found.largest:.2g}"
    ]
    lines += [
        f"  {one.customer_id}: {one.feature}: {one.online} online, {one.offline} by the history"
        for one in found.differences
    ]
    for ids, what in ((found.only_online, "without a history"), (found.only_offline, "without a profile")):
        if ids:
            lines.append(f"  {len(ids):,} customers {what}: {', '.join(ids[:5])}")
    return "\n".join(lines)
