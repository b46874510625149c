"""A model card, the files of a Space, and what a configuration may ask."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from evergreen.adapters.huggingface_publish.card import model_card
from evergreen.adapters.huggingface_publish.settings import HuggingFaceHubSettings
from evergreen.adapters.huggingface_publish.space import space_files
from evergreen.core.artifacts import SourceIdentity, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError
from evergreen.core.members import publisher_of
from evergreen.core.metric import Metric
from evergreen.core.publication import Edition, ModelDescription
from evergreen.core.report import Baseline, ClassReport, EvaluationReport, Timings
from evergreen.runtime.processes import LIBRARY_ROOT


def metric(value: float) -> Metric:
    return Metric(value=value, low=value - 0.01, high=value + 0.01)


@pytest.fixture
def edition(tmp_path: Path) -> Edition:
    report = EvaluationReport(
        kind="classification",
        primary_metric="accuracy",
        primary_class_metric="f1",
        version="v",
        splits="s",
        rows=1445,
        labels=("a|b", "c"),
        metrics={"accuracy": metric(0.9625), "macro_f1": metric(float("nan"))},
        confidence=0.95,
        baseline=Baseline(label="c", metrics={"accuracy": 0.25}),
        per_class={"a|b": ClassReport(metrics={"recall": metric(0.5)}, support=7)},
        slices=(),
        comparison=None,
        size_bytes=1,
        timings=Timings(latency_p50_ms=1, latency_p95_ms=1, rows_per_s=1),
    )
    return Edition(
        model_name="news",
        model=TrainedModel(tmp_path, TrainedModelManifest(files=(), task={}, trained_on="5" * 64, seed=0)),
        report=report,
        data=SourceIdentity(kind="files", fingerprint="f" * 64, description="news.csv", rows=2225),
        description=ModelDescription(
            pipeline_tag="text-classification",
            library="transformers",
            origin="Trained from random weights",
            intended_use="Sorts.",
            limits=("Is short.",),
        ),
        examples=({"text": "für"},),
    )


def test_a_card_tells_what_was_measured_in_words_and_as_metadata(edition: Edition) -> None:
    card = model_card(edition, "org/news", "v1", "apache-2.0")
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["pipeline_tag"] == "text-classification"
    assert metadata["license"] == "apache-2.0"
    [result] = metadata["model-index"][0]["results"]
    assert result["dataset"] == {"name": "news.csv", "type": "files", "split": "test"}
    assert [(metric["type"], metric["value"]) for metric in result["metrics"]] == [("accuracy", 0.9625)]  # no NaN
    assert "| accuracy | 0.963 | 0.953 to 0.973 |" in card
    assert "| macro_f1 | undefined | undefined to undefined |" in card
    assert "| a\\|b | 7 | 0.500 |" in card
    assert "Always answering `c` scores accuracy 0.250" in card
    assert "On 1,445 test rows" in card
    assert "2,225 rows" in card
    assert "- Is short.\n" in card
    assert 'snapshot_download("org/news", revision="v1")' in card
    assert card == model_card(edition, "org/news", "v1", "apache-2.0")


def test_a_card_without_a_licence_says_so(edition: Edition) -> None:
    card = model_card(edition, "org/news", "v1", None)
    assert "license" not in yaml.safe_load(card.split("---")[1])
    assert "None is given" in card


def test_a_space_holds_the_library_its_requirements_and_an_app_pinned_to_the_revision(edition: Edition) -> None:
    files = space_files(edition, "org/news", "v1", "https://hub/org/news/tree/v1")
    library = {path.relative_to(LIBRARY_ROOT).as_posix() for path in (LIBRARY_ROOT / "evergreen").rglob("*.py")}
    assert library <= files.keys()
    assert not any("__pycache__" in name for name in files)
    app = files["app.py"]
    assert isinstance(app, bytes)
    compile(app, "app.py", "exec")
    assert b'published_model("org/news", "v1")' in app
    readme = files["README.md"]
    assert isinstance(readme, bytes)
    header = yaml.safe_load(readme.decode().split("---")[1])
    assert (header["sdk"], header["app_file"], header["models"]) == ("gradio", "app.py", ["org/news"])
    examples = files["examples.json"]
    assert isinstance(examples, bytes)
    assert json.loads(examples) == [{"text": "für"}]
    requirements = bytes(files["requirements.txt"]).decode().splitlines()
    assert requirements[0] == "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert [line for line in requirements if line.startswith("torch==")] == [
        f"torch=={version('torch').partition('+')[0]}+cpu"
    ]
    assert any(line.startswith("transformers==") for line in requirements)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"repository": "news"}, "repository"),
        ({"when": "candidate", "private": False}, "set private: true"),
        ({"space": {"repository": "org/demo"}}, "set space.token_env"),
        ({"token": "hf_secret"}, "token"),
    ],
)
def test_what_cannot_be_published_is_refused_by_the_configuration(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HuggingFaceHubSettings.model_validate({"repository": "org/news", **given})


def test_a_token_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    with pytest.raises(InputError, match="HUB_TOKEN is not set"):
        publisher_of(HuggingFaceHubSettings(repository="org/news", token_env="HUB_TOKEN")).check()  # noqa: S106 (a name)


def test_the_plan_says_what_goes_where() -> None:
    plan = publisher_of(HuggingFaceHubSettings(repository="org/news", when="candidate", dry_run=True)).plan()
    assert "before its rollout, for review, and as main once it is live, to org/news (private)" in plan
    assert "nothing is sent" in plan
