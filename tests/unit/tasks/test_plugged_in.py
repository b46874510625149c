"""A kind of task that an installed package offers: configured, trained, loaded and described like one of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

import evergreen.tasks
from evergreen.core.errors import InputError
from evergreen.core.members import TaskSettings, check_behaviours, examinable, servable, trainable
from evergreen.tasks.kinds import TASKS
from evergreen.tasks.model_directory import required
from orchestration.document import read
from orchestration.schema import check
from tests.tiny_text import LABELS, RecordingRun, write_splits

PLUGGED_IN = """
from typing import Any, ClassVar, Literal

from evergreen.core.members import TaskSettings
from evergreen.core.metric import MetricSpec
from evergreen.core.training import Curves
from evergreen.tasks.model_directory import complete_model

class LongestWord(TaskSettings):
    examinable: ClassVar[str] = "longest_word:Examination"
    trainable: ClassVar[str] = "longest_word:Training"
    servable: ClassVar[str] = "longest_word:Serving"
    metrics: ClassVar = (MetricSpec(name="mean_absolute_error", better="lower", bounds=(0, None)),)
    columns: ClassVar = {"text": "string"}
    input_field: ClassVar[str] = "text"
    kind: Literal["longest_word"] = "longest_word"
    least: int = 0

class Examination:
    def __init__(self, task): self.task = task
    def examine(self, dataset): return None

class Training:
    def __init__(self, task): self.task = task
    def train(self, splits, run, start=None):
        curves = Curves(train=(), validation=(), best_step=0)
        return complete_model(run.out_dir, self.task.model_dump(mode="json"), splits, run.seed, curves)

class Serving:
    def __init__(self, task): self.task = task
    def load(self, model_dir, fetch=None): return self
    def predict(self, batch): return [max(self.task.least, *map(len, text.split())) for text in batch]
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package that offers the kind `longest_word`."""
    (tmp_path / "longest_word.py").write_text(PLUGGED_IN, encoding="utf-8")
    info = tmp_path / "longest_word-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: longest-word\nVersion: 3.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[evergreen.tasks]\nlongest_word = longest_word:LongestWord\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield tmp_path
    forget()
    sys.modules.pop("longest_word", None)


def forget() -> None:
    """Makes the kinds look for packages again."""
    for cached in ("union", "_offered"):
        TASKS.__dict__.pop(cached, None)


@pytest.mark.usefixtures("installed")
def test_a_task_of_an_installed_package_trains_and_answers_like_one_of_ours(tmp_path: Path) -> None:
    union: TypeAdapter[TaskSettings] = TypeAdapter(TASKS.union)
    task = union.validate_python({"kind": "longest_word", "least": 3})
    splits = write_splits(tmp_path / "splits", {"train": [("a word", LABELS[0])]})
    model = trainable(task).train(splits, RecordingRun.below(tmp_path / "run"))
    assert required(model.path) == "longest-word==3.1"
    assert evergreen.tasks.load_task(model.path) == task
    assert evergreen.tasks.load_predictor(model.path).predict(["a", "longest of all"]) == [3, 7]
    assert servable(task).load(model.path).predict(["four"]) == [4]
    assert (task.classes, task.variables, task.for_training()) == ((), {}, task)


@pytest.mark.usefixtures("installed")
def test_a_task_of_an_earlier_protocol_is_named_with_what_it_lacks() -> None:
    task: TaskSettings = TypeAdapter(TASKS.union).validate_python({"kind": "longest_word"})
    message = r"'longest_word' \(longest_word:Examination\) has examine\(dataset\), .*`count`"
    with pytest.raises(InputError, match=message):
        examinable(task)


@pytest.mark.usefixtures("installed")
def test_a_task_that_lacks_what_a_late_step_needs_is_told_before_any_step() -> None:
    task: TaskSettings = TypeAdapter(TASKS.union).validate_python({"kind": "longest_word"})
    with pytest.raises(InputError, match=r"kind 'longest_word' .* names no behaviour 'measurable'"):
        check_behaviours(task)


def test_a_configuration_that_names_a_kind_of_a_broken_package_is_told_why(installed: Path) -> None:
    (installed / "longest_word.py").write_text("import no_such_library\n", encoding="utf-8")
    path = installed / "own.yaml"
    path.write_text(yaml.safe_dump({"task": {"kind": "longest_word"}}), encoding="utf-8")
    _, (mistake,) = check(TASKS.union, read(path), ("task",))
    assert mistake.path == ("task", "kind")
    assert "kind 'longest_word' of longest-word==3.1 cannot be loaded from 'longest_word:" in mistake.message
    assert "ModuleNotFoundError: No module named 'no_such_library'; correct" in mistake.message
    text = {"kind": "text_classification", "encoder": "a/b", "labels": ["a", "b"]}
    path.write_text(yaml.safe_dump({"task": text}), encoding="utf-8")
    assert check(TASKS.union, read(path), ("task",))[1] == []
