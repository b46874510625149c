from pathlib import Path
from typing import Any

import pytest

from evergreen.adapters.files.cloud import CloudFile, fetch_each
from evergreen.adapters.gcs.transfers import crc32c_of
from evergreen.core.errors import InputError

LISTED = {"name": "news/a.csv", "size": "3", "timeCreated": "2026-01-04T10:00:00Z"}


def test_an_object_that_the_bucket_decompresses_is_refused() -> None:
    listed: dict[str, Any] = {**LISTED, "md5Hash": "x", "contentEncoding": "gzip"}
    with pytest.raises(InputError, match="stored with Content-Encoding gzip"):
        next(fetch_each("gs://news", [CloudFile.of(listed)]))


@pytest.mark.parametrize(
    ("listed", "checksum"),
    [
        ({"md5Hash": "m", "crc32c": "c", "generation": "1"}, "md5:m"),
        ({"crc32c": "c", "generation": "1"}, "crc32c:c"),
        ({"generation": "1"}, "generation:1"),
    ],
)
def test_an_object_is_known_by_the_best_checksum_that_its_bucket_tells(listed: dict[str, str], checksum: str) -> None:
    assert CloudFile.of({**LISTED, **listed}).checksum == checksum


def test_the_checksum_of_a_file_is_written_as_a_bucket_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"123456789")
    assert crc32c_of(tmp_path / "a.txt") == "4waSgw=="  # 0xE3069283, the check value of CRC-32C
