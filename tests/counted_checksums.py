"""How often the content of each file of this machine is read for its checksum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from evergreen.adapters.files.find import Disk


def counted_checksums(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts from now on, by the files' names."""
    read = Counter[str]()
    checksum = Disk.checksum

    def counted(disk: Disk, file: Path, name: str) -> tuple[str, int]:
        read[name] += 1
        return checksum(disk, file, name)

    monkeypatch.setattr(Disk, "checksum", counted)
    return read
