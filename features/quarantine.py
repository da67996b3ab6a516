"""Rows that were refused, written beside the workspace's data as they came, each with its field and reason."""

from pathlib import Path

from features.instant import Instant, to_datetime
from features.source_files import Connection, Source, quoted


def write_quarantine(connection: Connection, source: Source, folder: Path, now: Instant) -> Path | None:
    """Write the rows of ``refused`` and the lines of ``malformed``; None where there is nothing to write."""
    count = "SELECT (SELECT count(*) FROM refused) + (SELECT count(*) FROM malformed)"
    if not connection.execute(count).fetchone()[0]:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    ending, query, layout = _of_json() if source.form == "json" else _of_table(source)
    path = _free_name(folder, source.path, now, ending)
    connection.execute(f"COPY ({query}) TO {quoted(str(path))} ({layout})")
    return path


def _of_table(source: Source) -> tuple[str, str, str]:
    taken = {column.name for column in source.columns}
    added = {name: _unlike(name, taken) for name in ("field", "reason", "line")}
    given = [f"raw.{column.raw} AS {_name(column.name)}" for column in source.columns]
    absent = [f"NULL AS {_name(column.name)}" for column in source.columns]
    rows = f"SELECT {', '.join(given)}, field AS {_name(added['field'])}, reason AS {_name(added['reason'])}, "
    lines = f"SELECT {', '.join(absent)}, NULL AS {_name(added['field'])}, reason AS {_name(added['reason'])}, "
    query = (
        f"({rows} NULL::VARCHAR AS {_name(added['line'])} FROM refused JOIN raw ON raw.rowid = refused.position "
        f"ORDER BY refused.position) UNION ALL ({lines} line FROM malformed ORDER BY position)"
    )
    return ".csv", query, "FORMAT csv, HEADER true"


def _of_json() -> tuple[str, str, str]:
    query = (
        "(SELECT json_merge_patch(line::JSON, json_object('field', field, 'reason', reason)) FROM refused "
        "JOIN raw ON raw.rowid = refused.position ORDER BY refused.position) UNION ALL "
        "(SELECT json_object('line', line, 'reason', reason) FROM malformed ORDER BY position)"
    )
    return ".jsonl", query, "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"


def _unlike(name: str, taken: set[str]) -> str:
    """The name, or one like it that no column has."""
    while name in taken:
        name = f"rejected_{name}"
    return name


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _free_name(folder: Path, given: Path, now: Instant, ending: str) -> Path:
    stem = f"{given.name.split('.')[0]}-{to_datetime(now):%Y%m%dT%H%M%S}"
    names = (folder / f"{stem}{'' if number == 0 else f'-{number}'}{ending}" for number in range(1_000_000))
    return next(path for path in names if not path.exists())
