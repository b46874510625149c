"""What is asked before a run, where a token is only in the steps' secrets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from commands.project import Project
from commands.readiness import check_ready, task_needs, unused_settings
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.errors import InputError
from evergreen.tasks.text_classification.settings import TextClassification
from orchestration.configuration import Configuration


def project(document: dict[str, Any]) -> Project:
    source = FilesSettings.model_validate({"path": "news.csv", "columns": {"text": "text", "label": "label"}})
    task = TextClassification(labels=("a", "b"), encoder="my/private", token_env="HF_READ_TOKEN")  # noqa: S106 (a name)
    return Project(
        Configuration(Path("x.yaml"), ("vertex",), None, document), "news", source, task, LocalHostSettings(), None
    )


def test_an_encoder_whose_token_only_steps_have_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_READ_TOKEN", raising=False)
    assert task_needs(project({"secrets": ["hub"]})) == (
        "its encoder was not looked for: HF_READ_TOKEN is not set here; steps have it from hub"
    )
    with pytest.raises(InputError, match="HF_READ_TOKEN is not set"):
        task_needs(project({}))


def test_a_run_names_what_a_late_step_cannot_load_before_it_does_anything() -> None:
    class Misnamed(TextClassification):
        measurable: ClassVar[str] = "no_such_module:Measuring"

    task = Misnamed(labels=("a", "b"), encoder="my/private")
    begun = replace(project({}), task=task)
    with pytest.raises(InputError, match="names 'no_such_module:Measuring' for 'measurable', which cannot be loaded"):
        check_ready(begun, lambda: pytest.fail("planned"))


@pytest.mark.parametrize(
    ("orchestrator", "document", "message"),
    [
        ("local", {"settings": {"docker": {"skip_build": True}}}, "^settings.docker is not used: stack 'here' runs"),
        (
            "local",
            {"settings": {"docker": {}}, "steps": {"train": {"settings": {"docker": {}}}, "split": None}},
            "^settings.docker, steps.train.settings.docker are not used",
        ),
        ("local", {"settings": {"experiment_tracker": {}}}, None),
        ("vertex", {"settings": {"docker": {"skip_build": True}}}, None),
    ],
    ids=["run", "run and step", "none", "in containers"],
)
def test_docker_settings_that_nothing_reads_are_told(
    orchestrator: str, document: dict[str, Any], message: str | None
) -> None:
    given: Any = SimpleNamespace(
        orchestrator=orchestrator, active_stack="here", configuration=SimpleNamespace(document=document)
    )
    note = unused_settings(given)
    assert re.search(message, note or "") if message else note is None
