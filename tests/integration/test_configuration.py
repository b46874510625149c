"""The strict check against ZenML's own models, on a real pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from zenml import pipeline, step

from commands.console import quiet_zenml
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from orchestration.configuration import Configuration, load, steps_of
from orchestration.mistakes import ConfigurationError, Mistake, dotted

pytestmark = pytest.mark.usefixtures("zenml_home")


class Files(Frozen):
    kind: Literal["files"] = "files"
    path: str
    token_env: str | None = None


class Package(Frozen):
    kind: Literal["package"] = "package"
    package: str


class Plan(Frozen):
    seed: int = 0
    similarity: float | None = 0.9


PLAN = Plan()
Source = Annotated[Files | Package, Field(discriminator="kind")]


@step
def fetch(source: Source, fail: bool) -> Annotated[str, "rows"]:
    if fail:
        raise InputError("column 'label' missing from rows.csv (has: id, text)")
    return source.kind


@step(name="split")
def split_step(plan: Plan, rows: str) -> str:
    return repr(plan.similarity)


@pipeline
def training(model_name: str, source: Source, plan: Plan = PLAN, fail: bool = False) -> None:
    split_step(plan, fetch(source, fail))


@step
def given_accelerators() -> Annotated[str, "asked"]:
    return os.environ.get("EVERGREEN_ACCELERATORS", "none")


@pipeline
def on_gpu(model_name: str) -> None:
    given_accelerators()


RIGHT = """\
parameters:
  model_name: news
  source: {kind: files, path: news.csv}
extra: {stacks: [local]}
"""


def load_text(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, training)


def mistakes_of(tmp_path: Path, text: str) -> dict[str, Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, text)
    return {dotted(mistake.path): mistake for mistake in caught.value.mistakes}


def test_parameters_are_typed_and_defaults_are_filled_in(tmp_path: Path) -> None:
    configuration = load_text(tmp_path, RIGHT)
    assert configuration.parameters.source == Files(path="news.csv")
    assert configuration.parameters.plan == Plan()
    assert configuration.stacks == ("local",)


def test_the_steps_are_those_that_the_pipeline_names() -> None:
    assert set(steps_of(training)) == {"fetch", "split"}


@pytest.mark.parametrize(
    ("text", "place", "message", "allowed"),
    [
        ("parametres: {}", "parametres", "unknown key; did you mean 'parameters'?", "parameters"),
        ("stack: local", "stack", "unknown key", "steps"),
        ("enable_cach: true", "enable_cach", "unknown key; did you mean 'enable_cache'?", "enable_cache"),
        ("enable_cache: mabe", "enable_cache", "should be true or false, got 'mabe'", None),
        ("steps: {fetsh: {}}", "steps.fetsh", "unknown step; did you mean 'fetch'?", "split"),
        ("steps: {fetch: {enable_cach: 1}}", "steps.fetch.enable_cach", "did you mean 'enable_cache'?", "enable_cache"),
        ("steps: {fetch: {parameters: {sorce: 1}}}", "steps.fetch.parameters.sorce", "did you mean 'source'?", "fail"),
        ("steps: {fetch: {outputs: {row: {}}}}", "steps.fetch.outputs.row", "did you mean 'rows'?", "rows"),
        ("steps: {fetch: {retry: {max_retrys: 1}}}", "steps.fetch.retry.max_retrys", "'max_retries'", "delay"),
        ("steps: {fetch: {model: {name: x}}}", "steps.fetch.model", "not used here", None),
        ("settings: {orchestratr: {}}", "settings.orchestratr", "did you mean 'orchestrator'?", "docker"),
        (
            "settings: {docker: {requirments: []}}",
            "settings.docker.requirments",
            "did you mean 'requirements'?",
            "user",
        ),
        ("settings: {docker: {requirements: 3}}", "settings.docker.requirements", "should be", None),
        ("settings: {resources: {cpu_count: many}}", "settings.resources.cpu_count", "should be a valid number", None),
        ("settings: {orchestrator: {synchronos: 1}}", "settings.orchestrator", "no such component of the stacks", None),
        (
            "settings: {experiment_tracker: {experiment_nam: x}}",
            "settings.experiment_tracker.experiment_nam",
            "",
            "nested",
        ),
        (
            "steps: {fetch: {settings: {docker: {usr: x}}}}",
            "steps.fetch.settings.docker.usr",
            "did you mean 'user'?",
            "user",
        ),
        ("schedule: {cron_expresion: x}", "schedule.cron_expresion", "'cron_expression'?", "catchup"),
        ("model: {name: x}", "model", "it would create a version on every run; set parameters.model_name", None),
        ("environment: {HF_TOKEN: abcdefgh}", "environment.HF_TOKEN", "under secrets:", None),
    ],
)
def test_a_mistake_is_told_with_the_nearest_word(
    tmp_path: Path, text: str, place: str, message: str, allowed: str | None
) -> None:
    mistakes = mistakes_of(tmp_path, f"{RIGHT}{text}\n")
    assert set(mistakes) == {place}
    assert message in mistakes[place].message
    assert allowed is None or allowed in mistakes[place].allowed


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
parametres: {}
parameters:
  source: {kind: fils}
  plan: {seed: one}
  plam: 1
steps: {tran: {}}
extra: {stack: [local]}
"""
    mistakes = mistakes_of(tmp_path, text)
    assert list(mistakes) == [
        "parametres",
        "parameters.model_name",
        "parameters.source.kind",
        "parameters.plan.seed",
        "parameters.plam",
        "steps.tran",
        "extra.stack",
        "extra.stacks",
    ]
    assert mistakes["parameters.source.kind"].allowed == ("files", "package")


def test_a_missing_parameter_says_which_kinds_there_are(tmp_path: Path) -> None:
    mistakes = mistakes_of(tmp_path, "parameters: {model_name: x}\nextra: {stacks: [local]}\n")
    assert mistakes["parameters.source"].message == "missing; a mapping with kind: files, package"


def test_the_stacks_must_be_named(tmp_path: Path) -> None:
    without = RIGHT.replace("extra: {stacks: [local]}\n", "")
    assert "name the stacks" in mistakes_of(tmp_path, without)["extra"].message
    assert set(mistakes_of(tmp_path, f"{without}extra: {{stacks: []}}\n")) == {"extra.stacks"}
    assert set(mistakes_of(tmp_path, f"{without}extra: {{stacks: local}}\n")) == {"extra.stacks"}


def test_settings_of_a_stack_without_a_file_may_be_those_of_any_flavor(tmp_path: Path) -> None:
    text = RIGHT.replace("local", "someones_own")
    assert load_text(tmp_path, f"{text}settings: {{orchestrator: {{synchronous: false}}}}\n")
    mistakes = mistakes_of(tmp_path, f"{text}settings: {{orchestrator.vertex: {{synchronos: false}}}}\n")
    assert mistakes["settings.orchestrator.vertex.synchronos"].allowed[-1] == "synchronous"


def test_a_placeholder_reaches_the_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWS", "/data/news.csv")
    text = RIGHT.replace("news.csv", "'${NEWS}'")
    assert load_text(tmp_path, text).parameters.source.path == "/data/news.csv"
    monkeypatch.delenv("NEWS")
    assert "environment variable NEWS is not set" in mistakes_of(tmp_path, text)["parameters.source.path"].message


def test_a_secret_in_place_of_a_variables_name_is_not_shown(tmp_path: Path) -> None:
    text = RIGHT.replace("path: news.csv", "path: news.csv, token_env: hf_abcdefghijklmnopqrst")
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, text)
    assert "hf_abcdef" not in str(caught.value)


def test_a_step_is_told_of_its_accelerators_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    asked = {"fetch": "1 NVIDIA_TESLA_T4"}

    def environment_of(text: str) -> dict[str, str]:
        return dict(load_text(tmp_path, text).options(accelerators=asked)["steps"]["fetch"].environment)

    assert environment_of(RIGHT) == {"EVERGREEN_ACCELERATORS": "1 NVIDIA_TESLA_T4"}
    own = "steps: {fetch: {environment: {SIZE: '3', EVERGREEN_ACCELERATORS: ''}}}"
    assert environment_of(f"{RIGHT}\n{own}\n") == {"SIZE": "3", "EVERGREEN_ACCELERATORS": ""}
    assert "steps" not in load_text(tmp_path, RIGHT).options()


def test_what_a_step_is_told_reaches_its_process(tmp_path: Path) -> None:
    from zenml.client import Client

    path = tmp_path / "gpu.yaml"
    path.write_text("parameters: {model_name: news}\nextra: {stacks: [local]}\n", encoding="utf-8")
    options = load(path, on_gpu).options(accelerators={"given_accelerators": "2 NVIDIA_L4"})
    with quiet_zenml(debug=False):
        response = on_gpu.with_options(**options)()
    assert response is not None
    steps = Client().get_pipeline_run(response.id).steps
    assert steps["given_accelerators"].outputs["asked"][0].load() == "2 NVIDIA_L4"
    assert "EVERGREEN_ACCELERATORS" not in os.environ


def run(configuration: Configuration, **options: Any) -> Any:
    from zenml.client import Client

    with quiet_zenml(debug=False):
        response = training.with_options(**configuration.options(**options))()
    return Client().get_pipeline_run(response.id) if response else None


def test_a_run_takes_every_option_of_the_file(tmp_path: Path) -> None:
    text = f"""{RIGHT}
run_name: "named-{{date}}-{{time}}"
tags: [nightly]
enable_step_logs: false
settings: {{docker: {{requirements: [a]}}}}
steps: {{fetch: {{enable_cache: true, environment: {{SIZE: "3"}}, retry: {{max_retries: 1}}}}}}
""".replace("news.csv}", "news.csv}\n  plan: {similarity: null}")
    configuration = load_text(tmp_path, text)
    first = run(configuration)
    assert first.name.startswith("named-")
    assert first.config.tags == ["nightly"]
    assert first.config.extra == {"stacks": ["local"]}
    assert first.config.enable_step_logs is False
    assert first.steps["fetch"].config.environment == {"SIZE": "3"}
    assert first.steps["fetch"].config.retry.max_retries == 1
    assert first.steps["split"].outputs["output"][0].load() == "None"  # a null reaches the step
    assert [done.status for done in run(configuration).steps.values()] == ["cached", "cached"]
    assert [done.status for done in run(configuration, use_cache=False).steps.values()] == ["completed", "completed"]


def test_a_steps_error_comes_out_as_itself(tmp_path: Path) -> None:
    configuration = load_text(tmp_path, RIGHT.replace("model_name: news", "model_name: news\n  fail: true"))
    with pytest.raises(InputError, match="column 'label' missing") as caught:
        run(configuration)
    assert isinstance(caught.value.__cause__, RuntimeError)
