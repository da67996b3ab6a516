"""A file of rows, looked at: Parquet, CSV or JSON lines by its ending, with which columns. Not what a row means."""

import codecs
import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from features.errors import FieldError
from features.zones import zone_named

Connection = Any
"""A DuckDB connection (imported only where a file is opened)."""

HEAD_BYTES = 1 << 20
_UNDECODED = "\ufffd"
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
    head = head_of(path, reading.encoding)
    if form == "json":
        return Source(path, form, _json_columns(head, reading))
    delimiter = reading.delimiter or _delimiter_of(head)
    names = [name.strip() for name in next(csv.reader(io.StringIO(head), delimiter=delimiter), [])]
    return Source(path, form, _named(names, ["VARCHAR"] * len(names), reading), delimiter)


def _parquet_columns(connection: Connection, path: Path, reading: Reading) -> tuple[Column, ...]:
    import duckdb

    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {parquet_sql(path)}").fetchall()
    except duckdb.Error as error:
        told = " ".join(str(error).split())[:300]
        raise UnreadableFileError("file", path.name, f"Parquet ({told})") from error
    return _named([row[0] for row in described], [row[1] for row in described], reading)


def parquet_sql(path: Path) -> str:
    return f"read_parquet({quoted(str(path))}, binary_as_string = true)"


def head_of(path: Path, encoding: str) -> str:
    """The beginning of a text up to a line's end, decoded."""
    try:
        with open_bytes(path) as file:
            head = file.read(HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise UnreadableFileError("file", path.name, f"a readable file ({error})") from error
    if not head.strip():
        raise UnreadableFileError("file", path.name, "rows (it is empty)")
    if b"\0" in head and "16" not in encoding and "32" not in encoding:
        raise UnreadableFileError("file", path.name, "text (it holds zero bytes)")
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head, final=len(head) < HEAD_BYTES)
    lines = text.splitlines()
    if _UNDECODED in lines[0] or 2 * sum(_UNDECODED in line for line in lines) > len(lines):
        raise UnreadableFileError("encoding", encoding, "the encoding that the file is in, such as windows-1251")
    if len(head) == HEAD_BYTES and "\n" not in text and "\r" not in text:
        raise UnreadableFileError("file", path.name, f"lines (the first is longer than {HEAD_BYTES} bytes)")
    return text.removeprefix("\ufeff")


def open_bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


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
