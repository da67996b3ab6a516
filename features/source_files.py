"""A file of rows, opened in DuckDB: Parquet, CSV or JSON lines by its ending, each field as an SQL text.

Nothing here knows what a row means. What is no row at all (a malformed line) is set aside with its reason.
"""

import codecs
import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from features.errors import FieldError
from features.event_text import BLANKS
from features.zones import zone_named

Connection = Any
"""A DuckDB connection (imported only where a file is opened)."""

HEAD_BYTES = 1 << 20
MOST_MALFORMED = 1_000_000
"""So many faults in the lines are taken for a file of another kind; a line may have several."""
_LONGEST_LINE = 2 << 20
_DELIMITERS = ",;\t|"
_CSV = (".csv", ".tsv", ".txt")
_JSON = (".jsonl", ".ndjson", ".json")
_ENDINGS = ".parquet, .csv, .jsonl, .ndjson or .json (text also with .gz)"


class UnreadableFileError(FieldError):
    """The file as a whole cannot be taken in: ``field`` says what of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How text is to be understood; ``mapping`` gives our name for one of theirs."""

    timezone: str = "UTC"
    encoding: str = "utf-8"
    delimiter: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` is the file's, ``meaning`` ours or the same; ``raw`` names it in the table that was read."""

    name: str
    meaning: str
    raw: str
    type: str = "VARCHAR"


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file: the table ``raw`` (with ``rowid`` in file order), and what was set aside in ``malformed``.

    ``columns`` of JSON lines are only those that the first lines show.
    """

    path: Path
    form: str
    columns: tuple[Column, ...]
    delimiter: str | None = None

    @property
    def has_decimal_commas(self) -> bool:
        return self.delimiter is not None and self.delimiter != ","


def reading_of(
    timezone: str, encoding: str = "utf-8", delimiter: str | None = None, mapping: Mapping[str, str] | None = None
) -> Reading:
    """How text is to be understood.

    Raises
    ------
    FieldError
        If there is no such time zone or encoding, or the delimiter is not one character.
    """
    try:
        zone_named(timezone)
    except ValueError as error:
        raise FieldError("timezone", timezone, "an IANA time zone such as Europe/Moscow") from error
    try:
        "".encode(encoding)
    except LookupError as error:
        raise FieldError("encoding", encoding, "an encoding such as windows-1251") from error
    if delimiter is not None and len(delimiter) != 1:
        raise FieldError("delimiter", delimiter, "one character")
    return Reading(timezone, encoding, delimiter, mapping or {})


def form_of(path: Path) -> str:
    """``parquet``, ``csv`` or ``json``."""
    name = path.name.lower().removesuffix(".gz")
    if path.name.lower().endswith(".parquet"):
        return "parquet"
    if name.endswith(_CSV):
        return "csv"
    if name.endswith(_JSON):
        return "json"
    raise UnreadableFileError("file", path.name, f"a name ending in {_ENDINGS}")


def look_at(connection: Connection, path: Path, reading: Reading) -> Source:
    """The file's kind and columns, from its beginning alone.

    Raises
    ------
    UnreadableFileError
    """
    form = form_of(path)
    if not path.is_file():
        raise UnreadableFileError("file", str(path), "a file that exists")
    if form == "parquet":
        return Source(path, form, _parquet_columns(connection, path, reading))
    head = _head(path, reading.encoding)
    if form == "json":
        return Source(path, form, _json_columns(head, reading))
    delimiter = reading.delimiter or _delimiter_of(head)
    names = [name.strip() for name in next(csv.reader(io.StringIO(head), delimiter=delimiter), [])]
    return Source(path, form, _named(names, ["VARCHAR"] * len(names), reading), delimiter)


def read(connection: Connection, source: Source, reading: Reading, scratch: Path) -> None:
    """Make the tables ``raw`` and ``malformed(position, line, reason)`` of the file.

    Raises
    ------
    UnreadableFileError
    """
    import duckdb

    connection.execute("CREATE OR REPLACE TABLE malformed (position BIGINT, line VARCHAR, reason VARCHAR)")
    path = source.path
    try:
        if source.form != "parquet" and not _is_utf8(reading.encoding):
            path = _as_utf8(path, reading.encoding, scratch)
        _READERS[source.form](connection, source, path)
    except (duckdb.Error, UnicodeError, OSError, EOFError) as error:
        told = " ".join(str(error).split())[:300]
        raise UnreadableFileError("file", source.path.name, f"readable {source.form} ({told})") from error


def _parquet_columns(connection: Connection, path: Path, reading: Reading) -> tuple[Column, ...]:
    import duckdb

    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {_parquet(path)}").fetchall()
    except duckdb.Error as error:
        told = " ".join(str(error).split())[:300]
        raise UnreadableFileError("file", path.name, f"Parquet ({told})") from error
    return _named([row[0] for row in described], [row[1] for row in described], reading)


def _parquet(path: Path) -> str:
    return f"read_parquet({quoted(str(path))}, binary_as_string = true)"


def _read_parquet(connection: Connection, source: Source, path: Path) -> None:
    names = ", ".join(f'"{column.name.replace(chr(34), chr(34) * 2)}" AS {column.raw}' for column in source.columns)
    connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT {names} FROM {_parquet(path)}")


def _read_csv(connection: Connection, source: Source, path: Path) -> None:
    columns = ", ".join(f"'{column.raw}': 'VARCHAR'" for column in source.columns)
    layout = f"header = true, delim = {quoted(source.delimiter or ',')}, quote = '\"', escape = '\"', nullstr = ''"
    connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT * FROM {_csv(path, columns, layout)}")
    _set_aside(connection, f"a line of CSV with {len(source.columns)} columns")


def _csv(path: Path, columns: str, layout: str) -> str:
    limits = f"max_line_size = {_LONGEST_LINE}, store_rejects = true, rejects_limit = {MOST_MALFORMED}"
    compression = "gzip" if path.name.lower().endswith(".gz") else "none"
    return (
        f"read_csv({quoted(str(path))}, auto_detect = false, columns = {{{columns}}}, {layout}, {limits}, "
        f"compression = '{compression}')"
    )


def _set_aside(connection: Connection, expected: str) -> None:
    connection.execute(
        "INSERT INTO malformed SELECT line, any_value(csv_line), 'line ' || line || ' of the file: ' "
        "|| lower(replace(min(error_type::VARCHAR), '_', ' ')) || ', expected ' || ? FROM reject_errors GROUP BY line",
        [expected],
    )
    _stop_at_garbage(connection, "reject_errors", expected)
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")


def _stop_at_garbage(connection: Connection, faults: str, expected: str) -> None:
    if connection.execute(f"SELECT count(*) FROM {faults}").fetchone()[0] >= MOST_MALFORMED:
        raise UnreadableFileError("file", f"{MOST_MALFORMED} faults in its lines", expected)


def _read_json(connection: Connection, _: Source, path: Path) -> None:
    expected = "a JSON object on one line"
    if _head(path, "utf-8").lstrip().startswith("["):
        given = f"read_json_objects({quoted(str(path))}, format = 'array', maximum_object_size = {_LONGEST_LINE})"
        connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT CAST(json AS VARCHAR) AS line FROM {given}")
    else:
        # JSON holds no raw control characters, so this delimiter never divides a line.
        layout = "header = false, delim = '\x01', quote = '', escape = '', nullstr = ''"
        lines = _csv(path, "'line': 'VARCHAR'", layout)
        stripped = f"SELECT trim(line, '{BLANKS}\ufeff') AS line FROM {lines}"
        connection.execute(f"CREATE OR REPLACE TABLE raw AS SELECT * FROM ({stripped}) WHERE line <> ''")
        _set_aside(connection, expected)
    is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
    connection.execute(
        f"INSERT INTO malformed SELECT rowid, line, 'expected {expected}' FROM raw "
        f"WHERE NOT ({is_object}) LIMIT {MOST_MALFORMED}"
    )
    _stop_at_garbage(connection, "malformed", expected)
    connection.execute(f"DELETE FROM raw WHERE NOT ({is_object})")


_READERS = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}


def _head(path: Path, encoding: str) -> str:
    """The beginning of a text up to a line's end, decoded."""
    try:
        with _binary(path) as file:
            head = file.read(HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise UnreadableFileError("file", path.name, f"a readable file ({error})") from error
    if not head.strip():
        raise UnreadableFileError("file", path.name, "rows (it is empty)")
    if b"\0" in head and "16" not in encoding and "32" not in encoding:
        raise UnreadableFileError("file", path.name, "text (it holds zero bytes)")
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError as error:
        raise UnreadableFileError("encoding", encoding, f"the encoding of the file ({error})") from error
    if len(head) == HEAD_BYTES and "\n" not in text and "\r" not in text:
        raise UnreadableFileError("file", path.name, f"lines (the first is longer than {HEAD_BYTES} bytes)")
    return text.removeprefix("\ufeff")


def _binary(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _as_utf8(path: Path, encoding: str, scratch: Path) -> Path:
    """A copy in UTF-8, written piece by piece."""
    copy = scratch / "transcoded.txt"
    decoder = codecs.getincrementaldecoder(encoding)()
    with _binary(path) as given, copy.open("w", encoding="utf-8", newline="") as written:
        while piece := given.read(1 << 22):
            written.write(decoder.decode(piece))
        written.write(decoder.decode(b"", final=True))
    return copy


def _delimiter_of(head: str) -> str:
    first = head.splitlines()[0]
    return max(_DELIMITERS, key=first.count)


def _json_columns(head: str, reading: Reading) -> tuple[Column, ...]:
    """The keys of the objects at the file's beginning."""
    import msgspec

    if head.lstrip().startswith("["):
        return ()
    names: dict[str, None] = {}
    found = False
    for line in head.splitlines()[:1000]:
        try:
            names.update(dict.fromkeys(msgspec.json.decode(line, type=dict[str, Any])))
            found = True
        except msgspec.DecodeError:
            continue
    if not found:
        raise UnreadableFileError("file", head[:60], "a JSON object on each line")
    return tuple(Column(name, reading.mapping.get(name, name), "") for name in names)


def _named(names: list[str], types: list[str], reading: Reading) -> tuple[Column, ...]:
    columns = []
    taken: set[str] = set()
    for number, (name, type_) in enumerate(zip(names, types, strict=True)):
        meaning = reading.mapping.get(name, name)
        if meaning in taken:
            raise UnreadableFileError(meaning, names, "each column once")
        taken.add(meaning)
        columns.append(Column(name, meaning, f"c{number}", type_))
    return tuple(columns)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
