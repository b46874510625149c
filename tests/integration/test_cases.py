"""`cases`: what a line says of a configuration, and what it is held against."""

from __future__ import annotations

import csv
import gc
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import case, cases, run, teardown
from commands.garbage_collection import USUAL
from commands.parser import parse
from evergreen.adapters.files.source import FilesSource
from evergreen.adapters.local_endpoint import host as local_host
from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.errors import EvergreenError, InputError
from evergreen.tasks import accelerators
from tests.tiny_cases import write_case
from tests.tiny_text import headlines

pytestmark = pytest.mark.usefixtures("zenml_home")

UNKNOWN = [*headlines(60), ("a text of another desk", "weather")]


@pytest.fixture(autouse=True)
def zenml_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the command's own, which a process can have from its start alone."""

    @contextmanager
    def kept(*, train: bool) -> Iterator[None]:
        yield

    monkeypatch.setattr(cases, "_own_zenml", kept)
    monkeypatch.setenv("CASES", "somewhere else")


def tried(folder: Path, capfd: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[dict[str, Any]]]:
    """The command's exit code and, by its JSON, the results."""
    capfd.readouterr()
    code = cases.main(parse(["cases", str(folder), "--json", *options]))
    return code, [json.loads(line) for line in capfd.readouterr().out.split("\n") if line.startswith("{")]


def test_a_line_a_case_tells_what_was_read_and_whether_it_was_expected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path, "good", expected={"accept": [{"exit": 2}, {"exit": 0, "read": 60}]})
    write_case(tmp_path, "refused", rows=UNKNOWN, expected={"accept": [{"exit": 2, "message": "label.*'wea[t]her'"}]})
    write_case(tmp_path, "deeper/unexpected", rows=UNKNOWN)
    code, (deeper, good, refused) = tried(tmp_path, capfd)
    assert code == 0
    assert good == {
        "case": "good",
        "exit": 0,
        "seen": 60,
        "read": 60,
        "left_out": {},
        "message": "",
        "accepted": True,
    }
    assert (refused["exit"], refused["read"], refused["accepted"]) == (2, 61, True)
    assert (deeper["case"], deeper["exit"], deeper["read"], deeper["accepted"]) == ("deeper/unexpected", 2, 61, None)
    assert "'weather'" in deeper["message"]


def test_rows_of_a_case_are_read_with_usual_garbage_collection(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_case(tmp_path, "good")
    before, seen, read = gc.get_threshold(), list[int](), FilesSource.read

    def noted(source: FilesSource, window: ResolvedWindow | None, out_dir: Path) -> Dataset:
        seen.append(gc.get_threshold()[0])
        return read(source, window, out_dir)

    monkeypatch.setattr(FilesSource, "read", noted)
    code, (result,) = tried(tmp_path, capfd)
    assert (code, result["read"], seen) == (0, 60, [USUAL])
    assert gc.get_threshold() == before


@pytest.mark.parametrize(
    "alternative",
    [{"exit": 0}, {"read": 60}, {"message": "Weather"}, {"exit": 2, "read": 61, "message": "no such words"}],
    ids=str,
)
def test_a_case_that_ends_otherwise_fails_the_command(
    alternative: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path, "refused", rows=UNKNOWN, expected={"accept": [alternative]})
    code, (result,) = tried(tmp_path, capfd)
    assert (code, result["accepted"]) == (1, False)


def test_what_nobody_expects_is_a_result_and_the_next_case_is_tried(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evergreen.tasks.text_classification.trainable import TextTraining

    write_case(tmp_path, "a", dropout=0.2, expected={"accept": [{"exit": 1, "message": "(?s)KeyError.*--debug"}]})
    write_case(tmp_path, "b")
    check = TextTraining.check

    def checked(training: TextTraining) -> str:
        os.write(1, b"not for the terminal")
        if training._task.dropout:
            raise KeyError("text")
        return check(training)

    monkeypatch.setattr(TextTraining, "check", checked)
    capfd.readouterr()
    code = cases.main(parse(["cases", str(tmp_path)]))
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert code == 0
    assert lines[0] == ["case", "exit", "seen", "read", "left_out", "message", "accepted"]
    assert [line[:2] for line in lines[1:]] == [["a", "1"], ["b", "0"]]
    assert "KeyError" in lines[1][5]
    assert (lines[1][-1], lines[2][-1]) == ("yes", "")


T4 = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}
B200 = {"machine_type": "a4-highgpu-8g", "accelerator_type": "NVIDIA_B200", "accelerator_count": 8}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"steps": {"train": {"settings": {"resources": {"gpu_count": 1}}}}}, "accelerator 1 GPU was asked"),
        ({"extra": {"stacks": ["local"], "machines": {"train": [T4]}}}, "accelerator 1 NVIDIA_TESLA_T4 was asked"),
        ({"extra": {"stacks": ["vertex"], "machines": {"train": [T4, B200]}}}, "cannot be used: .*NVIDIA_B200"),
        ({"extra": {"stacks": ["vertex"], "machines": {"train": [T4]}}}, None),
    ],
    ids=["resources here", "machine here", "machine of images", "machine elsewhere"],
)
def test_accelerators_that_no_run_could_use_are_refused_as_by_a_dry_run(
    more: dict[str, Any],
    message: str | None,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("EVERGREEN_ACCELERATORS", "EVERGREEN_PIPELINE_TORCH_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(accelerators, "_obstacle", lambda _: "it sees 0")
    case = write_case(tmp_path, "asking")
    document = yaml.safe_load((case / "config.yaml").read_text("utf-8"))
    document |= more
    (case / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    _, (result,) = tried(tmp_path, capfd)
    assert result["exit"] == (2 if message else 0)
    assert re.search(message or "^$", result["message"])


def test_what_a_source_leaves_out_is_counted_and_a_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    case = write_case(tmp_path, "dated", expected={"accept": [{"exit": 0, "read": 60, "message": "outside"}]})
    times = ["2024-05-08T12:00:00Z"] * 60 + ["2024-05-01T12:00:00Z"] * 2
    rows = [("text", "label", "time"), *((*row, time) for row, time in zip(headlines(62), times, strict=True))]
    with (case / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    document = yaml.safe_load((case / "config.yaml").read_text("utf-8"))
    document["parameters"]["source"]["columns"]["timestamp"] = "time"
    document["parameters"]["window"] = {"end": "2024-05-09T00:00:00Z", "length": "1d"}
    (case / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    code, (result,) = tried(tmp_path, capfd)
    assert (code, result["seen"], result["read"]) == (0, 62, 60)
    assert list(result["left_out"].values()) == [2]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"accept": []}, "accept"),
        ({"accepts": [{"exit": 0}]}, "accepts.*did you mean 'accept'"),
        ({"accept": [{"exits": 0}]}, r"accept\[?\.?0\]?\.exits.*exit"),
        ({"accept": [{"message": "("}]}, "no regular expression"),
        (
            {"accept": [{"exit": 0}], "environment": {"ZENML_CONFIG_PATH": "/x"}},
            "ZENML_CONFIG_PATH is set for each case",
        ),
        ({"accept": [{"exit": 0}], "environment": {"CASES": "/x"}}, "CASES is set for each case"),
        ({"accept": [{"exit": 0}], "environment": {"A=B": "x"}}, "'A=B' cannot be set"),
    ],
    ids=["nothing", "key", "alternative", "pattern", "own zenml", "own folder", "no name"],
)
def test_a_mistake_in_what_is_expected_is_told_before_any_case(expected: Any, message: str, tmp_path: Path) -> None:
    write_case(tmp_path, "good")
    write_case(tmp_path, "wrong", expected=expected)
    with pytest.raises(InputError, match=f"(?s){message}"):
        cases.main(parse(["cases", str(tmp_path)]))


def test_a_folder_without_cases_and_a_case_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.yaml below"):
        cases.main(parse(["cases", str(tmp_path)]))
    write_case(tmp_path, "good")
    with pytest.raises(InputError, match=r"no case 'god' below .* \(has: good\)"):
        cases.main(parse(["cases", str(tmp_path), "--case", "god"]))


def test_a_process_for_a_case_with_variables_of_its_own_starts_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        "accept": [{"exit": 2, "message": "OWN is not set"}],
        "environment": {"OWN": "set by the first process"},
    }
    write_case(tmp_path, "variable", expected=expected, encoder="/nowhere/${OWN}")
    monkeypatch.setenv(case.APART_VARIABLE, "1")
    code, (result,) = tried(tmp_path, capfd)
    assert (code, result["accepted"]) == (0, True)
    assert case.APART_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("program", "ended"),
    [
        ('print(\'{"case": "own", "exit": 2, "message": "a\\u2028b"}\'); print(\'a library\')', (2, "a\u2028b")),
        ("print('{\"case\": \"ow', end=''); sys.exit('killed while it printed')", (1, "killed while it printed")),
        ("os.write(2, bytes([255])); os._exit(3)", (3, "\ufffd")),
        ("print('some library, and then nothing'); os._exit(4)", (4, "nothing was said")),
    ],
    ids=["words after it", "half of it", "no text", "none"],
)
def test_whatever_a_process_of_a_case_printed_the_next_case_is_tried(
    program: str,
    ended: tuple[int, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_case(tmp_path / "cases", "own", expected={"accept": [{"exit": 0}], "environment": {"OWN": "1"}})
    write_case(tmp_path / "cases", "then")
    (tmp_path / "run.py").write_text(f"import os, sys\n{program}\n", encoding="utf-8")
    monkeypatch.setattr(cases, "ROOT", tmp_path)
    _, (own, then) = tried(tmp_path / "cases", capfd)
    assert (own["exit"], own["message"]) == ended
    assert (then["case"], then["exit"]) == ("then", 0)


@pytest.mark.parametrize(("written", "taken"), [(None, 8501), (8777, 8777)], ids=["default", "written"])
def test_a_host_whose_port_is_taken_lets_the_endpoint_choose_another(
    written: int | None,
    taken: int,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = write_case(tmp_path, "live") / "config.yaml"
    document = yaml.safe_load(config.read_text("utf-8"))
    document["parameters"]["host"] = {"kind": "local_endpoint"} | ({} if written is None else {"port": written})
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setattr(local_host, "port_conflict", lambda _, port: "taken" if port == taken else None)
    monkeypatch.setattr(case, "_run", lambda config, *_: f"port {yaml.safe_load(config.read_text('utf-8'))}")
    monkeypatch.setattr(teardown, "main", lambda _: None)
    _, (result,) = tried(tmp_path, capfd, "--train")
    assert "'port': 0" in result["message"]
    assert "${CASES}" in result["message"]


def test_a_run_that_fails_keeps_its_error_though_its_endpoint_is_not_stopped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> int:
        raise EvergreenError("the training diverged")

    def stays(_: object) -> None:
        raise InputError("no such stack")

    write_case(
        tmp_path, "failing", expected={"accept": [{"exit": 1, "message": "(?s)diverged.*stopped: no such stack"}]}
    )
    monkeypatch.setattr(run, "main", fails)
    monkeypatch.setattr(teardown, "main", stays)
    code, (result,) = tried(tmp_path, capfd, "--train")
    assert (code, result["accepted"]) == (0, True), result
