"""Rows of an opened file are read and judged by DuckDB: the same fields and rules as in ``event_border``."""

from dataclasses import replace

from features.cells import json_pointer, json_text_sql, text_sql
from features.errors import LONGEST_SHOWN
from features.event_fields import FIELDS, ID, LAKE_COLUMNS, MONEY, NUMBER
from features.event_objects import canonical_sql, identifier_sql
from features.event_rules import RULES, expected_sql
from features.event_text import UNPRINTABLE
from features.events import IDENTIFIER_KINDS
from features.identity import anonymous_id_sql
from features.instant import Instant
from features.source_files import Column, Connection, Reading, Source, UnreadableFileError, quoted

_REQUIRED = ("event_id", "type", "occurred_at")


def require_columns(source: Source) -> None:
    """Refuse a file without the columns that every event needs.

    Raises
    ------
    UnreadableFileError
        Naming the column.
    """
    meanings = [column.meaning for column in source.columns]
    if not meanings:
        return  # an array of JSON, whose keys are not yet known
    for field in _REQUIRED:
        if field not in meanings:
            raise UnreadableFileError(
                field, None, f"a column of that name among {', '.join(meanings)[:300]}", "missing"
            )
    if "customer_id" not in meanings and "identifiers" not in meanings:
        expected = f"a column customer_id or identifiers among {', '.join(meanings)[:300]}"
        raise UnreadableFileError("customer_id", None, expected, "missing")


def check(
    connection: Connection, source: Source, reading: Reading, *, default_source: str, brand: str, received_at: Instant
) -> None:
    """Make the table ``checked`` of ``raw``: the position of each row, its fields, and what it broke.

    ``field`` and ``reason`` are NULL where the row is good; then all fields hold what ``parse_event`` would give.
    """
    texts = _texts_of_json(reading) if source.form == "json" else _texts_of_table(connection, source)
    present = texts.fields
    prepared = ", ".join(
        f"{prepare(f'text_{field}')} AS ready_{field}" for field in present if (prepare := FIELDS[field].prepare)
    )
    values = ", ".join(f"{_value_sql(field, present, reading.timezone)} AS {field}" for field in FIELDS)
    defaults = (
        f"* REPLACE ({_customer_sql(present)} AS customer_id, {_default_sql('source', quoted(default_source))}, "
        f"{_default_sql('brand', quoted(brand))}, {_properties_sql()} AS properties), "
        f"{received_at}::BIGINT AS received_at"
    )
    rules = [rule for rule in RULES if not _cannot_break(rule.field, rule.sql, present)]
    broken = " ".join(f"WHEN NOT coalesce({rule.sql}, false) THEN {number}" for number, rule in enumerate(rules))
    fields = " ".join(f"WHEN {number} THEN {quoted(rule.field)}" for number, rule in enumerate(rules))
    reasons = " ".join(
        f"WHEN {number} THEN {_reason_sql(rule.field, expected_sql(rule))}" for number, rule in enumerate(rules)
    )
    connection.execute(f"""
        CREATE OR REPLACE TABLE checked AS
        WITH texts AS ({texts.sql}),
        complete AS (SELECT *, {_absent_texts(present)} FROM texts),
        prepared AS (SELECT *, {prepared or "NULL AS nothing"} FROM complete),
        parsed AS (SELECT position, others, COLUMNS('text_.*'), {values} FROM prepared),
        whole AS (SELECT {defaults} FROM parsed),
        judged AS (SELECT *, CASE {broken} END AS broken FROM whole)
        SELECT position, {_stored_fields()},
            CASE WHEN broken IS NOT NULL THEN CASE broken {fields} END END AS field,
            CASE WHEN broken IS NOT NULL THEN CASE broken {reasons} END END AS reason
        FROM judged""")


class _Texts:
    """An SQL query of the rows as texts: ``position``, ``text_<field>`` of ``fields``, and ``others`` as JSON."""

    def __init__(self, fields: list[str], cells: list[str], others: str, relation: str) -> None:
        self.fields = fields
        columns = [f"{cell} AS text_{field}" for field, cell in zip(fields, cells, strict=True)]
        self.sql = f"SELECT rowid AS position, {', '.join([*columns, f'{others} AS others'])} FROM {relation}"


def _texts_of_table(connection: Connection, source: Source) -> _Texts:
    known = [column for column in source.columns if column.meaning in FIELDS]
    cells = [
        text_sql(
            column,
            is_id=FIELDS[column.meaning] is ID,
            is_number=FIELDS[column.meaning] in (NUMBER, MONEY),
            has_decimal_commas=source.has_decimal_commas,
        )
        for column in _with_ids_as_digits(connection, known)
    ]
    unknown = [column for column in source.columns if column.meaning not in FIELDS and column.meaning]
    members = ", ".join(f"{quoted(column.meaning)}, {_plain(column.raw, column.type)}" for column in unknown)
    others = f"json_object({members})" if unknown else "NULL::JSON"
    return _Texts([column.meaning for column in known], cells, others, "raw")


def _with_ids_as_digits(connection: Connection, columns: list[Column]) -> list[Column]:
    """Columns of ids which a program wrote as floats, 7.0, throughout are numeric, as in a file with types."""
    return [
        replace(column, raw=f"TRY_CAST({column.raw} AS DOUBLE)", type="DOUBLE")
        if FIELDS[column.meaning] is ID and column.type == "VARCHAR" and _is_of_floats(connection, column)
        else column
        for column in columns
    ]


def _is_of_floats(connection: Connection, column: Column) -> bool:
    is_float = f"regexp_full_match({column.raw}, '[0-9]{{1,15}}\\.0')"
    first = connection.execute(f"SELECT {is_float} FROM raw WHERE {column.raw} <> '' LIMIT 1").fetchone()
    if first is None or not first[0]:
        return False
    return bool(connection.execute(f"SELECT bool_and({is_float}) FROM raw WHERE {column.raw} <> ''").fetchone()[0])


def _plain(raw: str, type_: str) -> str:
    if type_ == "VARCHAR":
        return f"CASE WHEN trim({raw}) <> '' THEN {raw} END"
    return f"CASE WHEN isfinite({raw}) THEN {raw} END" if type_ in ("FLOAT", "DOUBLE") else raw


def _texts_of_json(reading: Reading) -> _Texts:
    theirs = {ours: name for name, ours in reading.mapping.items()}
    names = [theirs.get(field, field) for field in FIELDS]
    cells = [json_text_sql(f"found[{number}]", is_id=kind is ID) for number, kind in enumerate(FIELDS.values(), 1)]
    known = ", ".join(f"{quoted(name)}, NULL" for name in names)
    others = f"json_merge_patch(line, json_object({known}))"
    pointers = ", ".join(json_pointer(name) for name in names)
    relation = f"(SELECT rowid, line, json_extract(line, [{pointers}]) AS found FROM raw)"
    return _Texts(list(FIELDS), cells, others, relation)


def _value_sql(field: str, present: list[str], zone: str) -> str:
    kind = FIELDS[field]
    if field not in present:
        return f"NULL::{kind.sql_type}"
    return f"CAST({kind.sql(field, zone)} AS {kind.sql_type})"


def _absent_texts(present: list[str]) -> str:
    absent = [field for field in FIELDS if field not in present]
    return ", ".join(f"NULL::VARCHAR AS text_{field}" for field in absent) or "NULL AS no_absent"


def _customer_sql(present: list[str]) -> str:
    if "identifiers" not in present:
        return "customer_id"
    named = ", ".join(anonymous_id_sql(kind, identifier_sql("identifiers", kind)) for kind in IDENTIFIER_KINDS)
    return f"CASE WHEN text_customer_id IS NULL THEN coalesce({named}) ELSE customer_id END"


def _default_sql(field: str, default: str) -> str:
    """What stands where nothing came; what came and cannot be read stays NULL."""
    return f"CASE WHEN text_{field} IS NULL THEN {default} ELSE {field} END AS {field}"


def _properties_sql() -> str:
    merged = "json_merge_patch(coalesce(properties, '{}'), others)"
    return f"CASE WHEN others IS NULL THEN properties ELSE {canonical_sql(merged)} END"


def _cannot_break(field: str, sql: str, present: list[str]) -> bool:
    """A rule on a column that is not there and need not be."""
    return field not in present and sql.startswith(f"({field} IS N") and "type" not in sql


def _reason_sql(field: str, expected: str) -> str:
    printed = f"'''' || regexp_replace(text_{field}, '{UNPRINTABLE}', '?', 'g') || ''''"
    is_long = f"length({printed}) > {LONGEST_SHOWN}"
    cut = f"CASE WHEN {is_long} THEN left({printed}, {LONGEST_SHOWN - 1}) || '…' ELSE {printed} END"
    got = f"CASE WHEN text_{field} IS NULL THEN 'missing' ELSE 'got ' || {cut} END"
    return f"{got} || ', expected ' || {expected}"


def _stored_fields() -> str:
    emptied = {"identifiers", "properties"}
    return ", ".join(f"nullif({name}, '{{}}') AS {name}" if name in emptied else name for name in LAKE_COLUMNS)
