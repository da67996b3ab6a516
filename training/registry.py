"""Which version of a model serves: the deployments table, the truth that workers follow.

Rows are only ever added. The newest row of a (brand, model, alias) says which version the alias names; the rows before
it say which version served when. MLflow's aliases are kept in step with it elsewhere; nothing here knows of MLflow.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, RowMapping, func, insert, select

from features.instant import Instant
from features.schema import deployments

CHAMPION = "champion"
CHALLENGER = "challenger"
ROLLBACK = "rollback"
"""The reason of a row that puts a former champion back."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """``path`` is the model's folder, relative to the workspace."""

    brand: str
    model: str
    version: str
    alias: str
    run_id: str | None
    path: str
    deployed_at: Instant
    reason: str | None


@dataclass(frozen=True, slots=True)
class Served:
    """A version was champion in [served_from, served_until); the present champion has no end."""

    model: str
    version: str
    served_from: Instant
    served_until: Instant | None
    reason: str | None

    def is_at(self, instant: Instant) -> bool:
        return self.served_from <= instant and (self.served_until is None or instant < self.served_until)


def deploy(
    connection: Connection,
    brand: str,
    model: str,
    version: str,
    alias: str,
    run_id: str | None,
    path: str,
    now: Instant,
    reason: str | None,
) -> Deployment:
    """Let the alias name this version from ``now`` on; its files must be complete by then."""
    deployment = Deployment(brand, model, version, alias, run_id, path, now, reason)
    row = {name: getattr(deployment, name) for name in Deployment.__slots__}
    row["deployed_at"] = max(now, _last_instant(connection, brand, model))
    connection.execute(insert(deployments).values(row))
    return Deployment(**row)


def current(connection: Connection, brand: str) -> dict[tuple[str, str], Deployment]:
    """The version each (model, alias) names; a challenger that has become champion is no challenger any more."""
    newest = (
        select(func.max(deployments.c.deployment_id))
        .where(deployments.c.brand == brand)
        .group_by(deployments.c.model, deployments.c.alias)
    )
    rows = connection.execute(select(deployments).where(deployments.c.deployment_id.in_(newest))).mappings()
    named = {(row["model"], row["alias"]): _deployment(row) for row in rows}
    return {
        (model, alias): deployment
        for (model, alias), deployment in named.items()
        if alias == CHAMPION or not _is_champion(named.get((model, CHAMPION)), deployment)
    }


def history(connection: Connection, brand: str, model: str | None = None) -> list[Deployment]:
    """Every deployment of a brand, oldest first."""
    query = select(deployments).where(deployments.c.brand == brand).order_by(deployments.c.deployment_id)
    if model is not None:
        query = query.where(deployments.c.model == model)
    return [_deployment(row) for row in connection.execute(query).mappings()]


def served(connection: Connection, brand: str, model: str | None = None) -> list[Served]:
    """Which version was champion when, by model, oldest first."""
    champions = [row for row in history(connection, brand, model) if row.alias == CHAMPION]
    models = dict.fromkeys(row.model for row in champions)
    return [span for name in models for span in _spans([row for row in champions if row.model == name])]


def find_version(connection: Connection, brand: str, model: str, version: str) -> Deployment | None:
    """The newest deployment of a version, under whichever alias: it knows the version's run and folder."""
    rows = [row for row in history(connection, brand, model) if row.version == version]
    return rows[-1] if rows else None


def former_champion(rows: Iterable[Deployment]) -> Deployment | None:
    """The champion before the present one; a second rollback goes further back instead of forth again."""
    standing: list[Deployment] = []
    for row in (row for row in rows if row.alias == CHAMPION):
        if row.reason == ROLLBACK and len(standing) > 1:
            standing.pop()
        elif not standing or standing[-1].version != row.version:
            standing.append(row)
    return standing[-2] if len(standing) > 1 else None


def _last_instant(connection: Connection, brand: str, model: str) -> Instant:
    """So that time never runs backwards in the table, whatever clock the caller has."""
    query = select(func.max(deployments.c.deployed_at)).where(
        deployments.c.brand == brand, deployments.c.model == model
    )
    return connection.execute(query).scalar() or 0


def _spans(champions: list[Deployment]) -> list[Served]:
    ends = [later.deployed_at for _, later in pairwise(champions)]
    return [
        Served(row.model, row.version, row.deployed_at, end, row.reason)
        for row, end in zip(champions, [*ends, None], strict=True)
    ]


def _is_champion(champion: Deployment | None, deployment: Deployment) -> bool:
    return champion is not None and champion.version == deployment.version


def _deployment(row: RowMapping) -> Deployment:
    return Deployment(**{name: row[name] for name in Deployment.__slots__})
