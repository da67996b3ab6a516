import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from features import migrations, outgoing_schema, schema
from features.store import Store, StoreError, driver_rows, open_store, upsert

ONE = {"brand": "a", "settings": "{}", "accounting_currency": None, "applied_at": 0}


def names(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(schema.brands.c.brand)).scalars())


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process of ours."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(schema.__file__).parents[1])}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_was_written_is_there_when_the_store_opens_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing() as connection:
        connection.execute(insert(schema.brands).values(ONE))
    store.close()

    again = open_store(tmp_path)

    with again.reading() as connection:
        assert names(connection) == ["a"]
    again.close()


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing() as connection:
            connection.execute(insert(schema.brands).values(ONE))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()

    with store.reading() as connection:
        assert names(connection) == []


def test_reader_sees_one_moment(store: Store) -> None:
    with store.reading() as reader:
        before = names(reader)
        with store.writing() as writer:
            writer.execute(insert(schema.brands).values(ONE))

        assert names(reader) == before


def test_nothing_is_written_by_reading(sqlite_store: Store) -> None:
    with sqlite_store.reading() as connection:
        connection.execute(insert(schema.brands).values(ONE))

    with sqlite_store.reading() as connection:
        assert names(connection) == []


def test_no_update_is_lost_between_threads(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(insert(schema.brands).values(ONE))

    def add(times: int) -> None:
        for _ in range(times):
            with store.writing() as connection:
                count = connection.execute(select(schema.brands.c.applied_at)).scalar_one()
                connection.execute(update(schema.brands).values(applied_at=count + 1))

    threads = [threading.Thread(target=add, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with store.reading() as connection:
        assert connection.execute(select(schema.brands.c.applied_at)).scalar_one() == 40


def test_upsert_takes_the_place_of_the_row_with_the_same_key(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(upsert(connection, schema.brands), [ONE, ONE | {"brand": "b"}])
        connection.execute(upsert(connection, schema.brands), [ONE | {"settings": "new"}])

        found = connection.execute(select(schema.brands.c.brand, schema.brands.c.settings)).all()
    assert sorted(tuple(row) for row in found) == [("a", "new"), ("b", "{}")]


def test_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert {table.metadata for table in outgoing_schema.TABLES} == {schema.metadata}
        assert compare_metadata(context, schema.metadata) == []


def test_migrations_make_the_partial_indexes_of_the_schema(store: Store) -> None:
    conditions = {
        i.name: i.info["where"] for t in schema.metadata.sorted_tables for i in t.indexes if "where" in i.info
    }
    made = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'"
        if store.is_sqlite
        else "SELECT indexname, replace(indexdef, '::text', '') FROM pg_indexes "
        "WHERE indexdef LIKE '%WHERE%' AND schemaname = current_schema()"
    )

    with store.reading() as connection:
        found = {name: words.split(" WHERE ")[1].strip("()") for name, words in connection.execute(text(made))}

    assert found == conditions


def test_schema_names_the_newest_revision() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))

    assert scripts.get_current_head() == schema.REVISION


def test_database_newer_than_the_code_is_refused(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    url = None if store.is_sqlite else store.engine.url.render_as_string(hide_password=False)

    with pytest.raises(StoreError, match="its revision is 9999, made by a newer lagniappe"):
        open_store(store.workspace, url)


def test_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "lagniappe.db").write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match=r"workspace: got '.*lagniappe.db', expected an SQLite database"):
        open_store(tmp_path)

    assert (tmp_path / "lagniappe.db").read_bytes() == b"no database" * 1000


def test_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "lagniappe.db")
    other.execute("CREATE TABLE plans (drawing)")

    with pytest.raises(StoreError, match="table plans already exists"):
        open_store(tmp_path)

    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("plans",)]
    other.close()


@pytest.mark.parametrize("workspace", ["/proc/lagniappe", "/dev/null/lagniappe", "/dev/null"])
def test_workspace_that_cannot_be_made_is_named(workspace: str) -> None:
    with pytest.raises(StoreError, match=f"workspace: got '{workspace}', expected a folder that can be written"):
        open_store(Path(workspace))


def test_workspace_that_is_read_only_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path).close()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom no mode of a file stops

    with pytest.raises(StoreError, match=r"workspace: .*is read-only"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "",
        "mysql://host/database",
        "postgresql://user:secret@127.0.0.1:1/nothing",
        "postgresql://u:secret@h:x/d",
    ],
)
def test_wrong_database_url_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match=r"LAGNIAPPE_DATABASE_URL: .*expected a PostgreSQL URL") as caught:
        open_store(tmp_path, url)

    assert "secret" not in str(caught.value)


def test_missing_database_is_named(tmp_path: Path, postgresql: Callable[[], str]) -> None:
    url = postgresql().replace("/test_", "/nothing_")

    with pytest.raises(StoreError, match=r"database .nothing_\d+. does not exist"):
        open_store(tmp_path, url)


def test_processes_that_start_together_make_one_database(tmp_path: Path) -> None:
    code = """
        import sys; from pathlib import Path; from features.store import open_store
        open_store(Path(sys.argv[1])).close()
    """
    processes = [run(code, tmp_path / "workspace") for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    for process in processes:
        process.communicate()


def test_what_a_killed_process_had_committed_is_kept_and_nothing_else(tmp_path: Path) -> None:
    code = """
        import sys; from pathlib import Path; from sqlalchemy import insert
        from features import schema; from features.store import open_store
        store = open_store(Path(sys.argv[1]))
        row = {"settings": "{}", "applied_at": 0}
        with store.writing() as connection:
            connection.execute(insert(schema.brands).values(brand="committed", **row))
        with store.writing() as connection:
            connection.execute(insert(schema.brands).values(brand="half done", **row))
            print("ready", flush=True)
            sys.stdin.read()
    """
    process = run(code, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    store = open_store(tmp_path)

    with store.reading() as connection:
        assert names(connection) == ["committed"]
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()


def test_sqlite_commits_are_durable(sqlite_store: Store) -> None:
    with sqlite_store.writing() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_who_writes_over_and_over_has_a_small_cache_of_pages(sqlite_store: Store) -> None:
    cache = text("PRAGMA cache_size")
    with sqlite_store.reading() as others, sqlite_store.connect_for_writing() as connection:
        assert connection.execute(cache).scalar_one() > others.execute(cache).scalar_one()  # both are in KiB below zero


def test_numbers_of_64_bits_are_kept_exactly(store: Store) -> None:
    large = 2**63 - 1
    with store.writing() as connection:
        connection.execute(insert(schema.brands).values(ONE | {"applied_at": large}))

        assert connection.execute(select(func.max(schema.brands.c.applied_at))).scalar() == large


def test_rows_of_the_driver_are_those_of_sqlalchemy(tmp_path: Path) -> None:
    query = select(schema.brands.c.brand, schema.brands.c.applied_at).order_by(schema.brands.c.brand)
    store = open_store(tmp_path)
    with store.writing() as connection:
        connection.execute(insert(schema.brands), [ONE, {**ONE, "brand": "ö", "applied_at": 7}])
        assert driver_rows(connection, query) == [tuple(row) for row in connection.execute(query)]
    store.close()


def test_what_cannot_be_read_in_the_midst_of_rows_is_an_error_of_sqlalchemy(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing() as connection:
        connection.execute(insert(schema.brands), [ONE, {**ONE, "brand": "b"}])
        connection.execute(text("UPDATE brands SET brand = CAST(x'ff' AS TEXT) WHERE brand = 'b'"))
    with store.reading() as connection, pytest.raises(OperationalError, match="Could not decode"):
        driver_rows(connection, select(schema.brands.c.brand))
    store.close()
