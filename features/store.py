"""The one place where state is kept: SQLite in the workspace by default, PostgreSQL by ``LAGNIAPPE_DATABASE_URL``.

Both are spoken to by the same SQLAlchemy Core statements and give the same promise: one writer at a time, a reader sees
one moment, and what ``writing`` has left is durable. So a read-modify-write inside ``writing`` loses no update.
"""

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Select,
    Table,
    create_engine,
    event,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from features.errors import FieldError
from features.schema import REVISION

DATABASE_FILE = "lagniappe.db"
LOCK_WAIT_SECONDS = 30
_WRITERS_CACHE = -4096
"""4 MiB: at a commit SQLite may walk a table as large as its cache ever was, which doubles what a commit costs."""
_WRITER_LOCK = 5_718_231_004
"""Any number that others are unlikely to lock in the same PostgreSQL database."""
_POSTGRESQL = "a PostgreSQL URL such as postgresql://user:password@host:5432/database"


class StoreError(FieldError):
    """The store cannot be opened: ``field`` is the setting, ``value`` what it says."""


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    workspace: Path
    engine: Engine
    is_sqlite: bool
    _at_close: list[Callable[[], None]] = field(default_factory=list)
    _for_writing: Engine = field(init=False)
    """The engine with the option that ``writing`` needs: to set it each time costs more than a transaction."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_for_writing", self.engine.execution_options(writing=True))

    @property
    def lake(self) -> Path:
        """Bulk history as Parquet; only the files named in ``schema.segments`` count."""
        return self.workspace / "lake"

    @property
    def models(self) -> Path:
        return self.workspace / "models"

    @property
    def quarantine(self) -> Path:
        return self.workspace / "quarantine"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, the only writing one; durable once left, undone by an exception.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            If the turn to write does not come within ``LOCK_WAIT_SECONDS``, or the database is away.
        """
        with self._for_writing.connect() as connection, self.writing_on(connection):
            yield connection

    @contextmanager
    def writing_on(self, connection: Connection) -> Iterator[Connection]:
        """:meth:`writing` on a connection of :meth:`connect_for_writing`: for who writes over and over."""
        with connection.begin():
            if not self.is_sqlite:
                connection.execute(_WAIT_FOR_THE_WRITERS_TURN)
            yield connection

    def connect_for_writing(self) -> Connection:
        """A connection to be kept, and closed, by the caller, and dropped after an error."""
        connection = self._for_writing.connect()
        if self.is_sqlite:
            connection.connection.cursor().execute(f"PRAGMA cache_size = {_WRITERS_CACHE}")
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One moment of the store, whatever is written meanwhile; what is written through it is undone."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.execution_options(**options).connect() as connection:
            yield connection

    def at_close(self, action: Callable[[], None]) -> None:
        """Have ``action`` called by ``close``: for raw connections that were opened beside the pool."""
        self._at_close.append(action)

    def close(self) -> None:
        while self._at_close:
            self._at_close.pop()()
        self.engine.dispose()


_WAIT_FOR_THE_WRITERS_TURN = select(
    func.set_config("lock_timeout", f"{LOCK_WAIT_SECONDS}s", True), func.pg_advisory_xact_lock(_WRITER_LOCK)
)


def upsert(connection: Connection, table: Table) -> Insert:
    """The statement that puts rows into a table, each in the place of a former one with the same primary key."""
    statement = _insert(connection, table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    done: Insert = statement.on_conflict_do_update(index_elements=table.primary_key.columns, set_=others)
    return done


def driver_rows(connection: Connection, query: Select[Any]) -> Sequence[Any]:
    """All rows as the driver gives them, which is right where columns need no conversion: SQLAlchemy's own rows take
    longer than reading them. Errors are SQLAlchemy's.
    """
    driver = connection.dialect.loaded_dbapi
    with closing(connection.execute(query)) as result:
        try:
            return [] if result.cursor is None else result.cursor.fetchall()
        except driver.Error as error:
            raise DBAPIError.instance(str(query), None, error, driver.Error, dialect=connection.dialect) from error


def insert_new(connection: Connection, table: Table) -> Insert:
    """The statement that puts rows into a table, but for those whose primary key is there already."""
    done: Insert = _insert(connection, table).on_conflict_do_nothing(index_elements=table.primary_key.columns)
    return done


def _insert(connection: Connection, table: Table) -> Any:
    """In the words of the connection's database."""
    # Only here, because to import both dialects takes as long as a quick verb.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def open_store(workspace: Path, database_url: str | None = None) -> Store:
    """The store of a workspace, made or brought to the present schema first if need be.

    Raises
    ------
    StoreError
        If the workspace cannot be written or the database not be used; it names the setting.
    """
    _make_workspace(workspace)
    if database_url is None:
        path = workspace / DATABASE_FILE
        store = Store(workspace, _sqlite_engine(path), True)
        origin = _Origin("workspace", str(path), "an SQLite database that can be written, or no such file")
    else:
        url = _postgresql_url(database_url)
        store = Store(workspace, create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10}), False)
        origin = _Origin("LAGNIAPPE_DATABASE_URL", url.render_as_string(), _POSTGRESQL)
    try:
        with _one_opener(workspace):
            _bring_to_present_schema(store, origin)
    except StoreError:
        store.close()
        raise
    except DBAPIError as error:
        store.close()
        raise origin.refused(" ".join(str(error.orig).split())) from error
    return store


@dataclass(frozen=True, slots=True)
class _Origin:
    """The setting that the database comes from."""

    setting: str
    value: str
    expected: str

    def refused(self, reason: str) -> StoreError:
        return StoreError(self.setting, self.value, f"{self.expected} ({reason})", "store")


def _make_workspace(workspace: Path) -> None:
    origin = _Origin("workspace", str(workspace), "a folder that can be written")
    try:
        for folder in (workspace, workspace / "lake", workspace / "models", workspace / "quarantine"):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise origin.refused(error.strerror or str(error)) from error
    for path in (workspace, workspace / DATABASE_FILE):
        if path.exists() and not os.access(path, os.W_OK):
            raise origin.refused(f"{path} is read-only")


def _postgresql_url(given: str) -> URL:
    origin = _Origin("LAGNIAPPE_DATABASE_URL", re.sub(":[^:@/]*@", ":***@", given), _POSTGRESQL)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:  # a ValueError where the port is no number
        raise origin.refused("it cannot be read") from error
    if url.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise origin.refused(f"{url.drivername} is another database")
    return url.set(drivername="postgresql+psycopg")


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": LOCK_WAIT_SECONDS}, pool_size=8
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's would come late and never be IMMEDIATE
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "cache_size = -65536",
        "mmap_size = 2147418112",
        "journal_size_limit = 67108864",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """On the driver itself: SQLAlchemy's way to it takes longer than a small transaction."""
    writing = connection.get_execution_options().get("writing", False)
    statement = "BEGIN IMMEDIATE" if writing else "BEGIN"
    try:
        connection.connection.cursor().execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


@contextmanager
def _one_opener(workspace: Path) -> Iterator[None]:
    """Keeps workers that start together from making the same new database at once."""
    folder = os.open(workspace, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _bring_to_present_schema(store: Store, origin: _Origin) -> None:
    with store.reading() as connection:
        if _revision(connection) == REVISION:
            return
    with store.writing() as connection:
        found = _revision(connection)
        if found != REVISION:
            _migrate(connection, found, origin)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, found: str | None, origin: _Origin) -> None:
    # Only here, because importing alembic takes longer than opening a store that needs no migration.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    if found is not None and found not in {known.revision for known in script.walk_revisions()}:
        raise origin.refused(f"its revision is {found}, made by a newer lagniappe than this, which knows {REVISION}")
    with EnvironmentContext(Config(), script, fn=lambda rev, _: script._upgrade_revs(REVISION, rev)) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
