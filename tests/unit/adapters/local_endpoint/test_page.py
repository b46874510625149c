"""What the page to try an endpoint knows of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from evergreen.adapters.local_endpoint.page import accepts_html, described, page
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState
from evergreen.core.artifacts import TrainedModel, TrainedModelManifest
from evergreen.core.colours import colour_of

PICTURES = {"kind": "image_segmentation", "labels": ["sky", "road"]}


def state(**changes: Any) -> EndpointState:
    settings = {
        "model": "news",
        "host": "127.0.0.1",
        "port": 0,
        "worker_command": (),
        "threads": 1,
        "startup_timeout_s": 1,
        "request_timeout_s": 1,
        "drain_timeout_s": 1,
    }
    return EndpointState.model_validate({**settings, **changes})


def files_of(path: Path, **tasks: dict[str, Any]) -> EndpointFiles:
    files = EndpointFiles(path)
    for version, task in tasks.items():
        files.model_dir(version).mkdir(parents=True)
        TrainedModel.write(
            files.model_dir(version), TrainedModelManifest(files=(), task=task, trained_on="none", seed=0)
        )
    return files


def test_a_task_of_pictures_has_a_place_for_a_picture_and_the_colours_of_its_classes(tmp_path: Path) -> None:
    files = files_of(tmp_path, a=PICTURES, b={**PICTURES, "labels": ["sky"]})
    known = described(files, state(versions=("a", "b"), traffic={"b": 100}))
    assert (known["input"], known["field"]) == ("image", "image")
    assert known["labels"] == {"a": ["sky", "road"], "b": ["sky"]}
    assert known["colours"][:2] == [colour_of(0), colour_of(1)]
    assert len(known["colours"]) == 256


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ([], ("text", "text")),
        ([{"text": "a goal"}], ("text", "text")),
        ([{"headline": "a goal"}], ("text", "headline")),
        ([{"rooms": 3}], ("json", "")),
        ([{"text": "a goal", "language": "en"}], ("json", "")),
    ],
)
def test_other_tasks_are_asked_as_their_examples_are(
    tmp_path: Path, examples: list[dict[str, Any]], expected: tuple[str, str]
) -> None:
    files = files_of(tmp_path, a={"kind": "of a package"})
    files.write_examples("a", examples)
    known = described(files, state(versions=("a",), traffic={"a": 100}))
    assert (known["input"], known["field"]) == expected
    assert known["examples"] == examples


@pytest.mark.parametrize("changes", [{"host": "0.0.0.0"}, {"allowed_hosts": ("app.example",)}])  # noqa: S104
def test_rows_of_the_data_are_shown_on_this_machine_alone(tmp_path: Path, changes: dict[str, Any]) -> None:
    files = files_of(tmp_path, a={})
    files.write_examples("a", [{"text": "a row of the test split"}])
    assert described(files, state(versions=("a",), **changes))["examples"] == []


@pytest.mark.parametrize("content", ["", "{", "{}", "[1, 2]", "\ud800"])
def test_damaged_examples_are_none(tmp_path: Path, content: str) -> None:
    files = files_of(tmp_path, a={})
    (files.model_dir("a") / "examples.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert described(files, state(versions=("a", "gone")))["examples"] == []


def test_an_endpoint_without_versions_has_a_page(tmp_path: Path) -> None:
    assert described(EndpointFiles(tmp_path), state())["labels"] == {}


def test_whatever_an_endpoint_holds_the_page_runs_its_own_scripts_alone(tmp_path: Path) -> None:
    files = files_of(tmp_path, a={"labels": ["</script><script>alert(1)</script>", "$title"]})
    files.write_examples("a", [{"text": "<!--<script>"}])
    answer = page(files, state(versions=("a",), model="a<b"))
    assert answer.text is not None
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", answer.text, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [' type="application/json" id="endpoint"', "", ""]
    known = json.loads(scripts[0][1])
    assert known["labels"]["a"] == ["</script><script>alert(1)</script>", "$title"]
    assert known["examples"] == [{"text": "<!--<script>"}]
    policy = answer.headers["content-security-policy"]
    for run in (scripts[1][1], scripts[2][1], re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)[0]):
        assert base64.b64encode(hashlib.sha256(run.encode()).digest()).decode() in policy
    assert "<h1>a&lt;b</h1>" in answer.text


@pytest.mark.parametrize(
    ("accept", "expected"), [("text/html,application/xhtml+xml", True), ("*/*", False), ("application/json", False)]
)
def test_a_browser_gets_the_page_and_a_program_does_not(accept: str, expected: bool) -> None:
    assert accepts_html({"accept": accept}) is expected
    assert not accepts_html({})
