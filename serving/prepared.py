"""SQLAlchemy's statements on the driver itself: compiled once, because compiling costs more than many rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import UpdateBase

Row = Mapping[str, object]


class Prepared:
    """A statement for many rows, each a mapping from the names of its columns."""

    def __init__(self, statement: UpdateBase, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = list(columns)
        self._texts: dict[str, tuple[str, Sequence[str] | None]] = {}

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Within the transaction of the connection; errors are the driver's own."""
        name = connection.dialect.name
        if name not in self._texts:
            self._texts[name] = self._compiled(connection)
        text, order = self._texts[name]
        parameters: list[Any] = list(rows) if order is None else [[row[column] for column in order] for row in rows]
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text, parameters)
        finally:
            cursor.close()

    def _compiled(self, connection: Connection) -> tuple[str, Sequence[str] | None]:
        """The text, and the order of its parameters where they have no names."""
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
        return str(compiled), compiled.positiontup if compiled.positional else None
