import pytest

from experiments.design import Experiment, Variant
from experiments.variant_models import require_deployed
from features import schema
from features.errors import FieldError


def naming(version):
    variants = (Variant(name="a", weight=0.5), Variant(name="b", weight=0.5, models={"churn": version}))
    return Experiment(name="trial", variants=variants)


@pytest.fixture
def connection(store):
    row = {"brand": "default", "model": "churn", "version": "4", "alias": "champion", "path": "", "deployed_at": 0}
    with store.writing() as connection:
        connection.execute(schema.deployments.insert(), row)
        yield connection


@pytest.mark.parametrize("name", ["4", "champion"])
def test_deployed_version_may_be_named_by_number_or_alias(connection, name):
    require_deployed(connection, "default", naming(name))


@pytest.mark.parametrize(("brand", "known"), [("default", "4, champion"), ("other", "none is trained")])
def test_unknown_version_is_answered_with_the_known_ones(connection, brand, known):
    with pytest.raises(FieldError, match=rf"variants\[1\]\.models\.churn: got '5', expected .*: {known}$"):
        require_deployed(connection, brand, naming("5"))
