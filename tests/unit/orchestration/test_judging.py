from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.core.engines import KEPT_INPUTS_NAME
from evergreen.core.replay import Replay
from orchestration import judging

CHAMPION = "b2"


class Log:
    """A request log of these inputs, one a row."""

    late_s = 0.0
    keeps_inputs = True

    def __init__(self, *inputs: str | None) -> None:
        self._inputs = inputs

    def read(self, _: object) -> Any:
        import pyarrow as pa

        return [pa.record_batch({"version": [CHAMPION] * len(self._inputs), "input": pa.array(self._inputs, "string")})]


def replayed(*inputs: str | None) -> Replay:
    target: Any = SimpleNamespace(version="c3", examples=({"text": "kept"},), engines=None)
    return judging._replay(target, CHAMPION, Log(*inputs))


def test_a_damaged_input_is_left_out_and_told() -> None:
    found = replayed('{"text": "goal"}', '{"text": "go', None, '{"text": "bank"}')
    assert found.rows == [{"text": "goal"}, {"text": "bank"}]
    assert found.origin == "2 logged inputs (1 logged inputs were damaged, and are left out)"


def test_where_every_input_is_damaged_kept_rows_are_asked_and_that_is_told() -> None:
    found = replayed("{", "[")
    assert found.rows == [{"text": "kept"}]
    assert found.origin == (
        "1 kept rows of its test and validation split (2 logged inputs were damaged, and are left out)"
    )


def test_damaged_kept_inputs_leave_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / KEPT_INPUTS_NAME).write_bytes(b"[{")
    monkeypatch.setattr(judging, "load_artifact", lambda *_: SimpleNamespace(path=tmp_path))
    target: Any = SimpleNamespace(version="c3", examples=({"text": "kept"},), engines="gs://engines")
    assert judging._replay(target, CHAMPION, Log()).rows == [{"text": "kept"}]
