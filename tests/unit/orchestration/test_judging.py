from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.engines import KEPT_INPUTS_NAME
from evergreen.core.errors import EvergreenError
from evergreen.core.members import host_of
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.rollout import Release
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


def test_a_ramp_is_judged_by_what_the_host_says_of_small_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {version: SimpleNamespace(version=version, report="gone") for version in ("b2", "c3")}
    state: Any = SimpleNamespace(named=lambda _: versions["b2"], find=versions.get)
    release = Release("news", "c3", lambda: tmp_path, [{"text": "goal"}], Ramp(shares=(25, 50)), "b2")

    def gone(*_: object) -> None:
        raise EvergreenError("the report is gone")

    monkeypatch.setattr(judging, "load_artifact", gone)
    monkeypatch.setattr(judging, "state_directory", lambda: tmp_path)
    settings = LocalHostSettings(port=0)
    found, left = judging.judged(release, settings, state)
    assert left is None
    assert found.judging is not None
    assert found.judging.expected.lone_slowdown == host_of(settings).lone_slowdown > 0


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
