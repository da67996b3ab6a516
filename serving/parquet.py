"""Parquet files that appear under their name only when they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


@contextmanager
def complete_file(path: Path, schema: "pyarrow.Schema") -> "Iterator[pyarrow.parquet.ParquetWriter]":
    """A writer of the file; what was unfinished when something went wrong is taken away."""
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    # A dictionary of numbers that hardly repeat takes thirty times as long as the numbers themselves.
    texts = [name for field in schema for name in _texts(field.name, field.type)]
    try:
        with pyarrow.parquet.ParquetWriter(unfinished, schema, use_dictionary=texts) as writer:
            yield writer
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _texts(name: str, kind: "pyarrow.DataType") -> Iterator[str]:
    """The columns of text in a column, as the file names them."""
    from pyarrow import types

    if types.is_list(kind):
        yield from _texts(f"{name}.list.element", kind.value_type)
    elif types.is_struct(kind):
        for field in kind:
            yield from _texts(f"{name}.{field.name}", field.type)
    elif types.is_string(kind):
        yield name
