"""Who was dealt to which variant of an experiment: a unit keeps its first, and whoever it is merged into has it too.

How units are dealt is not known here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Text, bindparam, exists, insert, select

from features.events import Event
from features.identity import Merge
from features.instant import Instant
from features.schema import assignments, experiments
from features.store import insert_new

_own = assignments.alias("own")
_CARRY_OVER = insert(assignments).from_select(
    ["brand", "experiment", "unit_id", "variant", "assigned_at"],
    select(
        assignments.c.brand,
        assignments.c.experiment,
        bindparam("stays", type_=Text),
        assignments.c.variant,
        assignments.c.assigned_at,
    ).where(
        assignments.c.brand == bindparam("of_brand"),
        assignments.c.unit_id == bindparam("ends"),
        ~exists().where(
            _own.c.brand == assignments.c.brand,
            _own.c.experiment == assignments.c.experiment,
            _own.c.unit_id == bindparam("stays", type_=Text),
        ),
    ),
)


class Assignment(NamedTuple):
    unit_id: str
    experiment: str
    variant: str
    assigned_at: Instant


def assignment_of(exposure: Event) -> Assignment:
    return Assignment(exposure.customer_id, exposure.experiment or "", exposure.variant or "", exposure.occurred_at)


class _Variant(msgspec.Struct):
    name: str


class _Experiment(msgspec.Struct):
    variants: tuple[_Variant, ...]


class _Body(msgspec.Struct):
    """What is read here of the body of an experiment."""

    experiment: _Experiment


def keep_assignments(connection: Connection, brand: str, dealt: Iterable[Assignment]) -> None:
    """Remember who was dealt where; a unit that was dealt before keeps its variant."""
    rows = [{"brand": brand, **one._asdict()} for one in dealt]
    if rows:
        connection.execute(insert_new(connection, assignments), rows)


def take_exposures(
    connection: Connection, brand: str, exposed: Sequence[Assignment], root: Callable[[str], str]
) -> None:
    """Whom an exposure says to be treated by a variant was dealt to it; ``root`` says who a customer is now.

    What the brand's experiments do not have is no assignment.
    """
    known = variants_by_experiment(connection, brand) if exposed else {}
    keep_assignments(
        connection,
        brand,
        [one._replace(unit_id=root(one.unit_id)) for one in exposed if one.variant in known.get(one.experiment, ())],
    )


def variants_by_experiment(connection: Connection, brand: str) -> Mapping[str, frozenset[str]]:
    query = select(experiments.c.name, experiments.c.body).where(experiments.c.brand == brand)
    decode = msgspec.json.Decoder(_Body).decode
    bodies = {row.name: decode(row.body) for row in connection.execute(query)}
    return {name: frozenset(one.name for one in body.experiment.variants) for name, body in bodies.items()}


def carry_over(connection: Connection, brand: str, merges: Sequence[Merge]) -> None:
    """Give who stays the variants of who ends, in the order of the merges, where they have none of their own."""
    moves = [{"of_brand": brand, "ends": merged, "stays": stays} for merged, stays, _ in merges]
    if moves:
        connection.execute(_CARRY_OVER, moves)
