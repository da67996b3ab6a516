"""A cell of an opened file as text, in DuckDB's SQL: what ``event_text`` does for a value of Python."""

from features.event_text import BLANKS
from features.source_files import Column, quoted

_FLOATING = ("FLOAT", "DOUBLE", "DECIMAL")
_NESTED = ("STRUCT", "MAP", "JSON")


def text_sql(column: Column, *, is_id: bool, is_number: bool, has_decimal_commas: bool) -> str:
    """The cell as text; NULL where there is nothing in it. A numeric id is its decimal digits."""
    raw = column.raw
    if column.type.startswith(_NESTED):
        return f"CAST(to_json({raw}) AS VARCHAR)"
    if column.type == "VARCHAR" or column.type.startswith("ENUM"):
        text = f"CASE WHEN trim({raw}, '{BLANKS}') <> '' THEN CAST({raw} AS VARCHAR) END"
        return _with_decimal_point(text) if is_number and has_decimal_commas else text
    if is_id and column.type.startswith(_FLOATING):
        whole = f"isfinite({raw}::DOUBLE) AND {raw} = trunc({raw}) AND abs({raw}) < 9.2e18"
        text = f"CASE WHEN {whole} THEN CAST(CAST({raw} AS HUGEINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
        return f"CASE WHEN NOT isnan({raw}::DOUBLE) THEN {text} END"
    return f"CAST({raw} AS VARCHAR)"


def _with_decimal_point(text: str) -> str:
    """``1 234,56`` and ``1.234,56`` as ``1234.56``."""
    bare = f"regexp_replace({text}, '[\\s\\x{{a0}}\\x{{202f}}'']', '', 'g')"
    both = f"regexp_matches({bare}, '[.].*,')"
    comma_last = f"replace(replace({bare}, '.', ''), ',', '.')"
    point_last = f"replace({bare}, ',', '')"
    several = f"regexp_matches({bare}, ',.*[,.]')"
    return f"CASE WHEN {both} THEN {comma_last} WHEN {several} THEN {point_last} ELSE replace({bare}, ',', '.') END"


def json_pointer(name: str) -> str:
    """Of a member of the object, as an SQL literal."""
    return quoted("/" + name.replace("~", "~0").replace("/", "~1"))


def json_text_sql(member: str, *, is_id: bool) -> str:
    """A member of a JSON object as text; ``member`` is of the type JSON."""
    text = f"CASE WHEN trim({member} ->> '$', '{BLANKS}') <> '' THEN {member} ->> '$' END"
    if not is_id:
        return text
    number = rf"regexp_replace(CAST({member} AS VARCHAR), '^(-?[0-9]+)\.0$', '\1')"
    return f"CASE WHEN json_type({member}) = 'DOUBLE' THEN {number} ELSE {text} END"
