"""The verb ``simulate``: the closed loop in a world with a known truth."""

from pathlib import Path
from typing import Annotated

import typer

from features.events import DEFAULT_BRAND
from features.verbs import Brand, Json, answer, refusing
from serving.verbs import progress


def simulate(
    customers: Annotated[int, typer.Option("--customers", metavar="N", help="How many customers the world has.")],
    days: Annotated[int, typer.Option("--days", metavar="D", help="How long it lasts; the last 14 are compared.")],
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of all chance: the same seed, the same world.")],
    world: Annotated[
        Path | None, typer.Option("--world", metavar="FILE", help="The effects and parameters, YAML; default ours.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="A page with plots to write.")] = None,
    workspace: Annotated[  # noqa: ARG001 - as every verb takes it
        Path | None, typer.Option("--workspace", help="Not touched: the world has a store of its own, then deleted.")
    ] = None,
    brand: Brand = DEFAULT_BRAND,
    as_json: Json = False,
) -> None:
    """Prove the loop in a world with a known truth: collect, learn, decide, and compare with who knows the truth.

    \b
    budget: 0.08                      # for each customer and day
    contact: {every_days: 7, valid_days: 3}
    offers:
      - {offer_id: gift, kind: gift, uplift: 0.2, cost_amount: 2, heterogeneity: 1, appeals_to: novelty}

    All keys of the file are on the page docs/simulate.md.
    """
    from experiments.world_file import read_world
    from experiments.world_terms import WorldTerms
    from features.errors import FieldError
    from serving.proof.loop import prove
    from serving.proof.page import render
    from serving.proof.report import document, lines

    with refusing(as_json=as_json):
        if seed < 0:
            raise FieldError("seed", seed, "a whole number from 0")
        terms = WorldTerms() if world is None else read_world(world)
        with progress() as report:
            proof = prove(terms, customers, days, seed, brand, report)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(render(proof), encoding="utf-8")
    answer(document(proof), "\n".join([*lines(proof), *([] if out is None else [f"the page: {out}"])]), as_json=as_json)
