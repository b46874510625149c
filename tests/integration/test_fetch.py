"""The step `fetch` with real sources: the rows are those that the identity promised, or it says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import pytest
import yaml

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.adapters.kinds import AnySource
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.errors import EvergreenError
from evergreen.core.intake import LeftOutReason
from evergreen.core.members import source_of
from evergreen.core.part import Part
from evergreen.data.shards import first_rows
from evergreen.tasks.text_classification.settings import TextClassification
from orchestration.materializers import ValueMaterializer

ROWS = 30_000
"""So many that the file is edited while most of it is still unread."""


def write_rows(path: Path) -> None:
    lines = "".join(f'{{"text": "{number} {"word " * 40}", "label": "a"}}\n' for number in range(ROWS))
    path.write_text(lines, encoding="utf-8")


def append_row(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write('{"text": "late", "label": "a"}\n')


@pytest.fixture(params=["files", "package", "huggingface"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnySource:
    folder = tmp_path / "carried_rows"
    folder.mkdir()
    write_rows(folder / "train.jsonl")
    if request.param == "files":
        return FilesSettings(path=str(folder))
    if request.param == "huggingface":
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
        return HuggingFaceSettings(name=str(folder))
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return FilesSettings(path="package://carried_rows/train.jsonl")


@pytest.fixture
def edited_while_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file gets one more row as soon as the first rows were written."""
    from evergreen.data.shards import ShardWriter

    write = ShardWriter.write

    def write_and_edit(writer: ShardWriter, table: Any) -> None:
        if not writer.rows:
            append_row(tmp_path / "carried_rows" / "train.jsonl")
        write(writer, table)

    monkeypatch.setattr(ShardWriter, "write", write_and_edit)


@pytest.mark.usefixtures("zenml_home", "edited_while_read")
def test_rows_that_change_while_they_are_read_end_the_run(source: AnySource) -> None:
    from steps.fetch import fetch

    with pytest.raises(EvergreenError, match="changed while it was read; run again"):
        fetch.entrypoint(source, source_of(source).identity(None), Part(), "c")


@pytest.mark.usefixtures("zenml_home")
def test_rows_that_stay_as_they_were_are_fetched(source: AnySource) -> None:
    from steps.fetch import fetch

    dataset, _ = fetch.entrypoint(source, source_of(source).identity(None), Part(), "c")
    assert dataset.manifest.rows == ROWS
    assert dataset.manifest.source == source_of(source).identity(None)


@pytest.mark.usefixtures("zenml_home")
def test_how_rows_are_fetched_is_nothing_to_the_cache(tmp_path: Path) -> None:
    from zenml.client import Client
    from zenml.orchestrators.cache_utils import generate_cache_key

    from orchestration.configuration import CONFIGS_DIRECTORY, load
    from pipelines.training import training

    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8"))
    document["steps"] = {name: {"experiment_tracker": False} for name in ("train", "evaluate", "promote", "deploy")}

    def keys(**fetched: Any) -> dict[str, str]:
        """What answers each step, of equal inputs."""
        table = {"kind": "bigquery", "project": "news-production", "table": "news.articles"}
        document["parameters"]["source"] = table | fetched
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        options = load(tmp_path / "own.yaml", training).options()
        steps = training.with_options(**options).create_snapshot(f"rows-{uuid4().hex}").step_configurations
        store, project = Client().active_stack.artifact_store, Client().active_project.id
        return {name: generate_cache_key(step, {}, store, project) for name, step in steps.items()}

    plain, otherwise = keys(), keys(streams=1, job_labels={"team": "news"})
    assert plain["fetch"] == otherwise["fetch"]
    assert plain["identify"] != otherwise["identify"]
    where, other = ({"kind": "files", "fingerprint": "f", "description": place} for place in ("here", "there"))
    hashes = [ValueMaterializer("").compute_content_hash(SourceIdentity(**one)) for one in (where, other)]
    assert hashes[0] == hashes[1]


@pytest.mark.usefixtures("zenml_home", "edited_while_read")
def test_a_source_that_is_read_at_one_instant_may_change_meanwhile(source: AnySource) -> None:
    from steps.fetch import fetch

    identity = source_of(source).identity(None).model_copy(update={"atomic": True})
    dataset, _ = fetch.entrypoint(source, identity, Part(), "c")
    assert dataset.manifest.source.fingerprint != identity.fingerprint
    assert dataset.manifest.rows >= ROWS


@pytest.mark.usefixtures("zenml_home")
def test_of_rows_that_arrived_more_than_once_the_last_is_read_all_are_covered_and_the_rest_is_valid(
    tmp_path: Path,
) -> None:
    from steps.fetch import fetch
    from steps.validate import validate

    def line(number: int, label: str, day: int) -> str:
        return f"{number},a text of number {number} in so many words,{label},2026-05-{day:02d}T12:00:00Z\n"

    rows = [line(number, "ab"[number % 2], 1) for number in range(40)]
    rows += [line(number, "b", 2) for number in range(0, 10, 2)] + rows[20:23]  # corrected; delivered twice
    (tmp_path / "rows.csv").write_text("id,text,label,arrived\n" + "".join(rows), encoding="utf-8")
    columns = {name: name for name in ("id", "text", "label", "arrived")}
    source = FilesSettings(path=str(tmp_path / "rows.csv"), columns=columns)
    dataset, coverage = fetch.entrypoint(source, source_of(source).identity(None), Part(), "c")
    labels = {row["id"]: row["label"] for row in first_rows(dataset.shards, ["id", "label"], 100)}
    assert dataset.manifest.rows == len(labels) == 40
    assert dataset.manifest.intake
    assert dataset.manifest.intake.left_out == {LeftOutReason.REPLACED: 8}
    assert {labels[str(number)] for number in range(0, 10, 2)} == {"b"}
    validate.entrypoint(TextClassification(encoder="unused", labels=("a", "b")), dataset, "c")
    assert source_of(source).find_new(Part(until=datetime.now(UTC)).beside(coverage)).new == 0
