from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.evaluate import _source, evaluation_of, progress_on_stderr
from commands.project import Project
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.evaluation import evaluate
from orchestration import scoring
from orchestration.configuration import Configuration

SOURCE = FilesSettings(path="news.csv", columns={"text": "content", "label": "category"})
WINDOW = {"length": "7d"}


def given(**changes: Any) -> Configuration:
    parameters = {"model_name": "news", "source": SOURCE.model_dump(), "task": {"kind": "text_classification"}}
    parameters |= {"gate": {"minimum": {"accuracy": 0.9}}, "window": WINDOW, "host": {"kind": "local_endpoint"}}
    document = {
        "run_name": "nightly",
        "secrets": ["hub"],
        "settings": {"docker": {"parent_image": "pipeline:1"}},
        "steps": {
            "evaluate": {
                "settings": {"orchestrator": {"gpu": 1}},
                "parameters": {"seed": 1},
                "experiment_tracker": "m",
            },
            "train": {"step_operator": "vertex"},
        },
        "parameters": parameters | changes,
        "extra": {"stacks": ["local"]},
    }
    return Configuration(Path("news.yaml"), ("local",), None, document)


def test_a_training_configuration_is_one_of_evaluation_on_the_machine_of_evaluate() -> None:
    document = evaluation_of(given(), None).document
    assert document.keys() == {"secrets", "settings", "parameters", "steps", "extra"}
    assert document["parameters"].keys() == {"model_name", "source", "task", "window"}
    assert document["steps"] == {"score": {"settings": {"orchestrator": {"gpu": 1}}}}


def test_how_far_the_scoring_is_stands_on_stderr_and_nothing_of_it_on_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telling = logging.getLogger("evergreen.evaluation.evaluate")
    before = (telling.level, telling.propagate, list(telling.handlers))
    with progress_on_stderr():
        told = evaluate._Told(5_000)
        told.report(1)
        told._last -= evaluate.TOLD_EVERY_S
        told.report(2_048)
    assert capsys.readouterr() == ("", "2,048 of 5,000 rows are answered\n")
    assert (telling.level, telling.propagate, list(telling.handlers)) == before


def test_what_a_scoring_warns_of_is_kept_with_the_step_and_not_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zenml.utils.logging_utils import LoggingContext

    kept: list[str] = []
    monkeypatch.setattr(LoggingContext, "dispatch", lambda record: kept.append(record.getMessage()))
    with progress_on_stderr():
        scoring.logger.warning("which rows the version was trained on is lost")
    assert capsys.readouterr() == ("", "which rows the version was trained on is lost\n")
    assert kept == ["which rows the version was trained on is lost"]


def test_another_source_is_read_whole_or_in_the_stretch_that_is_asked_for() -> None:
    other = SOURCE.model_copy(update={"path": "may.csv"})
    stretch = {"start": "2026-05-01T00:00:00+00:00", "end": "2026-05-08T00:00:00+00:00"}
    parameters = evaluation_of(given(backfill=stretch), other).document["parameters"]
    assert parameters.keys() == {"model_name", "source", "task", "backfill"}
    assert FilesSettings.model_validate(parameters["source"]) == other


def project(*, on_vertex: bool) -> Project:
    return cast("Project", SimpleNamespace(source=SOURCE, is_on_vertex=on_vertex))


def test_rows_at_a_place_are_read_as_the_configuration_s_own() -> None:
    read = _source("may.csv", project(on_vertex=False))
    assert read == SOURCE.model_copy(update={"path": "may.csv"})
    assert _source("gs://news/may/*.csv", project(on_vertex=True)).read_from["path"] == "gs://news/may/*.csv"


def test_rows_of_this_machine_are_refused_where_steps_run_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"may\.csv is on this machine, and steps run on Vertex AI; copy it to gs://"):
        _source("may.csv", project(on_vertex=True))
    with pytest.raises(InputError, match="names no BigQuery table"):
        _source("bq://news", project(on_vertex=False))
