"""Looking at an endpoint, going back and ending it need what the endpoint needs, and no more of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import InputError
from orchestration.configuration import load
from orchestration.mistakes import ConfigurationError
from orchestration.served import SERVED, load_served

OF_THE_HOST = {
    "GOOGLE_CLOUD_PROJECT": "my-project",
    "GOOGLE_CLOUD_REGION": "europe-west4",
    "EVERGREEN_BUCKET": "gs://my-bucket",
    "EVERGREEN_SERVING_IMAGE": "serving:1",
    "EVERGREEN_SERVING_ACCOUNT": "serving@my-project.iam.gserviceaccount.com",
}
pytestmark = pytest.mark.usefixtures("zenml_home")


@pytest.fixture
def of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERGREEN_NEWS_TABLE", "EVERGREEN_ENCODER", "EVERGREEN_PETS", "EVERGREEN_PIPELINE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in OF_THE_HOST.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("of_the_host")
@pytest.mark.parametrize(("name", "model"), [("prod.yaml", "news"), ("pets_prod.yaml", "pets")])
def test_variables_of_source_and_task_may_be_missing(name: str, model: str) -> None:
    from pipelines.training import training

    with pytest.raises(ConfigurationError, match="is not set"):
        load(name, training)
    served = load_served(name, SERVED)
    assert (served.parameters.model_name, served.stacks) == (model, ("vertex", "emulated"))
    assert isinstance(served.parameters.host, VertexHostSettings)
    assert served.parameters.host.staging == "gs://my-bucket/models"
    assert load_served(name, SERVED, "other").parameters.model_name == "other"


@pytest.mark.usefixtures("of_the_host")
def test_variables_of_the_host_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERGREEN_SERVING_IMAGE")
    with pytest.raises(ConfigurationError) as caught:
        load_served("prod.yaml", SERVED)
    assert [mistake.message for mistake in caught.value.mistakes] == [
        "environment variable EVERGREEN_SERVING_IMAGE is not set; export EVERGREEN_SERVING_IMAGE=…"
    ]


@pytest.mark.parametrize("part", ["what it reads", "the rest"])
def test_mistakes_are_counted_in_what_is_read_and_the_rest_is_left_to_a_dry_run(tmp_path: Path, part: str) -> None:
    host = "{kind: local_endpoint, port: 8501x}" if part == "what it reads" else "{kind: local_endpoint}"
    path = tmp_path / "news.yaml"
    path.write_text(
        f"parameters: {{model_name: news, host: {host}, split: 3, nonsense: 1}}\nextra: {{stacks: [local]}}\n",
        encoding="utf-8",
    )
    if part == "the rest":
        assert load_served(path, SERVED).parameters.model_name == "news"
        return
    with pytest.raises(ConfigurationError) as caught:
        load_served(path, SERVED)
    first, *_, last = str(caught.value).splitlines()
    assert first == f"{path} has 1 mistake in what this command reads:"
    assert last == f"the rest was not checked: python run.py --config {path} --dry-run"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: {model_name: news}\nextra: {stacks: [local]}\n", "parameters.host: missing; a mapping with kind"),
        ("parameters: {host: {kind: local_endpoint}}\nextra: {stacks: [local]}\n", "parameters.model_name: missing"),
        ("parameters: {model_name: news, host: {kind: local_endpoint}}\n", "extra.stacks: missing"),
        ("parameters: 3\nextra: [a]\n", "parameters.host: missing"),
        (
            "parameters: {model_name: news, host: {kind: vertex_endpoint, env: {DB_PASSWORD: abcdefgh}}}\n",
            "parameters.host.env.DB_PASSWORD: would store a secret",
        ),
    ],
)
def test_what_is_missing_or_secret_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_served(path, SERVED)
    assert message in " ".join(str(caught.value).split())


@pytest.mark.usefixtures("of_the_host")
@pytest.mark.parametrize("command", ["status", "stop", "teardown", "rollback"])
def test_these_commands_open_the_endpoint_alone(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They get past the configuration: what stops them is the active stack, or Google that cannot be asked."""
    from commands.parser import main

    checked: list[str] = []
    monkeypatch.setattr("commands.project.ServedModel.check_stack", lambda self: checked.append(self.model_name))
    for name in ("open", "lease"):  # of the class: a name in a module would stay with whoever imports it meanwhile
        monkeypatch.setattr(f"evergreen.adapters.vertex.host.VertexHost.{name}", refuse)
    assert main([command, "--config", "prod.yaml", "--name", "never-trained"]) == 1
    assert checked == ([] if command == "status" else ["never-trained"])


def refuse(*_: object) -> None:
    from evergreen.core.errors import EndpointError

    raise EndpointError("Google was asked")
