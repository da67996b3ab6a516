"""One statement asked over and over for one row, on the raw driver: what a request can afford."""

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg

from features.store import DATABASE_FILE, LOCK_WAIT_SECONDS, Store

PointQuery = Callable[..., Any]


def point_query(store: Store, statement: str) -> PointQuery:
    """A function of the statement's parameters (each a ``?``) that gives the first column of its row, or None.

    It has a connection of its own, closed with the store, sees whatever was last committed, and writes nothing.
    """
    return _on_sqlite(store, statement) if store.is_sqlite else _on_postgresql(store, statement)


def _on_sqlite(store: Store, statement: str) -> PointQuery:
    connection = sqlite3.connect(
        store.workspace / DATABASE_FILE, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    store.at_close(connection.close)
    for pragma in ("query_only = ON", "mmap_size = 1073741824"):
        connection.execute(f"PRAGMA {pragma}")
    execute = connection.execute

    def ask(*parameters: str | int) -> Any:
        # The cursor must go at once: one that is kept would hold the reader to this moment of the store.
        row = execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    return ask


def _on_postgresql(store: Store, statement: str) -> PointQuery:
    address = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=True)
    prepared = statement.replace("?", "%s")

    def ask_once(*parameters: str | int) -> Any:
        row = connection.execute(prepared, parameters, prepare=True).fetchone()
        return None if row is None else row[0]

    def ask(*parameters: str | int) -> Any:
        nonlocal connection
        try:
            return ask_once(*parameters)
        except psycopg.OperationalError:  # the server was restarted, perhaps: a second failure is the caller's to see
            connection.close()
            connection = psycopg.connect(address, autocommit=True)
            return ask_once(*parameters)

    store.at_close(lambda: connection.close())
    return ask
