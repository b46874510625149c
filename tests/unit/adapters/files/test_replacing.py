"""What is made of a file that is there where an output is to be, and of one that cannot be read."""

from __future__ import annotations

import errno
import gzip
import io
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.replacing import check_replaceable
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError

FIELDS = FilesSettings(path="unused")
VERSION = "0a1b2c3d4e5f"


class Lost(io.BytesIO):
    """A file whose connection is lost after so many reads."""

    def __init__(self, content: bytes, reads: int) -> None:
        super().__init__(content)
        self._left = reads

    def read(self, size: int | None = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.EIO, "input/output error")
        return super().read(size)

    read1 = read


def contents(path: Path) -> bytes:
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": ["a"], "version": [VERSION], "error": [None]}), path)
        return path.read_bytes()
    line = f'{{"text": "a", "version": "{VERSION}", "error": null}}\n'
    text = (line if ".jsonl" in path.name else f"text,version,error\na,{VERSION},\n").encode()
    return gzip.compress(text) if path.suffix == ".gz" else text


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.jsonl", "out.parquet"])
def test_a_read_that_fails_is_not_taken_for_a_file_of_somebody_else(tmp_path: Path, name: str) -> None:
    content = contents(tmp_path / name)
    check_replaceable(name, FIELDS, lambda: io.BytesIO(content))
    said = f"^{name} is there already and cannot be read: .*input/output error; mend that"
    for reads in (0, 1):
        with pytest.raises(InputError, match=said):
            check_replaceable(name, FIELDS, partial(Lost, content, reads))
    with pytest.raises(OSError, match="input/output error"):  # told where errors of buckets are
        check_replaceable(f"gs://news/{name}", FIELDS, partial(Lost, content, 1))


@pytest.mark.parametrize("name", ["out.csv.gz", "out.jsonl.gz", "out.parquet"])
def test_a_damaged_table_is_left_alone(tmp_path: Path, name: str) -> None:
    content = contents(tmp_path / name)
    content = content[: len(content) // 2]
    with pytest.raises(
        InputError,
        match=r"no version and error .* \(it is no (csv|jsonl|parquet) with rows\) and is left",
    ):
        check_replaceable(name, FIELDS, lambda: io.BytesIO(content))
