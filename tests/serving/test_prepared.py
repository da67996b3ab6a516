import pytest
from sqlalchemy import insert

from features.schema import offer_usage
from features.store import Store
from serving.prepared import Prepared


def test_columns_in_another_order_than_the_statements_are_refused(sqlite_store: Store) -> None:
    statement = Prepared(insert(offer_usage), offer_usage.c.keys()[::-1])

    with sqlite_store.writing() as connection, pytest.raises(ValueError, match="columns"):
        statement.execute(connection, [(0, 0, 0, "a", "default")])
