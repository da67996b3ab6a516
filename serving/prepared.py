"""SQLAlchemy's statements on the driver itself: compiled once, because compiling costs more than many rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import UpdateBase

Row = tuple[object, ...]


class Prepared:
    """A statement for many rows, each with its values in the order of ``columns``.

    The driver gets the values as they are: what SQLAlchemy's types would make of them must be made before.
    """

    def __init__(self, statement: UpdateBase, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = list(columns)
        self._texts: dict[str, tuple[str, bool]] = {}

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Within the transaction of the connection; errors are the driver's own."""
        name = connection.dialect.name
        if name not in self._texts:
            self._texts[name] = self._compiled(connection)
        text, is_positional = self._texts[name]
        parameters: Any = rows if is_positional else [dict(zip(self._columns, row, strict=True)) for row in rows]
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text, parameters)
        finally:
            cursor.close()

    def _compiled(self, connection: Connection) -> tuple[str, bool]:
        """The text, and whether its parameters have places instead of names."""
        compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
        if compiled.positional and compiled.positiontup != self._columns:
            raise ValueError(f"columns: got {self._columns}, expected {compiled.positiontup}")
        return str(compiled), compiled.positional
