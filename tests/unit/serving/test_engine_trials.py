"""An engine that ended its process is known to the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evergreen.core.errors import EvergreenError, InputError
from evergreen.serving.__main__ import main
from evergreen.serving.engine_trials import FOLDER, EngineTrials

CRASHING = """
import os, sys
from pathlib import Path
from evergreen.serving.engine_trials import EngineTrials
trials = EngineTrials(Path(sys.argv[1]))
with trials.trying("int8.onnx"):
    if sys.argv[2] == "ends well":
        trials.close()
    os._exit(1)
"""


def leave(folder: Path, how: str) -> None:
    """What a process leaves that ends while it tries the engine."""
    subprocess.run([sys.executable, "-c", CRASHING, str(folder), how], check=False)


def test_an_engine_that_ended_its_process_is_refused_until_its_note_goes(tmp_path: Path) -> None:
    leave(tmp_path / "trials", "crashes")
    trials = EngineTrials(tmp_path / "trials")
    for _ in range(2):
        refused = pytest.raises(EvergreenError, match=r"ended the server that tried it last; remove .*int8\.onnx")
        with refused, trials.trying("int8.onnx"):
            pytest.fail("it was tried")
    with trials.trying("fp32.onnx"):
        pass
    assert [note.name for note in (tmp_path / "trials").iterdir()] == ["int8.onnx"]
    assert trials.forget()
    assert not trials.forget()
    with trials.trying("int8.onnx"):
        assert (tmp_path / "trials" / "int8.onnx").exists()


def test_a_process_that_ends_by_itself_blames_no_engine(tmp_path: Path) -> None:
    leave(tmp_path, "ends well")
    with EngineTrials(tmp_path).trying("int8.onnx"):
        pass
    assert not list(tmp_path.iterdir())


def test_an_engine_that_cannot_be_loaded_leaves_no_note(tmp_path: Path) -> None:
    trials = EngineTrials(tmp_path)
    with pytest.raises(InputError, match="damaged"), trials.trying("int8.onnx"):
        raise InputError("int8.onnx is damaged")
    assert not list(tmp_path.iterdir())


def test_what_another_process_tries_meanwhile_is_tried_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.serving.engine_trials.WAIT_S", 0.0)
    tried = 0
    with EngineTrials(tmp_path).trying("int8.onnx"), EngineTrials(tmp_path).trying("int8.onnx"):
        tried += 1
    assert tried == 1


@pytest.mark.parametrize("folder", [None, "a file"])
def test_engines_are_tried_where_nothing_can_be_noted(folder: str | None, tmp_path: Path) -> None:
    environment = {}
    if folder is not None:
        (tmp_path / folder).touch()
        environment[FOLDER] = str(tmp_path / folder)
    tried = 0
    with EngineTrials.of(environment).trying("int8.onnx"):
        tried += 1
    assert tried == 1


def test_a_server_that_ends_says_so_to_what_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIP_STORAGE_URI", raising=False)
    ended: list[bool] = []
    assert main(lambda _: pytest.fail("nothing is loaded"), lambda: ended.append(True)) == 2
    assert ended == [True]
