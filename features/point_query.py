"""One statement asked over and over, on the raw driver: what a request can afford."""

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg

from features.store import DATABASE_FILE, LOCK_WAIT_SECONDS, Store

PointQuery = Callable[..., Any]
RowsQuery = Callable[..., list[tuple[Any, ...]]]

_CONNECT_SECONDS = 10


def point_query(store: Store, statement: str) -> PointQuery:
    """A function of the statement's parameters (each a ``?``) that gives the first column of its row, or None."""
    rows_of = rows_query(store, statement)

    def ask(*parameters: str | int) -> Any:
        rows = rows_of(*parameters)
        return rows[0][0] if rows else None

    return ask


def rows_query(store: Store, statement: str) -> RowsQuery:
    """A function of the statement's parameters (each a ``?``) that gives its rows.

    It has a connection of its own, closed with the store, sees whatever was last committed, and writes nothing.
    """
    return _on_sqlite(store, statement) if store.is_sqlite else _on_postgresql(store, statement)


def _on_sqlite(store: Store, statement: str) -> RowsQuery:
    connection = sqlite3.connect(
        store.workspace / DATABASE_FILE, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    store.at_close(connection.close)
    for pragma in ("query_only = ON", "mmap_size = 1073741824"):
        connection.execute(f"PRAGMA {pragma}")
    execute = connection.execute

    def ask(*parameters: str | int) -> list[tuple[Any, ...]]:
        # The cursor must go at once: one that is kept would hold the reader to this moment of the store.
        return execute(statement, parameters).fetchall()

    return ask


def _on_postgresql(store: Store, statement: str) -> RowsQuery:
    address = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_SECONDS)
    prepared = statement.replace("?", "%s")

    def ask_once(*parameters: str | int) -> list[tuple[Any, ...]]:
        return connection.execute(prepared, parameters, prepare=True).fetchall()

    def ask(*parameters: str | int) -> list[tuple[Any, ...]]:
        nonlocal connection
        try:
            return ask_once(*parameters)
        except psycopg.OperationalError:  # the server was restarted, perhaps: a second failure is the caller's to see
            connection.close()
            connection = psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_SECONDS)
            return ask_once(*parameters)

    store.at_close(lambda: connection.close())
    return ask
