"""One statement asked over and over, on the raw driver: what a request can afford."""

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg

from features.store import DATABASE_FILE, LOCK_WAIT_SECONDS, Store

PointQuery = Callable[..., Any]
RowsQuery = Callable[..., list[tuple[Any, ...]]]
Parameters = tuple[str | int, ...]
_Ask = Callable[[str, Parameters], list[tuple[Any, ...]]]

_CONNECT_SECONDS = 10


class Questions:
    """Asks on one connection of its own, closed with the store; sees whatever was last committed, writes nothing.

    Questions that come together should share it: after a commit by another connection the first to ask finds nothing
    of what it had read before still in its hands.
    """

    def __init__(self, store: Store) -> None:
        self._ask = _on_sqlite(store) if store.is_sqlite else _on_postgresql(store)

    def rows(self, statement: str) -> RowsQuery:
        """A function of the statement's parameters (each a ``?``) that gives its rows."""
        ask = self._ask

        def rows_of(*parameters: str | int) -> list[tuple[Any, ...]]:
            return ask(statement, parameters)

        return rows_of

    def value(self, statement: str) -> PointQuery:
        """A function of the statement's parameters (each a ``?``): the first column of its first row, or None."""
        ask = self._ask

        def value_of(*parameters: str | int) -> Any:
            rows = ask(statement, parameters)
            return rows[0][0] if rows else None

        return value_of


def _on_sqlite(store: Store) -> _Ask:
    connection = sqlite3.connect(
        store.workspace / DATABASE_FILE, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    store.at_close(connection.close)
    # Not mapped into memory: the mapping is made anew after every commit of another, which costs more than it saves.
    connection.execute("PRAGMA query_only = ON")
    execute = connection.execute

    def ask(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        # The cursor must go at once: one that is kept would hold the reader to this moment of the store.
        return execute(statement, parameters).fetchall()

    return ask


def _on_postgresql(store: Store) -> _Ask:
    address = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_SECONDS)

    def ask_once(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        return connection.execute(statement.replace("?", "%s"), parameters, prepare=True).fetchall()

    def ask(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        nonlocal connection
        try:
            return ask_once(statement, parameters)
        except psycopg.OperationalError:  # the server was restarted, perhaps: a second failure is the caller's to see
            connection.close()
            connection = psycopg.connect(address, autocommit=True, connect_timeout=_CONNECT_SECONDS)
            return ask_once(statement, parameters)

    store.at_close(lambda: connection.close())
    return ask
