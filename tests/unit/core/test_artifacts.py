from __future__ import annotations

import pytest

from evergreen.core.artifacts import FileEntry, TrainedModelManifest


class Hashed(TrainedModelManifest):
    """A manifest whose content hash is chosen."""

    seed: int = 0
    trained_on: str = ""
    task: dict[str, object] = {}
    files: tuple[FileEntry, ...] = ()
    digest: str

    @property
    def content_hash(self) -> str:
        return self.digest


@pytest.mark.parametrize(
    ("digest", "version"),
    [
        ("36df30fb3710" + "0" * 52, "36df30fb3710"),
        ("955521435046" + "a" + "1" * 51, "55521435046a"),  # digits alone would be a number of ZenML's own
        ("1" * 64, "v11111111111"),
    ],
)
def test_a_version_is_the_beginning_of_its_hash_and_never_a_number(digest: str, version: str) -> None:
    assert Hashed(digest=digest).version == version
