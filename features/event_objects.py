"""How the JSON objects of an event are read: in Python and, side by side, in DuckDB's SQL."""

from typing import Any

import msgspec

from features.event_text import BLANKS, LONGEST_ID, NO_ID, read_id, text_of
from features.events import IDENTIFIER_KINDS


def read_object(text: str, _: str = "") -> dict[str, Any] | None:
    """A JSON object without its members that are null."""
    try:
        value = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return {name: member for name, member in value.items() if member is not None}


def object_sql(field: str, _: str) -> str:
    column = f"text_{field}"
    return f"CASE WHEN {_is_object(column)} THEN {canonical_sql(f'json({column})')} END"


def canonical_sql(document: str) -> str:
    """The text of a JSON object with its members in order and without those that are null."""
    pointer = "'/' || replace(replace(k, '~', '~0'), '/', '~1')"
    keys = f"list_sort(list_distinct(json_keys({document})))"
    kept = f"list_filter({keys}, lambda k: json_type({document}, {pointer}) <> 'NULL')"
    members = f"list_transform({kept}, lambda k: to_json(k)::VARCHAR || ':' || json_extract({document}, {pointer}))"
    return f"'{{' || array_to_string({members}, ',') || '}}'"


def read_identifiers(text: str, _: str = "") -> dict[str, str] | None:
    given = read_object(text)
    if given is None or not set(given) <= set(IDENTIFIER_KINDS):
        return None
    found = {kind: _identifier(given[kind]) for kind in IDENTIFIER_KINDS if kind in given}
    return None if None in found.values() else {kind: value for kind, value in found.items() if value is not None}


def _identifier(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = text_of(value)
    return None if text is None else read_id(text)


def identifiers_sql(field: str, _: str) -> str:
    column = f"text_{field}"
    document = f"json({column})"
    known = f"len(list_filter(json_keys({document}), lambda k: k NOT IN {IDENTIFIER_KINDS})) = 0"
    good = " AND ".join(_is_identifier(column, kind) for kind in IDENTIFIER_KINDS)
    values = ((kind, identifier_sql(column, kind)) for kind in IDENTIFIER_KINDS)
    members = ", ".join(f"""'"{kind}":' || to_json({value})::VARCHAR""" for kind, value in values)
    text = f"CASE WHEN {known} AND {good} THEN '{{' || concat_ws(',', {members}) || '}}' END"
    return f"CASE WHEN {_is_object(column)} THEN {text} END"


def identifier_sql(column: str, kind: str) -> str:
    """The value of one kind in a column of identifiers; NULL where it is not among them."""
    return f"json_extract_string({column}, '$.{kind}')"


def _is_identifier(column: str, kind: str) -> str:
    value = identifier_sql(column, kind)
    typed = f"json_type({column}, '$.{kind}') IN ('VARCHAR', 'UBIGINT', 'BIGINT')"
    filled = f"trim({value}, '{BLANKS}') <> '' AND length({value}) <= {LONGEST_ID}"
    return f"({value} IS NULL OR ({typed} AND {filled} AND NOT regexp_matches({value}, '{NO_ID}')))"


def _is_object(column: str) -> str:
    return f"CASE WHEN json_valid({column}) THEN json_type({column}) = 'OBJECT' ELSE false END"
