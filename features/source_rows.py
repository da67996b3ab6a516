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
        _READERS[source.form](connection, source, path, scratch)
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


def _read_parquet(connection: Connection, source: Source, path: Path, _: Path) -> None:
    names = ", ".join(f'"{column.name.replace(chr(34), chr(34) * 2)}" AS {column.raw}' for column in source.columns)
    connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT {names} FROM {parquet_sql(path)}")


def _read_csv(connection: Connection, source: Source, path: Path, scratch: Path) -> None:
    """DuckDB leaves malformed lines out without a word, so they are looked for where any line is missing."""
    import duckdb

    try:
        _make_raw(connection, source, path, "header = true, ignore_errors = true")
    except duckdb.InvalidInputException:  # as of lines that end in different ways
        _make_raw(connection, source, path, "header = true, ignore_errors = true, strict_mode = false")
    rows = _count(connection, "raw")
    lines = _count_lines(path)
    lost = lines - 1 - rows
    if lost and lost != _count_line_ends_in_values(connection, source):
        if lost > 10 * max(rows, MOST_MALFORMED):
            raise UnreadableFileError("file", f"{lost} malformed lines", _expected(source))
        _set_aside(connection, source, path, scratch, lines)


def _make_raw(connection: Connection, source: Source, path: Path, layout: str) -> None:
    columns = ", ".join(f"'{column.raw}': 'VARCHAR'" for column in source.columns)
    marks = f"delim = {quoted(source.delimiter or ',')}, quote = '\"', escape = '\"', nullstr = ''"
    connection.execute(f"CREATE OR REPLACE TABLE raw AS FROM {_csv(path, columns, f'{marks}, {layout}')}")


def _expected(source: Source) -> str:
    return f"a line of CSV with {len(source.columns)} columns"


def _count_line_ends_in_values(connection: Connection, source: Source) -> int:
    """How many lines the quoted values go on for."""
    ends = " + ".join(f"coalesce(len(regexp_extract_all({c.raw}, '[\r\n]+')), 0)" for c in source.columns)
    count: int = connection.execute(f"SELECT coalesce(sum({ends}), 0)::BIGINT FROM raw").fetchone()[0]
    return count


def _set_aside(connection: Connection, source: Source, path: Path, scratch: Path, lines: int) -> None:
    """Judge each line for itself: good ones are read again if need be, the others are set aside."""
    bare = f"regexp_replace(line, '{_QUOTED}', '', 'g')"
    marks = f"len({bare}) - len(replace({bare}, {quoted(source.delimiter or ',')}, ''))"
    is_torn = "(len(line) - len(replace(line, '\"', ''))) % 2 = 1"
    fault = (
        f"CASE WHEN contains({bare}, '\"') AND {is_torn} "
        f"THEN 'a quotation mark that is not closed' "
        f"WHEN {marks} + 1 <> {len(source.columns)} THEN ({marks} + 1) || ' columns' END"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE faults AS SELECT number, line, {fault} AS fault FROM "
        f"(SELECT row_number() OVER () AS number, line FROM {_lines(path)}) WHERE line <> '' OFFSET 1"
    )
    read, bad = connection.execute("SELECT count(*) + 1, count(fault) FROM faults").fetchone()
    _stop_at(bad + lines - read, _expected(source))
    _set_aside_undecodable(connection, path, lines - read, _expected(source))
    connection.execute(
        "INSERT INTO malformed SELECT number, line, 'line ' || number || ' of the file: got ' || fault || ', expected "
        f"{_expected(source)}' FROM faults WHERE fault IS NOT NULL"
    )
    if read - 1 - bad != _count(connection, "raw"):
        _read_good_lines(connection, source, scratch)
    connection.execute("DROP TABLE faults")


def _read_good_lines(connection: Connection, source: Source, scratch: Path) -> None:
    good = scratch / "good.csv"
    layout = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"
    connection.execute(f"COPY (SELECT line FROM faults WHERE fault IS NULL) TO {quoted(str(good))} ({layout})")
    _make_raw(connection, source, good, "header = false, strict_mode = false")


def _set_aside_undecodable(connection: Connection, path: Path, lost: int, expected: str) -> None:
    """Set aside the lines that are no UTF-8 or too long."""
    if lost <= 0:
        return
    _stop_at(lost, expected)
    lines = _lines(path, f"store_rejects = true, rejects_limit = {10 * MOST_MALFORMED}")
    connection.execute(f"SELECT count(line) FROM {lines}").fetchall()
    if not _count(connection, "duckdb_tables() WHERE table_name = 'reject_errors'"):
        raise UnreadableFileError("file", f"{lost} lines that cannot be told apart", expected)
    connection.execute(
        "INSERT INTO malformed SELECT line, any_value(csv_line), 'line ' || line || ' of the file: got ' "
        f"|| lower(replace(min(error_type::VARCHAR), '_', ' ')) || ', expected {expected}' "
        "FROM reject_errors GROUP BY line"
    )
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")


def _stop_at(malformed: int, expected: str) -> None:
    if malformed >= MOST_MALFORMED:
        raise UnreadableFileError("file", f"{malformed} malformed lines", expected)


def _read_json(connection: Connection, _: Source, path: Path, __: Path) -> None:
    expected = "a JSON object on one line"
    if head_of(path, "utf-8").lstrip().startswith("["):
        given = f"read_json_objects({quoted(str(path))}, format = 'array', maximum_object_size = {_LONGEST_LINE})"
        lines = f"(SELECT CAST(json AS VARCHAR) AS line FROM {given})"
    else:
        lines = _lines(path)
        lost = _count_lines(path) - _count(connection, f"{lines} WHERE line <> ''")
        _set_aside_undecodable(connection, path, lost, expected)
    is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
    stripped = f"trim(line, '{BLANKS}\ufeff') AS line FROM {lines}"
    connection.execute(
        f"INSERT INTO malformed SELECT number, line, 'line ' || number || ' of the file: expected {expected}' "
        f"FROM (SELECT row_number() OVER () AS number, {stripped}) WHERE line <> '' AND NOT ({is_object}) "
        f"LIMIT {MOST_MALFORMED}"
    )
    _stop_at(_count(connection, "malformed"), expected)
    connection.execute(
        f"CREATE OR REPLACE TABLE raw AS SELECT line FROM (SELECT {stripped}) WHERE line <> '' AND {is_object}"
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
