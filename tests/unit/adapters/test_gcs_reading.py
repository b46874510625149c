"""Objects that one request names: never more of them in memory than asked for, nor longer waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Self

import pytest

from evergreen.adapters.gcs.failures import StorageError
from evergreen.adapters.gcs.reading import Objects
from evergreen.core.errors import InputError

ADDRESS = "gs://pets/1.png"


class Answer:
    """One of Cloud Storage: a description, or content in blocks."""

    reason = "Service Unavailable"

    def __init__(self, status: int, blocks: int = 0) -> None:
        self.status_code = status
        self.left = blocks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def json(self) -> dict[str, Any]:
        return {"generation": "1", "size": "3", "contentEncoding": "gzip"}

    def iter_content(self, size: int) -> Iterator[bytes]:
        while self.left:
            self.left -= 1
            yield b"0" * size


class Session:
    """Gives these answers, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.timeouts: list[tuple[float, float]] = []

    def get(self, url: str, *, timeout: tuple[float, float], **_: object) -> Answer:
        self.timeouts.append(timeout)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_what_unpacks_to_more_than_is_read_is_refused_before_all_of_it_is_in_memory() -> None:
    packed = Answer(200, blocks=1000)
    with pytest.raises(InputError, match=r"gs://pets/1\.png has 1,048,576 bytes, at most 100 are read"):
        Objects(Session(Answer(200), packed), "http://box", "name another", patience_s=1).read(ADDRESS, 100)
    assert packed.left == 999


def test_a_bucket_that_does_not_answer_is_given_up_in_the_time_that_the_reader_has() -> None:
    session, began = Session(Answer(503)), time.monotonic()
    with pytest.raises(StorageError, match="503"):
        Objects(session, "http://box", "name another", patience_s=0.6).read(ADDRESS, 100)
    assert time.monotonic() - began < 5
    assert session.timeouts == [(0.6, 0.6)] * 2
