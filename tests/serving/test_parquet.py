from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from serving.parquet import complete_file

SCHEMA = pyarrow.schema({"words": pyarrow.list_(pyarrow.string()), "numbers": pyarrow.list_(pyarrow.float64())})


def test_only_text_is_written_with_a_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"

    with complete_file(path, SCHEMA) as writer:
        writer.write_table(pyarrow.table({"words": [["a"], ["a"]], "numbers": [[0.1], [0.1]]}, schema=SCHEMA))

    group = pyarrow.parquet.read_metadata(path).row_group(0)
    assert ["RLE_DICTIONARY" in group.column(at).encodings for at in range(2)] == [True, False]
    assert pyarrow.parquet.read_table(path).to_pylist() == [{"words": ["a"], "numbers": [0.1]}] * 2


def test_an_unfinished_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), complete_file(tmp_path / "file.parquet", SCHEMA):
        _ = 1 / 0

    assert not list(tmp_path.iterdir())
