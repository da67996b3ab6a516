"""The rows of a file as a table of DuckDB; what is no row at all, a malformed line, is set aside with its reason."""

import codecs
from pathlib import Path

import numpy as np

from features.event_text import BLANKS
from features.source_files import (
    Connection,
    Reading,
    Source,
    UnreadableFileError,
    head_of,
    is_utf8,
    open_bytes,
    parquet_sql,
    quoted,
)

MOST_MALFORMED = 200_000
"""So many malformed lines are taken for a file of another kind."""
_LONGEST_LINE = 2 << 20
_PIECE_BYTES = 1 << 22
_QUOTED = '"(?:[^"]|"")*"'


def read(connection: Connection, source: Source, reading: Reading, scratch: Path) -> None:
    """Make the tables ``raw``, with ``rowid`` in file order, and ``malformed(position, line, reason)`` of the file.

    Raises
    ------
    UnreadableFileError
    """
    import duckdb

    connection.execute("CREATE OR REPLACE TABLE malformed (position BIGINT, line VARCHAR, reason VARCHAR)")
    path = source.path
    try:
        if source.form != "parquet" and not is_utf8(reading.encoding):
            path = _as_utf8(path, reading.encoding, scratch)
        _READERS[source.form](connection, source, path)
    except (duckdb.Error, UnicodeError, OSError, EOFError) as error:
        told = " ".join(str(error).split())[:300]
        raise UnreadableFileError("file", source.path.name, f"readable {source.form} ({told})") from error


def _as_utf8(path: Path, encoding: str, scratch: Path) -> Path:
    """A copy in UTF-8, written piece by piece."""
    copy = scratch / "transcoded.txt"
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(path) as given, copy.open("w", encoding="utf-8", newline="") as written:
        while piece := given.read(_PIECE_BYTES):
            written.write(decoder.decode(piece))
        written.write(decoder.decode(b"", final=True))
    return copy


def _read_parquet(connection: Connection, source: Source, path: Path) -> None:
    names = ", ".join(f'"{column.name.replace(chr(34), chr(34) * 2)}" AS {column.raw}' for column in source.columns)
    connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT {names} FROM {parquet_sql(path)}")


def _read_csv(connection: Connection, source: Source, path: Path) -> None:
    """DuckDB is quick to leave malformed lines out and slow to tell which, so that is asked only where any is."""
    columns = ", ".join(f"'{column.raw}': 'VARCHAR'" for column in source.columns)
    layout = f"header = true, delim = {quoted(source.delimiter or ',')}, quote = '\"', escape = '\"', nullstr = ''"
    connection.execute(f"CREATE OR REPLACE TABLE raw AS FROM {_csv(path, columns, f'{layout}, ignore_errors = true')}")
    lost = _count_lines(path) - 1 - _count(connection, "raw")
    if lost == 0 or _set_aside_by_columns(connection, source, path):
        return
    if lost > max(MOST_MALFORMED, _count(connection, "raw")):
        raise UnreadableFileError("file", f"{lost} malformed lines", _expected(source))
    rejects = f"store_rejects = true, rejects_limit = {10 * MOST_MALFORMED}"
    connection.execute(f"CREATE OR REPLACE TABLE raw AS FROM {_csv(path, columns, f'{layout}, {rejects}')}")
    _set_aside_rejects(connection, _expected(source))


def _expected(source: Source) -> str:
    return f"a line of CSV with {len(source.columns)} columns"


def _set_aside_by_columns(connection: Connection, source: Source, path: Path) -> bool:
    """Whether the lines with another number of columns are all that is missing; if so they are set aside."""
    bare = f"regexp_replace(line, '{_QUOTED}', '', 'g')"
    marks = f"len({bare}) - len(replace({bare}, {quoted(source.delimiter or ',')}, ''))"
    numbered = (
        f"SELECT row_number() OVER () AS number, line, {marks} + 1 AS columns, contains({bare}, '\"') AS is_torn "
        f"FROM {_lines(path)}"
    )
    is_wrong = f"line <> '' AND columns <> {len(source.columns)}"
    lines, wrong, torn = connection.execute(
        f"SELECT count_if(line <> ''), count_if({is_wrong}), count_if(is_torn) FROM ({numbered})"
    ).fetchone()
    if torn or lines - 1 - wrong != _count(connection, "raw"):
        return False
    if wrong >= MOST_MALFORMED:
        raise UnreadableFileError("file", f"{wrong} malformed lines", _expected(source))
    connection.execute(
        f"INSERT INTO malformed SELECT number, line, 'line ' || number || ' of the file: ' || columns || ' columns, "
        f"expected {len(source.columns)}' FROM ({numbered}) WHERE {is_wrong}"
    )
    return True


def _set_aside_rejects(connection: Connection, expected: str) -> None:
    connection.execute(
        "INSERT INTO malformed SELECT line, any_value(csv_line), 'line ' || line || ' of the file: ' "
        f"|| lower(replace(min(error_type::VARCHAR), '_', ' ')) || ', expected {expected}' "
        "FROM reject_errors GROUP BY line"
    )
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    if _count(connection, "malformed") >= MOST_MALFORMED:
        raise UnreadableFileError("file", f"{MOST_MALFORMED} malformed lines", expected)


def _read_json(connection: Connection, _: Source, path: Path) -> None:
    expected = "a JSON object on one line"
    if head_of(path, "utf-8").lstrip().startswith("["):
        given = f"read_json_objects({quoted(str(path))}, format = 'array', maximum_object_size = {_LONGEST_LINE})"
        lines = f"(SELECT CAST(json AS VARCHAR) AS line FROM {given})"
    else:
        lines = _lines(path)
        lost = _count_lines(path) - _count(connection, f"{lines} WHERE line <> ''")
        if lost > MOST_MALFORMED:
            raise UnreadableFileError("file", f"{lost} malformed lines", expected)
        if lost:
            _count(connection, _lines(path, f"store_rejects = true, rejects_limit = {10 * MOST_MALFORMED}"))
            _set_aside_rejects(connection, expected)
    is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
    numbered = f"SELECT row_number() OVER () AS number, trim(line, '{BLANKS}\ufeff') AS line FROM {lines}"
    connection.execute(
        f"INSERT INTO malformed SELECT number, line, 'line ' || number || ' of the file: expected {expected}' "
        f"FROM ({numbered}) WHERE line <> '' AND NOT ({is_object}) LIMIT {MOST_MALFORMED}"
    )
    if _count(connection, "malformed") >= MOST_MALFORMED:
        raise UnreadableFileError("file", f"{MOST_MALFORMED} malformed lines", expected)
    connection.execute(
        f"CREATE OR REPLACE TABLE raw AS SELECT line FROM (SELECT trim(line, '{BLANKS}\ufeff') AS line FROM {lines}) "
        f"WHERE line <> '' AND {is_object}"
    )


_READERS = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}


def _csv(path: Path, columns: str, layout: str) -> str:
    compression = "gzip" if path.name.lower().endswith(".gz") else "none"
    return (
        f"read_csv({quoted(str(path))}, auto_detect = false, columns = {{{columns}}}, {layout}, "
        f"max_line_size = {_LONGEST_LINE}, compression = '{compression}')"
    )


def _lines(path: Path, faults: str = "ignore_errors = true") -> str:
    """The lines of a text, blank ones too, but for those that are no UTF-8 or too long."""
    # No line of text is divided by this control character, and JSON may not hold it as it is.
    layout = "header = false, delim = '\x01', quote = '', escape = '', nullstr = '', strict_mode = false"
    return _csv(path, "'line': 'VARCHAR'", f"{layout}, {faults}")


def _count(connection: Connection, relation: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()[0]
    return count


def _count_lines(path: Path) -> int:
    """How many lines are not blank."""
    count, after_end = 0, True
    with open_bytes(path) as file:
        while piece := file.read(_PIECE_BYTES):
            characters = np.frombuffer(piece, dtype=np.uint8)
            is_end = (characters == ord("\n")) | (characters == ord("\r"))
            count += int(np.count_nonzero(is_end[:-1] & ~is_end[1:])) + int(after_end and not is_end[0])
            after_end = bool(is_end[-1])
    return count
