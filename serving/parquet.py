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
    try:
        with pyarrow.parquet.ParquetWriter(unfinished, schema) as writer:
            yield writer
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
