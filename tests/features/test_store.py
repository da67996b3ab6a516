from pathlib import Path

import pytest
from sqlalchemy import insert, select

from features import schema
from features.store import Store, StoreError, open_store


def test_what_was_written_is_there_when_the_store_opens_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing() as connection:
        connection.execute(insert(schema.brands).values(brand="a", settings="{}", applied_at=1))
    store.close()

    again = open_store(tmp_path)

    with again.reading() as connection:
        assert connection.execute(select(schema.brands.c.brand)).scalars().all() == ["a"]
    again.close()


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing() as connection:
            connection.execute(insert(schema.brands).values(brand="a", settings="{}", applied_at=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()

    with store.reading() as connection:
        assert connection.execute(select(schema.brands)).all() == []


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "lagniappe.db").write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match=r"workspace.*lagniappe.db.*expected an SQLite database"):
        open_store(tmp_path)
