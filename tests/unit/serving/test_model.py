"""What a request may have the server read."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest

from evergreen.core.errors import InputError
from evergreen.serving.model import read_object


def test_only_buckets_that_are_named_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    class Bucket:
        def read(self, address: str, _: int) -> bytes:
            read.append(address)
            return b""

    def opened(_address: str, _to_correct: str, patience_s: float) -> AbstractContextManager[Bucket]:
        assert patience_s < 30, "meanwhile other requests wait to be decoded"
        return nullcontext(Bucket())

    monkeypatch.setattr("evergreen.adapters.gcs.objects", opened)
    monkeypatch.delenv("EVERGREEN_PICTURE_BUCKETS", raising=False)
    with pytest.raises(InputError, match=r"no bucket is read here; send base64, or name .* \(parameters\.host\.env\)"):
        read_object("gs://any/1.png", 10)
    monkeypatch.setenv("EVERGREEN_PICTURE_BUCKETS", "pets, street")
    read_object("gs://street/1.png", 10)
    for address in ("gs://payroll/1.png", "gs://pets-too/1.png"):
        with pytest.raises(InputError, match=r"none of the buckets that are read here \(pets, street\)"):
            read_object(address, 10)
    assert read == ["gs://street/1.png"]
