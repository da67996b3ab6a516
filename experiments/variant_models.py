"""Whether the model versions that variants name are there to be served."""

from sqlalchemy import Connection, select

from experiments.design import Experiment
from features import schema
from features.brand import brands_sharing
from features.errors import FieldError


def require_deployed(connection: Connection, brand: str, experiment: Experiment) -> None:
    """
    Raises
    ------
    FieldError
        If a variant names a version or alias that the brand, or one whose models it shares, never had.
    """
    for position, variant in enumerate(experiment.variants):
        for model, version in variant.models.items():
            known = _known(connection, brand, model)
            if version not in known:
                expected = f"a version or alias of {model}: {', '.join(known) or 'none is trained'}"
                raise FieldError(f"variants[{position}].models.{model}", version, expected, "unknown")


def _known(connection: Connection, brand: str, model: str) -> list[str]:
    table = schema.deployments.c
    brands = brands_sharing(connection, brand, "models")
    rows = connection.execute(select(table.version, table.alias).where(table.brand.in_(brands), table.model == model))
    return sorted({name for row in rows for name in row})
