"""The machines that batch predictions run on, and what each refuses before anything is done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.files.output_settings import FilesOutput
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.batch.settings import AnyBatchRunner, VertexBatch, store_of
from evergreen.batch.vertex import VertexRun
from evergreen.core.errors import InputError
from orchestration.batch import runner_of

GUIDE = Path(__file__).parents[3] / "docs" / "batch-prediction.md"
DATAFLOW = {"kind": "dataflow", "project": "p", "region": "europe-west4", "temp": "gs://news/tmp", "image": "i"}
VERTEX: dict[str, Any] = {"kind": "vertex", "project": "p", "region": "europe-west4", "temp": "gs://news/tmp"}


def runner(**fields: Any) -> Any:
    made: Any = TypeAdapter(AnyBatchRunner).validate_python(fields)
    return made


def test_the_runner_that_the_guide_shows_is_one() -> None:
    (shown,) = re.findall(r"```yaml\n(runner:.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    made = runner(**yaml.safe_load(shown)["runner"])
    assert made.machines == "a batch prediction job of Vertex AI in europe-west4, up to 8 x n1-standard-4"


@pytest.mark.parametrize(
    "fields", [{"region": "europe-wst4"}, {"accelerator_type": "NVIDIA_TESLA_T4"}, {"temp": "tmp"}]
)
def test_what_vertex_ai_would_refuse_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        runner(**{**VERTEX, **fields})


def test_workers_elsewhere_do_not_write_on_this_machine_and_processes_here_do(tmp_path: Path) -> None:
    store = store_of(FilesOutput(path=str(tmp_path / "out.csv")))
    with pytest.raises(InputError, match="workers of Dataflow cannot write"):
        runner_of(runner(**DATAFLOW)).check("news", "0a1b", store)
    runner_of(runner(kind="local")).check("news", "0a1b", store)


def test_a_version_that_is_not_registered_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelRegistry, "named", lambda *_: None)
    store = store_of(FilesOutput(path=str(tmp_path / "out.csv")))
    with pytest.raises(InputError, match=r"in p, europe-west4 has no version 0a1b of news of environment 'staging'"):
        VertexRun(VertexBatch(**VERTEX, environment="staging")).check("news", "0a1b", store)
